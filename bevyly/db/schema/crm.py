"""The CRM: accounts, contacts, opportunities with their history, leads. Writers: `api` and `bevyly.datasets`."""

from datetime import date

from sqlalchemy import CheckConstraint, Computed, ForeignKeyConstraint, Index, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from bevyly.db.schema.base import (
    Base,
    Code,
    CreatedAt,
    Currency,
    Id,
    Instant,
    Minor,
    Name,
    Tagged,
    TenantRow,
    Versioned,
    live_index,
    tenant_fk,
)


def _list_indexes(table: str) -> tuple[Index, ...]:
    """Indexes of a list in its default order, of its external ids, of tagged rows and of those of one owner."""
    return (
        Index(f"ix_{table}_list", "customer_id", text("created_at desc"), text("id desc")),
        Index(f"ix_{table}_tagged", "customer_id", "id", postgresql_where=text("tags <> '{}'")),
        Index(f"ix_{table}_owner", "customer_id", "owner_id", text("created_at desc"), text("id desc")),
        live_index(f"ix_{table}_updated", "updated_at"),
        Index(
            f"uq_{table}_external_id",
            "customer_id",
            "external_id",
            unique=True,
            postgresql_where=text("external_id is not null"),
        ),
    )


class Mergeable:
    """A record that another one may take the place of: then it is deleted, and says which one did."""

    merged_into: Mapped[Id | None]


def _key(expression: str) -> Mapped[str | None]:
    """A key by which duplicates are found: a column, since an index on an expression is no use under row security."""
    return mapped_column(Text, Computed(expression, persisted=True), deferred=True)


def _key_indexes(table: str, *names: str) -> tuple[Index, ...]:
    return tuple(
        Index(
            f"ix_{table}_match_{name}",
            "customer_id",
            f"match_{name}",
            postgresql_where=text(f"match_{name} is not null"),
        )
        for name in names
    )


def _merged(table: str) -> tuple[CheckConstraint | ForeignKeyConstraint | Index, ...]:
    """What holds of `merged_into`: the final survivor, in the same table; only a deleted record has one."""
    return (
        tenant_fk("merged_into", table),
        CheckConstraint("(merged_into is null) or (deleted_at is not null)", name="merged_into"),
        Index(
            f"ix_{table}_merged_into", "customer_id", "merged_into", postgresql_where=text("merged_into is not null")
        ),
    )


class Account(TenantRow, Versioned, Tagged, Mergeable, Base):
    """A company."""

    __tablename__ = "accounts"
    __table_args__ = (
        tenant_fk("owner_id", "users"),
        *_list_indexes("accounts"),
        *_merged("accounts"),
        *_key_indexes("accounts", "name", "domain", "block"),
        Index("ix_accounts_name", "customer_id", text("lower(name)"), "id"),
        live_index("ix_accounts_revenue", "annual_revenue_minor"),
        Index("ix_accounts_domain", "customer_id", "domain"),
    )

    name: Mapped[Name]
    domain: Mapped[str | None] = mapped_column(String(255))
    industry: Mapped[str | None] = mapped_column(String(100))
    employee_count: Mapped[int | None]
    annual_revenue_minor: Mapped[Minor | None]
    currency: Mapped[Currency | None]
    country: Mapped[str | None] = mapped_column(String(100))
    city: Mapped[str | None] = mapped_column(String(100))
    owner_id: Mapped[Id | None]
    match_name: Mapped[str | None] = _key("match_name((name)::text)")
    match_domain: Mapped[str | None] = _key("match_domain((domain)::text)")
    match_block: Mapped[str | None] = _key("match_block(match_name((name)::text))")


class Contact(TenantRow, Versioned, Tagged, Mergeable, Base):
    """A person at a company."""

    __tablename__ = "contacts"
    __table_args__ = (
        tenant_fk("owner_id", "users"),
        tenant_fk("account_id", "accounts"),
        *_list_indexes("contacts"),
        *_merged("contacts"),
        *_key_indexes("contacts", "name", "email", "phone", "block"),
        Index("ix_contacts_account", "customer_id", "account_id", "id"),
        live_index("ix_contacts_last_name", text("lower(last_name)")),
        Index("ix_contacts_email", "customer_id", text("lower(email)")),
    )

    account_id: Mapped[Id | None]
    first_name: Mapped[str | None] = mapped_column(String(100))
    last_name: Mapped[str | None] = mapped_column(String(100))
    email: Mapped[str | None] = mapped_column(String(255))
    phone: Mapped[str | None] = mapped_column(String(50))
    title: Mapped[str | None] = mapped_column(String(255))
    seniority: Mapped[str | None] = mapped_column(String(50))
    role: Mapped[str | None] = mapped_column(String(50), comment="buying role: champion, decision_maker, user …")
    owner_id: Mapped[Id | None]
    match_name: Mapped[str | None] = _key("match_person((first_name)::text, (last_name)::text)")
    match_email: Mapped[str | None] = _key("match_email((email)::text)")
    match_phone: Mapped[str | None] = _key("match_phone((phone)::text)")
    match_block: Mapped[str | None] = _key("match_block(match_person((last_name)::text, (first_name)::text))")


class Opportunity(TenantRow, Versioned, Tagged, Base):
    """A deal. `value` is in minor units of `currency`; `stage` is a stage of the tenant's pipeline."""

    __tablename__ = "opportunities"
    __table_args__ = (
        tenant_fk("owner_id", "users"),
        tenant_fk("account_id", "accounts"),
        tenant_fk("contact_id", "contacts"),
        tenant_fk("lead_id", "leads"),
        CheckConstraint("status in ('open','won','lost')", name="status"),
        CheckConstraint("(value is null) or (currency is not null)", name="value_has_currency"),
        CheckConstraint("(status = 'open') = (closed_at is null)", name="closed_at"),
        *_list_indexes("opportunities"),
        Index("ix_opportunities_account", "customer_id", "account_id", "id"),
        Index("ix_opportunities_status", "customer_id", "status", "stage", "id"),
        live_index("ix_opportunities_name", text("lower(name)")),
        live_index("ix_opportunities_value", "value"),
        live_index("ix_opportunities_close_date", "expected_close_date"),
        live_index("ix_opportunities_stage", "stage", "created_at"),
        live_index("ix_opportunities_board", "status", "created_at"),
        Index(
            "ix_opportunities_holdings",
            "customer_id",
            "owner_id",
            "currency",
            postgresql_include=["value"],
            postgresql_where=text("status = 'open' and deleted_at is null"),
        ),
    )

    account_id: Mapped[Id]
    contact_id: Mapped[Id | None]
    lead_id: Mapped[Id | None]
    name: Mapped[Name]
    stage: Mapped[Code]
    status: Mapped[Code] = mapped_column(server_default="open", default="open")
    value: Mapped[Minor | None]
    currency: Mapped[Currency | None]
    expected_close_date: Mapped[date | None]
    stage_entered_at: Mapped[Instant]
    closed_at: Mapped[Instant | None]
    owner_id: Mapped[Id | None]


class OpportunityChange(TenantRow, Base):
    """One value that stage, close date or amount had, from when to when. Append-only but for `valid_to`."""

    __tablename__ = "opportunity_history"
    __table_args__ = (
        tenant_fk("opportunity_id", "opportunities"),
        CheckConstraint("field in ('stage','expected_close_date','value')", name="field"),
        Index("ix_opportunity_history_opportunity", "customer_id", "opportunity_id", "valid_from", "id"),
        Index(
            "uq_opportunity_history_open",
            "customer_id",
            "opportunity_id",
            "field",
            unique=True,
            postgresql_where=text("valid_to is null"),
        ),
    )

    opportunity_id: Mapped[Id]
    field: Mapped[Code]
    old_value: Mapped[str | None]
    new_value: Mapped[str | None]
    valid_from: Mapped[Instant]
    valid_to: Mapped[Instant | None]
    recorded_at: Mapped[CreatedAt]
    event_id: Mapped[Id | None]


class Lead(TenantRow, Versioned, Tagged, Mergeable, Base):
    """Somebody who may become a customer. Conversion is one conditional update: exactly one caller wins."""

    __tablename__ = "leads"
    __table_args__ = (
        tenant_fk("owner_id", "users"),
        tenant_fk("account_id", "accounts"),
        tenant_fk("contact_id", "contacts"),
        CheckConstraint("status in ('new','working','qualified','converted','disqualified')", name="status"),
        CheckConstraint("(value is null) or (currency is not null)", name="value_has_currency"),
        CheckConstraint("(status = 'converted') = (converted_at is not null)", name="converted_at"),
        *_list_indexes("leads"),
        *_merged("leads"),
        *_key_indexes("leads", "name", "email", "phone", "block"),
        Index("ix_leads_status", "customer_id", "status", "id"),
        live_index("ix_leads_company_name", text("lower(company_name)")),
        live_index("ix_leads_value", "value"),
        live_index("ix_leads_board", "status", "created_at"),
        Index("ix_leads_account", "customer_id", "account_id", postgresql_where=text("account_id is not null")),
        Index(
            "ix_leads_holdings",
            "customer_id",
            "owner_id",
            postgresql_where=text("status in ('new', 'working', 'qualified') and deleted_at is null"),
        ),
        Index("ix_leads_email", "customer_id", text("lower(contact_email)")),
        *(
            Index(
                f"ix_leads_converted_{entity}",
                "customer_id",
                f"{entity}_id",
                postgresql_where=text("converted_at is not null"),
            )
            for entity in ("account", "contact")
        ),
    )

    company_name: Mapped[str | None] = mapped_column(String(255))
    contact_name: Mapped[str | None] = mapped_column(String(255))
    contact_email: Mapped[str | None] = mapped_column(String(255))
    phone: Mapped[str | None] = mapped_column(String(50))
    source: Mapped[str | None] = mapped_column(String(100))
    status: Mapped[Code] = mapped_column(server_default="new", default="new")
    value: Mapped[Minor | None]
    currency: Mapped[Currency | None]
    fit_score: Mapped[int | None]
    intent_score: Mapped[int | None]
    score_at_conversion: Mapped[float | None]
    score_id_at_conversion: Mapped[Id | None]
    account_id: Mapped[Id | None]
    contact_id: Mapped[Id | None]
    opportunity_id: Mapped[Id | None]
    converted_at: Mapped[Instant | None]
    owner_id: Mapped[Id | None]
    match_name: Mapped[str | None] = _key("match_person((contact_name)::text, match_name((company_name)::text))")
    match_email: Mapped[str | None] = _key("match_email((contact_email)::text)")
    match_phone: Mapped[str | None] = _key("match_phone((phone)::text)")
    match_block: Mapped[str | None] = _key(
        "match_block(COALESCE(match_name((company_name)::text), match_person((contact_name)::text, NULL::text)))"
    )
