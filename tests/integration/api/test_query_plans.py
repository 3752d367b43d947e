"""Plans of queries on tenants of thousands of rows: the index that gives the order, from where the page starts."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import orjson
import psycopg
import pytest

from api.dependencies.principal import Principal
from api.modules.accounts.listing import ACCOUNTS
from api.modules.accounts.schemas import AccountQuery
from api.modules.activities.listing import ACTIVITIES
from api.modules.activities.schemas import ActivityQuery
from api.modules.contacts.listing import CONTACTS
from api.modules.contacts.schemas import ContactQuery
from api.modules.decisions.listing import DECISIONS
from api.modules.decisions.schemas import DecisionQuery
from api.modules.intent.listing import PATTERNS, RECOMMENDATIONS, SIGNALS
from api.modules.intent.schemas import PatternQuery, RecommendationQuery, SignalQuery
from api.modules.leads.listing import LEADS
from api.modules.leads.schemas import LeadQuery
from api.modules.opportunities.listing import OPPORTUNITIES
from api.modules.opportunities.schemas import OpportunityQuery
from api.permissions import permissions_of
from api.query.conditions import Names
from api.query.listing import Listing
from api.query.request import query_of
from api.query.schemas import ListQuery
from api.query.statement import build
from api.query.times import Asker
from tests.support.databases import Database

TENANTS, ROWS, OWNERS = 5, 3000, 20
Plan = dict[str, Any]
ME = "owner-7"

# list, its parameters, what is asked, the index that gives the rows in their order
ORDERED: list[tuple[Listing, type[ListQuery], dict[str, str], str]] = [
    (ACCOUNTS, AccountQuery, {}, "ix_accounts_list"),
    (ACCOUNTS, AccountQuery, {"sort": "-updated_at"}, "ix_accounts_updated"),
    (ACCOUNTS, AccountQuery, {"sort": "name"}, "ix_accounts_name"),
    (ACCOUNTS, AccountQuery, {"sort": "-annual_revenue_minor"}, "ix_accounts_revenue"),
    (ACCOUNTS, AccountQuery, {"filter": "owner_id eq me"}, "ix_accounts_owner"),
    (CONTACTS, ContactQuery, {}, "ix_contacts_list"),
    (CONTACTS, ContactQuery, {"sort": "updated_at"}, "ix_contacts_updated"),
    (CONTACTS, ContactQuery, {"sort": "last_name"}, "ix_contacts_last_name"),
    (CONTACTS, ContactQuery, {"filter": "owner_id eq me"}, "ix_contacts_owner"),
    (OPPORTUNITIES, OpportunityQuery, {}, "ix_opportunities_list"),
    (OPPORTUNITIES, OpportunityQuery, {"sort": "-updated_at"}, "ix_opportunities_updated"),
    (OPPORTUNITIES, OpportunityQuery, {"sort": "-name"}, "ix_opportunities_name"),
    (OPPORTUNITIES, OpportunityQuery, {"sort": "-value_minor"}, "ix_opportunities_value"),
    (OPPORTUNITIES, OpportunityQuery, {"sort": "value_minor"}, "ix_opportunities_value"),
    (OPPORTUNITIES, OpportunityQuery, {"sort": "expected_close_date"}, "ix_opportunities_close_date"),
    (OPPORTUNITIES, OpportunityQuery, {"filter": 'stage eq "proposal"'}, "ix_opportunities_stage"),
    (OPPORTUNITIES, OpportunityQuery, {"filter": 'status eq "lost"'}, "ix_opportunities_board"),
    (OPPORTUNITIES, OpportunityQuery, {"filter": "owner_id eq me"}, "ix_opportunities_owner"),
    (
        OPPORTUNITIES,
        OpportunityQuery,
        {"sort": "-value_minor", "include": "account,owner", "filter": "value_minor ge 100000"},
        "ix_opportunities_value",
    ),
    (
        OPPORTUNITIES,
        OpportunityQuery,
        {"sort": "expected_close_date", "filter": "expected_close_date between today and +30d"},
        "ix_opportunities_close_date",
    ),
    (LEADS, LeadQuery, {}, "ix_leads_list"),
    (LEADS, LeadQuery, {"sort": "-updated_at"}, "ix_leads_updated"),
    (LEADS, LeadQuery, {"sort": "company_name"}, "ix_leads_company_name"),
    (LEADS, LeadQuery, {"sort": "-value_minor"}, "ix_leads_value"),
    (LEADS, LeadQuery, {"filter": 'status eq "working"'}, "ix_leads_board"),
    (LEADS, LeadQuery, {"filter": "owner_id eq me"}, "ix_leads_owner"),
    (ACTIVITIES, ActivityQuery, {}, "ix_activities_list"),
    (ACTIVITIES, ActivityQuery, {"sort": "due_at"}, "ix_activities_due_order"),
    (ACTIVITIES, ActivityQuery, {"sort": "-updated_at"}, "ix_activities_updated"),
    (ACTIVITIES, ActivityQuery, {"filter": 'kind eq "call"'}, "ix_activities_kind"),
    (ACTIVITIES, ActivityQuery, {"filter": "owner_id eq me"}, "ix_activities_owner"),
    *(
        (ACTIVITIES, ActivityQuery, {"filter": f'{entity}_id eq "{entity}-7"'}, f"ix_activities_{entity}")
        for entity in ("account", "contact", "opportunity", "lead")
    ),
    (SIGNALS, SignalQuery, {}, "ix_signals_list"),
    (PATTERNS, PatternQuery, {}, "ix_patterns_list"),
    (RECOMMENDATIONS, RecommendationQuery, {}, "ix_recommendations_list"),
    (RECOMMENDATIONS, RecommendationQuery, {"sort": "rank"}, "ix_recommendations_rank"),
    (RECOMMENDATIONS, RecommendationQuery, {"sort": "-expected_value_minor"}, "ix_recommendations_value"),
    (
        RECOMMENDATIONS,
        RecommendationQuery,
        {"filter": 'status eq "pending"', "sort": "rank"},
        "ix_recommendations_status",
    ),
    (RECOMMENDATIONS, RecommendationQuery, {"filter": "owner_id eq me"}, "ix_recommendations_owner"),
    (DECISIONS, DecisionQuery, {}, "ix_decisions_list"),
    (DECISIONS, DecisionQuery, {"filter": 'kind eq "recommendation.made"'}, "ix_decisions_kind"),
]

# lower() may not look at rows before row-level security has: pages by text have the order of an index, not its start
BY_TEXT = {"ix_accounts_name", "ix_contacts_last_name", "ix_opportunities_name", "ix_leads_company_name"}

# what is so rare that its rows are found first and then sorted
SELECTIVE: list[tuple[Listing, type[ListQuery], dict[str, str], str]] = [
    (CONTACTS, ContactQuery, {"filter": 'account_id eq "accounts-7"'}, "ix_contacts_account"),
    (OPPORTUNITIES, OpportunityQuery, {"filter": 'account_id eq "accounts-7"'}, "ix_opportunities_account"),
    (SIGNALS, SignalQuery, {"entity_type": "lead", "entity_id": "lead-7"}, "ix_signals_entity"),
    (PATTERNS, PatternQuery, {"filter": 'entity_type eq "lead" and entity_id eq "lead-7"'}, "ix_patterns_entity"),
]


@pytest.fixture(scope="module")
def filled(module_database: Database) -> Database:
    with psycopg.connect(module_database.owner_url) as owner:
        owner.execute("set session_replication_role = replica")
        for statement in _rows():
            owner.execute(statement)
        owner.commit()
        owner.autocommit = True
        owner.execute("analyze")
    return module_database


@pytest.fixture
def app(filled: Database) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(filled.app_url, cursor_factory=psycopg.RawCursor) as connection:
        connection.execute("set max_parallel_workers_per_gather = 0")
        connection.execute("select set_config('bevyly.customer_id', 'tenant-3', false)")
        yield connection


# a row a detector
SMALL = {"detector_standings", "detector_overrides"}


def read_whole(plan: list[dict[str, Any]]) -> set[str]:
    """Tables that are read from end to end, but for those that are small in every tenant."""
    return {node["Relation Name"] for node in plan if node["Node Type"] == "Seq Scan"} - SMALL


def case_name(case: Any) -> str:
    return f"{case[0].name}-{case[2]}"


@pytest.mark.parametrize("case", ORDERED, ids=case_name)
def test_a_page_comes_in_the_order_of_an_index_and_starts_where_the_last_ended(
    app: psycopg.Connection[Any], case: tuple[Listing, type[ListQuery], dict[str, str], str]
) -> None:
    *asked, index = case
    first = statement_of(*asked, None)
    rows = app.execute(*first).fetchone()
    assert rows is not None and rows[1] is not None, "more rows than a page"
    for statement in (first, statement_of(*asked, orjson.loads(rows[1]))):
        plan = explained(app, statement)
        assert not read_whole(plan)
        found = [node for node in plan if not node["Shown"] and node["Actual Loops"] > 0]
        assert {node["Node Type"] for node in found} & {"Sort", "Incremental Sort", "Bitmap Heap Scan"} == set()
        listed = [node for node in found if node.get("Alias", "").partition("_")[0] == "r"]
        assert {node["Index Name"] for node in listed} == {index}
        assert sum(node["Actual Rows"] for node in listed) <= 51, "a page reads one row more than it shows"
        if index not in BY_TEXT:
            assert sum(node.get("Rows Removed by Filter", 0) for node in listed) == 0


def test_a_missing_index_would_be_noticed(filled: Database) -> None:
    """The positive control: without its index a sort is a sort."""
    with psycopg.connect(filled.owner_url, cursor_factory=psycopg.RawCursor) as owner:
        owner.execute("drop index ix_opportunities_value")
        owner.execute("set local role bevyly_app")
        owner.execute("select set_config('bevyly.customer_id', 'tenant-3', true)")
        plan = explained(owner, statement_of(OPPORTUNITIES, OpportunityQuery, {"sort": "-value_minor"}, None))
        owner.rollback()
    assert "Sort" in {node["Node Type"] for node in plan if not node["Shown"]}


@pytest.mark.parametrize("case", SELECTIVE, ids=case_name)
def test_rows_that_are_rare_are_found_by_their_index(
    app: psycopg.Connection[Any], case: tuple[Listing, type[ListQuery], dict[str, str], str]
) -> None:
    *asked, index = case
    plan = explained(app, statement_of(*asked, None))
    assert not read_whole(plan)
    assert index in {node.get("Index Name") for node in plan}


def test_counts_and_facets_read_one_tenant(app: psycopg.Connection[Any]) -> None:
    asked = {"count": "exact", "facets": "status,owner_id", "filter": 'account.industry eq "Software"'}
    plan = explained(app, statement_of(OPPORTUNITIES, OpportunityQuery, asked, None))
    read = [node for node in plan if node.get("Alias", "").partition("_")[0] == "r"]
    assert len(read) == 4
    assert all(node["Actual Rows"] * node["Actual Loops"] <= ROWS for node in read)


def statement_of(
    listing: Listing, query: Any, asked: dict[str, str], after: list[str | None] | None
) -> tuple[str, list[Any]]:
    """The statement of a page, and its parameters."""
    everything = permissions_of("owner")
    principal = Principal("tenant-3", ME, "x@x.example", "owner", everything, "user", ME)
    names = Names(listing, everything)
    asker = Asker(ME, datetime.now(UTC), ZoneInfo("UTC"))
    # the ids of this test are short names, which the shape of a real query refuses
    wanted = query.model_construct(**{**{"timezone": "UTC", "limit": 50}, **asked})
    statement, arguments = build(names, query_of(names, wanted, principal), asker, after)
    # what the parameters of a function have, those of a bare statement must be told: a type
    return statement.replace("$2[", "($2::text[])["), ["tenant-3", arguments]


def explained(app: psycopg.Connection[Any], statement: tuple[str, list[Any]]) -> list[Plan]:
    """Every node of the plan, as the function of the database would run it."""
    row = app.execute(f"explain (analyze, timing off, format json) {statement[0]}", statement[1]).fetchone()
    assert row is not None
    return list(_nodes(row[0][0]["Plan"], shown=False))


def _nodes(plan: Plan, *, shown: bool) -> Iterator[Plan]:
    """A node and those below it; `Shown` are those that only render a row which was found already."""
    shown = shown or plan.get("Parent Relationship") == "SubPlan"
    yield plan | {"Shown": shown}
    for part in plan.get("Plans", []):
        yield from _nodes(part, shown=shown)


def _rows() -> list[str]:
    def insert(table: str, columns: str, values: str) -> str:
        return f"""
            insert into {table} (customer_id, id, {columns}) select 'tenant-' || t, {table!r} || '-' || n, {values}
            from generate_series(1, {TENANTS}) t, generate_series(1, {ROWS}) n
        """

    owner, at = f"'owner-' || n % {OWNERS}", "now() - n * 7919 % 100000 * interval '1 minute'"
    amount = "case when n % 4 = 0 then null else n * 7919 % 1000000 end"
    account = "'accounts-' || n % 600 + 1"
    days = "case when n % 5 = 0 then null else current_date + (n * 31 % 400 - 200) end"
    when = f"{at}, {at}"
    entity = "'lead', 'lead-' || n % 600"
    return [
        f"insert into customers (id, name) select 'tenant-' || t, 't' from generate_series(1, {TENANTS}) t",
        f"""insert into users (customer_id, id, email)
        select 'tenant-' || t, 'owner-' || n, n || '@x.example' from generate_series(1, {TENANTS}) t,
        generate_series(0, {OWNERS - 1}) n""",
        insert(
            "accounts",
            "name, industry, annual_revenue_minor, owner_id, created_at, updated_at",
            f"'n' || n * 31 % 3000, (array['Software', 'Banking', 'Retail'])[n % 3 + 1], {amount}, {owner}, {when}",
        ),
        insert(
            "contacts",
            "last_name, account_id, owner_id, created_at, updated_at",
            f"case when n % 9 > 0 then 'n' || n * 31 % 3000 end, {account}, {owner}, {when}",
        ),
        insert(
            "opportunities",
            "name, account_id, stage, status, value, currency, expected_close_date, stage_entered_at, closed_at, "
            "owner_id, created_at, updated_at",
            f"'n' || n * 31 % 3000, {account}, (array['proposal', 'lost', 'qualification', 'negotiation'])[n % 4 + 1], "
            f"case when n % 4 = 1 then 'lost' else 'open' end, {amount}, 'EUR', {days}, now(), "
            f"case when n % 4 = 1 then now() end, {owner}, {when}",
        ),
        insert(
            "leads",
            "company_name, status, value, currency, owner_id, created_at, updated_at",
            f"'n' || n * 31 % 3000, (array['new', 'working', 'qualified'])[n % 3 + 1], {amount}, 'EUR', "
            f"{owner}, {when}",
        ),
        insert(
            "activities",
            "kind, direction, occurred_at, due_at, account_id, contact_id, opportunity_id, lead_id, owner_id, "
            "updated_at",
            f"(array['note', 'call', 'email', 'task'])[n % 4 + 1], 'internal', {at}, "
            f"case when n % 4 = 3 then now() + n * interval '1 hour' end, 'account-' || n % 20, 'contact-' || n % 20, "
            f"'opportunity-' || n % 20, 'lead-' || n % 20, {owner}, {at}",
        ),
        insert(
            "signals",
            "entity_type, entity_id, signal_type, polarity, severity, strength, title, dedupe_key, detector_version, "
            "found_by, first_seen_at, last_seen_at",
            f"{entity}, 'lead_ready', '+', 'low', 1, 't', n, '1', 'batch', {when}",
        ),
        insert(
            "patterns",
            "entity_type, entity_id, pattern_type, title, polarity, confidence, confidence_low, confidence_high, "
            "dedupe_key, first_seen_at, last_seen_at",
            f"{entity}, 'p', 't', '+', 1, 1, 1, n, {when}",
        ),
        insert(
            "decisions",
            "sequence, kind, subject_type, occurred_at, noted_at, previous, hash",
            f"n, (array['recommendation.made', 'recommendation.revised'])[n % 2 + 1], 'x', {at}, {at}, '', ''",
        ),
        """insert into decision_details (customer_id, sequence, salt, document, noted_at)
        select customer_id, sequence, '', '{}', noted_at from decisions""",
        insert("activity_participants", "activity_id", "'activities-' || n"),
        """insert into pattern_signals (customer_id, pattern_id, signal_id)
        select customer_id, id, 'signals-1' from patterns""",
        insert(
            "recommendations",
            "owner_id, entity_type, entity_id, action_type, priority, title, rationale, urgency, expected_value_minor, "
            "expected_value_low_minor, expected_value_high_minor, basis, rank, status, expires_at, dedupe_key, as_of, "
            "created_at",
            f"{owner}, {entity}, 'call', 'low', 't', 'r', 1, n * 7919 % 100000, 1, 1, 'prior', n * 31 % 3000, "
            f"(array['pending', 'expired', 'dismissed'])[n % 3 + 1], now(), n, now(), {at}",
        ),
    ]
