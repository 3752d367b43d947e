"""The tables of the CRM, identity, events, intelligence, enrichment and agents."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "2026_11_23_spine"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("create schema if not exists raw")
    op.create_table(
        "customers",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("domain", sa.String(length=255), nullable=True),
        sa.Column("currency", sa.CHAR(length=3), server_default="EUR", nullable=False),
        sa.Column("timezone", sa.String(length=64), server_default="UTC", nullable=False),
        sa.Column(
            "pooling",
            sa.Boolean(),
            server_default="true",
            nullable=False,
            comment="whether outcomes of this tenant may inform the pooled prior",
        ),
        sa.Column("settings", postgresql.JSONB(astext_type=sa.Text()), server_default="{}", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_customers")),
    )
    op.create_table(
        "idempotency_records",
        sa.Column("customer_id", sa.String(length=36), nullable=False),
        sa.Column("key", sa.String(length=255), nullable=False),
        sa.Column("request_hash", sa.String(length=64), nullable=False),
        sa.Column("response_status", sa.Integer(), nullable=True),
        sa.Column("response_headers", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("response_body", sa.LargeBinary(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("customer_id", "key", name=op.f("pk_idempotency_records")),
    )
    op.create_index(op.f("ix_idempotency_records_expires_at"), "idempotency_records", ["expires_at"], unique=False)
    op.create_table(
        "outbox",
        sa.Column("position", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("customer_id", sa.String(length=36), nullable=False),
        sa.Column("event_id", sa.String(length=36), nullable=False),
        sa.Column("topic", sa.String(length=100), nullable=False),
        sa.Column("envelope", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("position", name=op.f("pk_outbox")),
    )
    op.create_table(
        "consumer_offsets",
        sa.Column("consumer_group", sa.String(length=100), nullable=False),
        sa.Column("topic", sa.String(length=100), nullable=False),
        sa.Column("partition", sa.Integer(), nullable=False),
        sa.Column("next_offset", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("consumer_group", "topic", "partition", name=op.f("pk_consumer_offsets")),
        schema="raw",
    )
    op.create_table(
        "events",
        sa.Column("customer_id", sa.String(length=36), nullable=False),
        sa.Column("event_id", sa.String(length=36), nullable=False),
        sa.Column("seq", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("type", sa.String(length=100), nullable=False),
        sa.Column("schema_version", sa.SmallInteger(), nullable=False),
        sa.Column("subject_type", sa.String(length=50), nullable=False),
        sa.Column("subject_id", sa.String(length=36), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("data", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("source", sa.String(length=255), nullable=False),
        sa.Column("causation_id", sa.String(length=255), nullable=True),
        sa.Column("correlation_id", sa.String(length=255), nullable=True),
        sa.Column("topic", sa.String(length=100), nullable=False),
        sa.Column("partition", sa.Integer(), nullable=False),
        sa.Column("offset", sa.BigInteger(), nullable=False),
        sa.Column("ingested_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("customer_id", "event_id", name=op.f("pk_events")),
        schema="raw",
    )
    op.create_index("ix_events_seq", "events", ["seq"], unique=False, schema="raw", postgresql_using="brin")
    op.create_table(
        "agent_configs",
        sa.Column("agent_type", sa.String(length=50), nullable=False),
        sa.Column("enabled", sa.Boolean(), server_default="true", nullable=False),
        sa.Column("config", postgresql.JSONB(astext_type=sa.Text()), server_default="{}", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("customer_id", sa.String(length=36), nullable=False),
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.ForeignKeyConstraint(["customer_id"], ["customers.id"], name=op.f("fk_agent_configs_customer_id")),
        sa.PrimaryKeyConstraint("customer_id", "id", name=op.f("pk_agent_configs")),
        sa.UniqueConstraint("customer_id", "agent_type", name=op.f("uq_agent_configs_customer_id_agent_type")),
    )
    op.create_table(
        "agent_runs",
        sa.Column("agent_type", sa.String(length=50), nullable=False),
        sa.Column(
            "command_id",
            sa.String(length=36),
            nullable=False,
            comment="id of the command event: a repeated delivery is one run",
        ),
        sa.Column("status", sa.String(length=50), nullable=False),
        sa.Column("input", postgresql.JSONB(astext_type=sa.Text()), server_default="{}", nullable=False),
        sa.Column("output", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("completed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("customer_id", sa.String(length=36), nullable=False),
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.CheckConstraint(
            "status in ('queued','running','waiting','succeeded','failed','refused')", name=op.f("ck_agent_runs_status")
        ),
        sa.ForeignKeyConstraint(["customer_id"], ["customers.id"], name=op.f("fk_agent_runs_customer_id")),
        sa.PrimaryKeyConstraint("customer_id", "id", name=op.f("pk_agent_runs")),
        sa.UniqueConstraint("customer_id", "command_id", name=op.f("uq_agent_runs_customer_id_command_id")),
    )
    op.create_index(
        "ix_agent_runs_list",
        "agent_runs",
        ["customer_id", sa.literal_column("started_at desc"), sa.literal_column("id desc")],
        unique=False,
    )
    op.create_table(
        "audit",
        sa.Column("actor_type", sa.String(length=50), nullable=False),
        sa.Column("actor_id", sa.String(length=36), nullable=True),
        sa.Column("action", sa.String(length=50), nullable=False),
        sa.Column("entity_type", sa.String(length=50), nullable=False),
        sa.Column("entity_id", sa.String(length=36), nullable=False),
        sa.Column("before", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("after", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("recommendation_id", sa.String(length=36), nullable=True),
        sa.Column("request_id", sa.String(length=64), nullable=True),
        sa.Column("occurred_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("customer_id", sa.String(length=36), nullable=False),
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.ForeignKeyConstraint(["customer_id"], ["customers.id"], name=op.f("fk_audit_customer_id")),
        sa.PrimaryKeyConstraint("customer_id", "id", name=op.f("pk_audit")),
    )
    op.create_index(
        "ix_audit_entity", "audit", ["customer_id", "entity_type", "entity_id", "occurred_at"], unique=False
    )
    op.create_index("ix_audit_time", "audit", ["customer_id", "occurred_at", "id"], unique=False)
    op.create_table(
        "enrichments",
        sa.Column("entity_type", sa.String(length=50), nullable=False),
        sa.Column("entity_id", sa.String(length=36), nullable=False),
        sa.Column("provider", sa.String(length=50), nullable=False),
        sa.Column("status", sa.String(length=50), nullable=False),
        sa.Column("fields", postgresql.JSONB(astext_type=sa.Text()), server_default="{}", nullable=False),
        sa.Column("error", sa.String(length=500), nullable=True),
        sa.Column("credits", sa.Integer(), nullable=False),
        sa.Column("fetched_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("customer_id", sa.String(length=36), nullable=False),
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.CheckConstraint("status in ('matched','not_found','failed')", name=op.f("ck_enrichments_status")),
        sa.ForeignKeyConstraint(["customer_id"], ["customers.id"], name=op.f("fk_enrichments_customer_id")),
        sa.PrimaryKeyConstraint("customer_id", "id", name=op.f("pk_enrichments")),
    )
    op.create_index(
        "ix_enrichments_entity",
        "enrichments",
        ["customer_id", "entity_type", "entity_id", "provider", sa.literal_column("fetched_at desc")],
        unique=False,
    )
    op.create_index("ix_enrichments_spend", "enrichments", ["customer_id", "provider", "fetched_at"], unique=False)
    op.create_table(
        "model_versions",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("customer_id", sa.String(length=36), nullable=True),
        sa.Column("score_type", sa.String(length=50), nullable=False),
        sa.Column("status", sa.String(length=50), nullable=False),
        sa.Column("status_reason", sa.Text(), nullable=True),
        sa.Column("display", sa.String(length=50), nullable=False, comment="probability, band or rules"),
        sa.Column("trained_from", sa.DateTime(timezone=True), nullable=True),
        sa.Column("trained_to", sa.DateTime(timezone=True), nullable=True),
        sa.Column("n_rows", sa.Integer(), nullable=False),
        sa.Column("n_outcomes", sa.Integer(), nullable=False),
        sa.Column("metrics", postgresql.JSONB(astext_type=sa.Text()), server_default="{}", nullable=False),
        sa.Column("card", sa.Text(), nullable=False),
        sa.Column("artefact", sa.Text(), nullable=False, comment="key in the artefact store"),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "score_type in ('fit','intent','conversion','win')", name=op.f("ck_model_versions_score_type")
        ),
        sa.CheckConstraint(
            "status in ('champion','challenger','retired','refused')", name=op.f("ck_model_versions_status")
        ),
        sa.ForeignKeyConstraint(["customer_id"], ["customers.id"], name=op.f("fk_model_versions_customer_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_model_versions")),
    )
    op.create_index("ix_model_versions_lookup", "model_versions", ["score_type", "customer_id", "status"], unique=False)
    op.create_table(
        "patterns",
        sa.Column("entity_type", sa.String(length=50), nullable=False),
        sa.Column("entity_id", sa.String(length=36), nullable=False),
        sa.Column("pattern_type", sa.String(length=50), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("polarity", sa.String(length=1), nullable=False),
        sa.Column("confidence", sa.REAL(), nullable=False),
        sa.Column("confidence_low", sa.REAL(), nullable=False),
        sa.Column("confidence_high", sa.REAL(), nullable=False),
        sa.Column("lift", sa.REAL(), nullable=True),
        sa.Column("data", postgresql.JSONB(astext_type=sa.Text()), server_default="{}", nullable=False),
        sa.Column("dedupe_key", sa.String(length=300), nullable=False),
        sa.Column("first_seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("customer_id", sa.String(length=36), nullable=False),
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.ForeignKeyConstraint(["customer_id"], ["customers.id"], name=op.f("fk_patterns_customer_id")),
        sa.PrimaryKeyConstraint("customer_id", "id", name=op.f("pk_patterns")),
        sa.UniqueConstraint("customer_id", "dedupe_key", name=op.f("uq_patterns_customer_id_dedupe_key")),
    )
    op.create_index("ix_patterns_entity", "patterns", ["customer_id", "entity_type", "entity_id"], unique=False)
    op.create_index(
        "ix_patterns_list",
        "patterns",
        ["customer_id", sa.literal_column("last_seen_at desc"), sa.literal_column("id desc")],
        unique=False,
    )
    op.create_table(
        "signals",
        sa.Column("entity_type", sa.String(length=50), nullable=False),
        sa.Column("entity_id", sa.String(length=36), nullable=False),
        sa.Column("signal_type", sa.String(length=50), nullable=False),
        sa.Column("polarity", sa.String(length=1), nullable=False),
        sa.Column("severity", sa.String(length=50), nullable=False),
        sa.Column("strength", sa.REAL(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("data", postgresql.JSONB(astext_type=sa.Text()), server_default="{}", nullable=False),
        sa.Column(
            "evidence",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default="[]",
            nullable=False,
            comment="ids of the events that show it",
        ),
        sa.Column("dedupe_key", sa.String(length=300), nullable=False),
        sa.Column("detector_version", sa.String(length=20), nullable=False),
        sa.Column("found_by", sa.String(length=50), nullable=False, comment="stream or batch: who saw it first"),
        sa.Column("first_seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("close_reason", sa.String(length=100), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("customer_id", sa.String(length=36), nullable=False),
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.CheckConstraint("polarity in ('+','-')", name=op.f("ck_signals_polarity")),
        sa.CheckConstraint("severity in ('low','medium','high','critical')", name=op.f("ck_signals_severity")),
        sa.ForeignKeyConstraint(["customer_id"], ["customers.id"], name=op.f("fk_signals_customer_id")),
        sa.PrimaryKeyConstraint("customer_id", "id", name=op.f("pk_signals")),
        sa.UniqueConstraint("customer_id", "dedupe_key", name=op.f("uq_signals_customer_id_dedupe_key")),
    )
    op.create_index(
        "ix_signals_entity", "signals", ["customer_id", "entity_type", "entity_id", "signal_type"], unique=False
    )
    op.create_index(
        "ix_signals_list",
        "signals",
        ["customer_id", sa.literal_column("last_seen_at desc"), sa.literal_column("id desc")],
        unique=False,
    )
    op.create_table(
        "users",
        sa.Column("email", sa.String(length=255), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=True),
        sa.Column("password_hash", sa.String(length=255), nullable=True),
        sa.Column("role", sa.String(length=50), server_default="member", nullable=False),
        sa.Column("token_version", sa.Integer(), server_default="1", nullable=False),
        sa.Column("external_id", sa.String(length=255), nullable=True),
        sa.Column("disabled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("customer_id", sa.String(length=36), nullable=False),
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.CheckConstraint("role in ('owner','admin','member','viewer')", name=op.f("ck_users_role")),
        sa.CheckConstraint("email = lower(email)", name=op.f("ck_users_email_lower")),
        sa.ForeignKeyConstraint(["customer_id"], ["customers.id"], name=op.f("fk_users_customer_id")),
        sa.PrimaryKeyConstraint("customer_id", "id", name=op.f("pk_users")),
        sa.UniqueConstraint("customer_id", "email", name=op.f("uq_users_customer_id_email")),
    )
    op.create_index("ix_users_email", "users", ["email"], unique=False)
    op.create_table(
        "accounts",
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("domain", sa.String(length=255), nullable=True),
        sa.Column("industry", sa.String(length=100), nullable=True),
        sa.Column("employee_count", sa.Integer(), nullable=True),
        sa.Column("annual_revenue_minor", sa.BigInteger(), nullable=True),
        sa.Column("currency", sa.CHAR(length=3), nullable=True),
        sa.Column("country", sa.String(length=100), nullable=True),
        sa.Column("city", sa.String(length=100), nullable=True),
        sa.Column("owner_id", sa.String(length=36), nullable=True),
        sa.Column("customer_id", sa.String(length=36), nullable=False),
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.Column("external_id", sa.String(length=255), nullable=True),
        sa.Column("custom", postgresql.JSONB(astext_type=sa.Text()), server_default="{}", nullable=False),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["customer_id", "owner_id"],
            ["users.customer_id", "users.id"],
            name=op.f("fk_accounts_customer_id_owner_id"),
        ),
        sa.ForeignKeyConstraint(["customer_id"], ["customers.id"], name=op.f("fk_accounts_customer_id")),
        sa.PrimaryKeyConstraint("customer_id", "id", name=op.f("pk_accounts")),
    )
    op.create_index("ix_accounts_domain", "accounts", ["customer_id", "domain"], unique=False)
    op.create_index(
        "ix_accounts_list",
        "accounts",
        ["customer_id", sa.literal_column("created_at desc"), sa.literal_column("id desc")],
        unique=False,
    )
    op.create_index(
        "ix_accounts_name", "accounts", ["customer_id", sa.literal_column("lower(name)"), "id"], unique=False
    )
    op.create_index(
        "ix_accounts_owner",
        "accounts",
        ["customer_id", "owner_id", sa.literal_column("created_at desc"), sa.literal_column("id desc")],
        unique=False,
    )
    op.create_index(
        "uq_accounts_external_id",
        "accounts",
        ["customer_id", "external_id"],
        unique=True,
        postgresql_where=sa.text("external_id is not null"),
    )
    op.create_table(
        "api_keys",
        sa.Column("user_id", sa.String(length=36), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("prefix", sa.String(length=64), nullable=False),
        sa.Column("secret_hash", sa.String(length=64), nullable=False),
        sa.Column("scopes", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("customer_id", sa.String(length=36), nullable=False),
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.ForeignKeyConstraint(
            ["customer_id", "user_id"], ["users.customer_id", "users.id"], name=op.f("fk_api_keys_customer_id_user_id")
        ),
        sa.ForeignKeyConstraint(["customer_id"], ["customers.id"], name=op.f("fk_api_keys_customer_id")),
        sa.PrimaryKeyConstraint("customer_id", "id", name=op.f("pk_api_keys")),
        sa.UniqueConstraint("customer_id", "secret_hash", name=op.f("uq_api_keys_customer_id_secret_hash")),
    )
    op.create_index("ix_api_keys_user", "api_keys", ["customer_id", "user_id"], unique=False)
    op.create_table(
        "approval_items",
        sa.Column("agent_run_id", sa.String(length=36), nullable=True),
        sa.Column("item_type", sa.String(length=50), nullable=False),
        sa.Column("content", postgresql.JSONB(astext_type=sa.Text()), server_default="{}", nullable=False),
        sa.Column("content_hash", sa.String(length=64), nullable=False),
        sa.Column("status", sa.String(length=50), server_default="pending", nullable=False),
        sa.Column("reviewed_by", sa.String(length=36), nullable=True),
        sa.Column("reviewed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("customer_id", sa.String(length=36), nullable=False),
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.CheckConstraint(
            "status in ('pending','approved','rejected','expired')", name=op.f("ck_approval_items_status")
        ),
        sa.ForeignKeyConstraint(
            ["customer_id", "agent_run_id"],
            ["agent_runs.customer_id", "agent_runs.id"],
            name=op.f("fk_approval_items_customer_id_agent_run_id"),
        ),
        sa.ForeignKeyConstraint(
            ["customer_id", "reviewed_by"],
            ["users.customer_id", "users.id"],
            name=op.f("fk_approval_items_customer_id_reviewed_by"),
        ),
        sa.ForeignKeyConstraint(["customer_id"], ["customers.id"], name=op.f("fk_approval_items_customer_id")),
        sa.PrimaryKeyConstraint("customer_id", "id", name=op.f("pk_approval_items")),
    )
    op.create_index(
        "ix_approval_items_list",
        "approval_items",
        ["customer_id", "status", sa.literal_column("created_at desc"), sa.literal_column("id desc")],
        unique=False,
    )
    op.create_index("ix_approval_items_run", "approval_items", ["customer_id", "agent_run_id"], unique=False)
    op.create_table(
        "briefings",
        sa.Column("customer_id", sa.String(length=36), nullable=False),
        sa.Column("user_id", sa.String(length=36), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("as_of", sa.DateTime(timezone=True), nullable=False),
        sa.Column("status", sa.String(length=50), nullable=False),
        sa.Column("stale_reason", sa.Text(), nullable=True),
        sa.Column("document", sa.Text(), nullable=False, comment="final JSON text"),
        sa.Column("etag", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("status in ('fresh','stale')", name=op.f("ck_briefings_status")),
        sa.ForeignKeyConstraint(
            ["customer_id", "user_id"], ["users.customer_id", "users.id"], name=op.f("fk_briefings_customer_id_user_id")
        ),
        sa.ForeignKeyConstraint(["customer_id"], ["customers.id"], name=op.f("fk_briefings_customer_id")),
        sa.PrimaryKeyConstraint("customer_id", "user_id", "version", name=op.f("pk_briefings")),
    )
    op.create_index("ix_briefings_as_of", "briefings", ["customer_id", "user_id", "as_of"], unique=False)
    op.create_table(
        "pattern_signals",
        sa.Column("customer_id", sa.String(length=36), nullable=False),
        sa.Column("pattern_id", sa.String(length=36), nullable=False),
        sa.Column("signal_id", sa.String(length=36), nullable=False),
        sa.ForeignKeyConstraint(
            ["customer_id", "pattern_id"],
            ["patterns.customer_id", "patterns.id"],
            name=op.f("fk_pattern_signals_customer_id_pattern_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["customer_id", "signal_id"],
            ["signals.customer_id", "signals.id"],
            name=op.f("fk_pattern_signals_customer_id_signal_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(["customer_id"], ["customers.id"], name=op.f("fk_pattern_signals_customer_id")),
        sa.PrimaryKeyConstraint("customer_id", "pattern_id", "signal_id", name=op.f("pk_pattern_signals")),
    )
    op.create_index("ix_pattern_signals_signal", "pattern_signals", ["customer_id", "signal_id"], unique=False)
    op.create_table(
        "recommendations",
        sa.Column("owner_id", sa.String(length=36), nullable=True),
        sa.Column("pattern_id", sa.String(length=36), nullable=True),
        sa.Column("signal_id", sa.String(length=36), nullable=True),
        sa.Column("entity_type", sa.String(length=50), nullable=False),
        sa.Column("entity_id", sa.String(length=36), nullable=False),
        sa.Column("action_type", sa.String(length=50), nullable=False),
        sa.Column("payload", postgresql.JSONB(astext_type=sa.Text()), server_default="{}", nullable=False),
        sa.Column("priority", sa.String(length=50), nullable=False),
        sa.Column("title", sa.String(length=255), nullable=False),
        sa.Column("rationale", sa.Text(), nullable=False),
        sa.Column("reasons", postgresql.JSONB(astext_type=sa.Text()), server_default="[]", nullable=False),
        sa.Column("evidence", postgresql.JSONB(astext_type=sa.Text()), server_default="[]", nullable=False),
        sa.Column("probability", sa.Double(), nullable=True),
        sa.Column("probability_low", sa.Double(), nullable=True),
        sa.Column("probability_high", sa.Double(), nullable=True),
        sa.Column("probability_with_action", sa.Double(), nullable=True),
        sa.Column("amount_minor", sa.BigInteger(), nullable=True),
        sa.Column("currency", sa.CHAR(length=3), nullable=True),
        sa.Column("urgency", sa.REAL(), nullable=False),
        sa.Column("expected_value_minor", sa.BigInteger(), nullable=False),
        sa.Column("expected_value_low_minor", sa.BigInteger(), nullable=False),
        sa.Column("expected_value_high_minor", sa.BigInteger(), nullable=False),
        sa.Column(
            "basis",
            sa.String(length=50),
            nullable=False,
            comment="associative or prior: what the effect of the action rests on",
        ),
        sa.Column("rank", sa.Integer(), nullable=False),
        sa.Column("status", sa.String(length=50), server_default="pending", nullable=False),
        sa.Column("snoozed_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("feedback", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("acted_by", sa.String(length=36), nullable=True),
        sa.Column("acted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("superseded_by", sa.String(length=36), nullable=True),
        sa.Column("dedupe_key", sa.String(length=300), nullable=False),
        sa.Column("model_version_id", sa.String(length=36), nullable=True),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.Column("as_of", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("customer_id", sa.String(length=36), nullable=False),
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.CheckConstraint("priority in ('low','medium','high','critical')", name=op.f("ck_recommendations_priority")),
        sa.CheckConstraint(
            "status in ('pending','accepted','dismissed','completed','snoozed','expired','superseded')",
            name=op.f("ck_recommendations_status"),
        ),
        sa.ForeignKeyConstraint(
            ["customer_id", "acted_by"],
            ["users.customer_id", "users.id"],
            name=op.f("fk_recommendations_customer_id_acted_by"),
        ),
        sa.ForeignKeyConstraint(
            ["customer_id", "owner_id"],
            ["users.customer_id", "users.id"],
            name=op.f("fk_recommendations_customer_id_owner_id"),
        ),
        sa.ForeignKeyConstraint(
            ["customer_id", "pattern_id"],
            ["patterns.customer_id", "patterns.id"],
            name=op.f("fk_recommendations_customer_id_pattern_id"),
        ),
        sa.ForeignKeyConstraint(
            ["customer_id", "signal_id"],
            ["signals.customer_id", "signals.id"],
            name=op.f("fk_recommendations_customer_id_signal_id"),
        ),
        sa.ForeignKeyConstraint(["customer_id"], ["customers.id"], name=op.f("fk_recommendations_customer_id")),
        sa.ForeignKeyConstraint(
            ["model_version_id"], ["model_versions.id"], name=op.f("fk_recommendations_model_version_id")
        ),
        sa.PrimaryKeyConstraint("customer_id", "id", name=op.f("pk_recommendations")),
    )
    op.create_index(
        "ix_recommendations_entity", "recommendations", ["customer_id", "entity_type", "entity_id"], unique=False
    )
    op.create_index(
        "ix_recommendations_list",
        "recommendations",
        ["customer_id", sa.literal_column("created_at desc"), sa.literal_column("id desc")],
        unique=False,
    )
    op.create_index(
        "ix_recommendations_status", "recommendations", ["customer_id", "status", "rank", "id"], unique=False
    )
    op.create_index(
        "uq_recommendations_open",
        "recommendations",
        ["customer_id", "dedupe_key"],
        unique=True,
        postgresql_where=sa.text("status in ('pending','accepted','snoozed')"),
    )
    op.create_table(
        "refresh_tokens",
        sa.Column("user_id", sa.String(length=36), nullable=False),
        sa.Column("family_id", sa.String(length=36), nullable=False),
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("customer_id", sa.String(length=36), nullable=False),
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.ForeignKeyConstraint(
            ["customer_id", "user_id"],
            ["users.customer_id", "users.id"],
            name=op.f("fk_refresh_tokens_customer_id_user_id"),
        ),
        sa.ForeignKeyConstraint(["customer_id"], ["customers.id"], name=op.f("fk_refresh_tokens_customer_id")),
        sa.PrimaryKeyConstraint("customer_id", "id", name=op.f("pk_refresh_tokens")),
        sa.UniqueConstraint("customer_id", "token_hash", name=op.f("uq_refresh_tokens_customer_id_token_hash")),
    )
    op.create_index("ix_refresh_tokens_family", "refresh_tokens", ["customer_id", "family_id"], unique=False)
    op.create_index("ix_refresh_tokens_user", "refresh_tokens", ["customer_id", "user_id"], unique=False)
    op.create_table(
        "scores",
        sa.Column("entity_type", sa.String(length=50), nullable=False),
        sa.Column("entity_id", sa.String(length=36), nullable=False),
        sa.Column("score_type", sa.String(length=50), nullable=False),
        sa.Column("as_of", sa.DateTime(timezone=True), nullable=False),
        sa.Column("probability", sa.Double(), nullable=False),
        sa.Column("probability_low", sa.Double(), nullable=False),
        sa.Column("probability_high", sa.Double(), nullable=False),
        sa.Column("logit", sa.Double(), nullable=False),
        sa.Column("baseline_logit", sa.Double(), nullable=False),
        sa.Column("points", sa.Integer(), nullable=False),
        sa.Column("rank", sa.Integer(), nullable=False),
        sa.Column("band", sa.String(length=8), nullable=False),
        sa.Column("reasons", postgresql.JSONB(astext_type=sa.Text()), server_default="[]", nullable=False),
        sa.Column("model_version_id", sa.String(length=36), nullable=False),
        sa.Column("feature_hash", sa.String(length=64), nullable=False),
        sa.Column("is_current", sa.Boolean(), server_default="true", nullable=False),
        sa.Column("computed_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("customer_id", sa.String(length=36), nullable=False),
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.CheckConstraint("score_type in ('fit','intent','conversion','win')", name=op.f("ck_scores_score_type")),
        sa.ForeignKeyConstraint(["customer_id"], ["customers.id"], name=op.f("fk_scores_customer_id")),
        sa.ForeignKeyConstraint(["model_version_id"], ["model_versions.id"], name=op.f("fk_scores_model_version_id")),
        sa.PrimaryKeyConstraint("customer_id", "id", name=op.f("pk_scores")),
    )
    op.create_index(
        "ix_scores_rank",
        "scores",
        ["customer_id", "score_type", "rank", "id"],
        unique=False,
        postgresql_where=sa.text("is_current"),
    )
    op.create_index(
        "ix_scores_series", "scores", ["customer_id", "entity_type", "entity_id", "score_type", "as_of"], unique=False
    )
    op.create_index(
        "uq_scores_current",
        "scores",
        ["customer_id", "entity_type", "entity_id", "score_type"],
        unique=True,
        postgresql_where=sa.text("is_current"),
    )
    op.create_table(
        "contacts",
        sa.Column("account_id", sa.String(length=36), nullable=True),
        sa.Column("first_name", sa.String(length=100), nullable=True),
        sa.Column("last_name", sa.String(length=100), nullable=True),
        sa.Column("email", sa.String(length=255), nullable=True),
        sa.Column("phone", sa.String(length=50), nullable=True),
        sa.Column("title", sa.String(length=255), nullable=True),
        sa.Column("seniority", sa.String(length=50), nullable=True),
        sa.Column("role", sa.String(length=50), nullable=True, comment="buying role: champion, decision_maker, user …"),
        sa.Column("owner_id", sa.String(length=36), nullable=True),
        sa.Column("customer_id", sa.String(length=36), nullable=False),
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.Column("external_id", sa.String(length=255), nullable=True),
        sa.Column("custom", postgresql.JSONB(astext_type=sa.Text()), server_default="{}", nullable=False),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["customer_id", "account_id"],
            ["accounts.customer_id", "accounts.id"],
            name=op.f("fk_contacts_customer_id_account_id"),
        ),
        sa.ForeignKeyConstraint(
            ["customer_id", "owner_id"],
            ["users.customer_id", "users.id"],
            name=op.f("fk_contacts_customer_id_owner_id"),
        ),
        sa.ForeignKeyConstraint(["customer_id"], ["customers.id"], name=op.f("fk_contacts_customer_id")),
        sa.PrimaryKeyConstraint("customer_id", "id", name=op.f("pk_contacts")),
    )
    op.create_index("ix_contacts_account", "contacts", ["customer_id", "account_id", "id"], unique=False)
    op.create_index("ix_contacts_email", "contacts", ["customer_id", sa.literal_column("lower(email)")], unique=False)
    op.create_index(
        "ix_contacts_list",
        "contacts",
        ["customer_id", sa.literal_column("created_at desc"), sa.literal_column("id desc")],
        unique=False,
    )
    op.create_index(
        "ix_contacts_owner",
        "contacts",
        ["customer_id", "owner_id", sa.literal_column("created_at desc"), sa.literal_column("id desc")],
        unique=False,
    )
    op.create_index(
        "uq_contacts_external_id",
        "contacts",
        ["customer_id", "external_id"],
        unique=True,
        postgresql_where=sa.text("external_id is not null"),
    )
    op.create_table(
        "leads",
        sa.Column("company_name", sa.String(length=255), nullable=True),
        sa.Column("contact_name", sa.String(length=255), nullable=True),
        sa.Column("contact_email", sa.String(length=255), nullable=True),
        sa.Column("phone", sa.String(length=50), nullable=True),
        sa.Column("source", sa.String(length=100), nullable=True),
        sa.Column("status", sa.String(length=50), server_default="new", nullable=False),
        sa.Column("value", sa.BigInteger(), nullable=True),
        sa.Column("currency", sa.CHAR(length=3), nullable=True),
        sa.Column("fit_score", sa.Integer(), nullable=True),
        sa.Column("intent_score", sa.Integer(), nullable=True),
        sa.Column("score_at_conversion", sa.Double(), nullable=True),
        sa.Column("account_id", sa.String(length=36), nullable=True),
        sa.Column("contact_id", sa.String(length=36), nullable=True),
        sa.Column("opportunity_id", sa.String(length=36), nullable=True),
        sa.Column("converted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("owner_id", sa.String(length=36), nullable=True),
        sa.Column("customer_id", sa.String(length=36), nullable=False),
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.Column("external_id", sa.String(length=255), nullable=True),
        sa.Column("custom", postgresql.JSONB(astext_type=sa.Text()), server_default="{}", nullable=False),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("(status = 'converted') = (converted_at is not null)", name=op.f("ck_leads_converted_at")),
        sa.CheckConstraint(
            "status in ('new','working','qualified','converted','disqualified')", name=op.f("ck_leads_status")
        ),
        sa.CheckConstraint("(value is null) or (currency is not null)", name=op.f("ck_leads_value_has_currency")),
        sa.ForeignKeyConstraint(
            ["customer_id", "account_id"],
            ["accounts.customer_id", "accounts.id"],
            name=op.f("fk_leads_customer_id_account_id"),
        ),
        sa.ForeignKeyConstraint(
            ["customer_id", "contact_id"],
            ["contacts.customer_id", "contacts.id"],
            name=op.f("fk_leads_customer_id_contact_id"),
        ),
        sa.ForeignKeyConstraint(
            ["customer_id", "owner_id"], ["users.customer_id", "users.id"], name=op.f("fk_leads_customer_id_owner_id")
        ),
        sa.ForeignKeyConstraint(["customer_id"], ["customers.id"], name=op.f("fk_leads_customer_id")),
        sa.PrimaryKeyConstraint("customer_id", "id", name=op.f("pk_leads")),
    )
    op.create_index("ix_leads_email", "leads", ["customer_id", sa.literal_column("lower(contact_email)")], unique=False)
    op.create_index(
        "ix_leads_list",
        "leads",
        ["customer_id", sa.literal_column("created_at desc"), sa.literal_column("id desc")],
        unique=False,
    )
    op.create_index(
        "ix_leads_owner",
        "leads",
        ["customer_id", "owner_id", sa.literal_column("created_at desc"), sa.literal_column("id desc")],
        unique=False,
    )
    op.create_index("ix_leads_status", "leads", ["customer_id", "status", "id"], unique=False)
    op.create_index(
        "uq_leads_external_id",
        "leads",
        ["customer_id", "external_id"],
        unique=True,
        postgresql_where=sa.text("external_id is not null"),
    )
    op.create_table(
        "opportunities",
        sa.Column("account_id", sa.String(length=36), nullable=False),
        sa.Column("contact_id", sa.String(length=36), nullable=True),
        sa.Column("lead_id", sa.String(length=36), nullable=True),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("stage", sa.String(length=50), nullable=False),
        sa.Column("status", sa.String(length=50), server_default="open", nullable=False),
        sa.Column("value", sa.BigInteger(), nullable=True),
        sa.Column("currency", sa.CHAR(length=3), nullable=True),
        sa.Column("expected_close_date", sa.Date(), nullable=True),
        sa.Column("stage_entered_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("owner_id", sa.String(length=36), nullable=True),
        sa.Column("customer_id", sa.String(length=36), nullable=False),
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.Column("external_id", sa.String(length=255), nullable=True),
        sa.Column("custom", postgresql.JSONB(astext_type=sa.Text()), server_default="{}", nullable=False),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("(status = 'open') = (closed_at is null)", name=op.f("ck_opportunities_closed_at")),
        sa.CheckConstraint("status in ('open','won','lost')", name=op.f("ck_opportunities_status")),
        sa.CheckConstraint(
            "(value is null) or (currency is not null)", name=op.f("ck_opportunities_value_has_currency")
        ),
        sa.ForeignKeyConstraint(
            ["customer_id", "account_id"],
            ["accounts.customer_id", "accounts.id"],
            name=op.f("fk_opportunities_customer_id_account_id"),
        ),
        sa.ForeignKeyConstraint(
            ["customer_id", "contact_id"],
            ["contacts.customer_id", "contacts.id"],
            name=op.f("fk_opportunities_customer_id_contact_id"),
        ),
        sa.ForeignKeyConstraint(
            ["customer_id", "lead_id"],
            ["leads.customer_id", "leads.id"],
            name=op.f("fk_opportunities_customer_id_lead_id"),
        ),
        sa.ForeignKeyConstraint(
            ["customer_id", "owner_id"],
            ["users.customer_id", "users.id"],
            name=op.f("fk_opportunities_customer_id_owner_id"),
        ),
        sa.ForeignKeyConstraint(["customer_id"], ["customers.id"], name=op.f("fk_opportunities_customer_id")),
        sa.PrimaryKeyConstraint("customer_id", "id", name=op.f("pk_opportunities")),
    )
    op.create_index("ix_opportunities_account", "opportunities", ["customer_id", "account_id", "id"], unique=False)
    op.create_index(
        "ix_opportunities_list",
        "opportunities",
        ["customer_id", sa.literal_column("created_at desc"), sa.literal_column("id desc")],
        unique=False,
    )
    op.create_index(
        "ix_opportunities_owner",
        "opportunities",
        ["customer_id", "owner_id", sa.literal_column("created_at desc"), sa.literal_column("id desc")],
        unique=False,
    )
    op.create_index("ix_opportunities_status", "opportunities", ["customer_id", "status", "stage", "id"], unique=False)
    op.create_index(
        "uq_opportunities_external_id",
        "opportunities",
        ["customer_id", "external_id"],
        unique=True,
        postgresql_where=sa.text("external_id is not null"),
    )
    op.create_table(
        "activities",
        sa.Column("kind", sa.String(length=50), nullable=False),
        sa.Column("direction", sa.String(length=50), nullable=False),
        sa.Column("subject", sa.String(length=500), nullable=True),
        sa.Column("body", sa.Text(), nullable=True),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("completed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("duration_seconds", sa.Integer(), nullable=True),
        sa.Column("account_id", sa.String(length=36), nullable=True),
        sa.Column("contact_id", sa.String(length=36), nullable=True),
        sa.Column("opportunity_id", sa.String(length=36), nullable=True),
        sa.Column("lead_id", sa.String(length=36), nullable=True),
        sa.Column("owner_id", sa.String(length=36), nullable=True),
        sa.Column("customer_id", sa.String(length=36), nullable=False),
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.Column("external_id", sa.String(length=255), nullable=True),
        sa.Column("custom", postgresql.JSONB(astext_type=sa.Text()), server_default="{}", nullable=False),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("direction in ('inbound','outbound','internal')", name=op.f("ck_activities_direction")),
        sa.CheckConstraint(
            "kind in ('email','meeting','call','task','note','form','page_view','proposal')",
            name=op.f("ck_activities_kind"),
        ),
        sa.ForeignKeyConstraint(
            ["customer_id", "account_id"],
            ["accounts.customer_id", "accounts.id"],
            name=op.f("fk_activities_customer_id_account_id"),
        ),
        sa.ForeignKeyConstraint(
            ["customer_id", "contact_id"],
            ["contacts.customer_id", "contacts.id"],
            name=op.f("fk_activities_customer_id_contact_id"),
        ),
        sa.ForeignKeyConstraint(
            ["customer_id", "lead_id"],
            ["leads.customer_id", "leads.id"],
            name=op.f("fk_activities_customer_id_lead_id"),
        ),
        sa.ForeignKeyConstraint(
            ["customer_id", "opportunity_id"],
            ["opportunities.customer_id", "opportunities.id"],
            name=op.f("fk_activities_customer_id_opportunity_id"),
        ),
        sa.ForeignKeyConstraint(
            ["customer_id", "owner_id"],
            ["users.customer_id", "users.id"],
            name=op.f("fk_activities_customer_id_owner_id"),
        ),
        sa.ForeignKeyConstraint(["customer_id"], ["customers.id"], name=op.f("fk_activities_customer_id")),
        sa.PrimaryKeyConstraint("customer_id", "id", name=op.f("pk_activities")),
    )
    op.create_index(
        "ix_activities_account",
        "activities",
        ["customer_id", "account_id", sa.literal_column("occurred_at desc"), sa.literal_column("id desc")],
        unique=False,
    )
    op.create_index(
        "ix_activities_contact",
        "activities",
        ["customer_id", "contact_id", sa.literal_column("occurred_at desc"), sa.literal_column("id desc")],
        unique=False,
    )
    op.create_index(
        "ix_activities_lead",
        "activities",
        ["customer_id", "lead_id", sa.literal_column("occurred_at desc"), sa.literal_column("id desc")],
        unique=False,
    )
    op.create_index(
        "ix_activities_list",
        "activities",
        ["customer_id", sa.literal_column("occurred_at desc"), sa.literal_column("id desc")],
        unique=False,
    )
    op.create_index(
        "ix_activities_opportunity",
        "activities",
        ["customer_id", "opportunity_id", sa.literal_column("occurred_at desc"), sa.literal_column("id desc")],
        unique=False,
    )
    op.create_index(
        "ix_activities_owner",
        "activities",
        ["customer_id", "owner_id", sa.literal_column("occurred_at desc"), sa.literal_column("id desc")],
        unique=False,
    )
    op.create_table(
        "opportunity_history",
        sa.Column("opportunity_id", sa.String(length=36), nullable=False),
        sa.Column("field", sa.String(length=50), nullable=False),
        sa.Column("old_value", sa.Text(), nullable=True),
        sa.Column("new_value", sa.Text(), nullable=True),
        sa.Column("valid_from", sa.DateTime(timezone=True), nullable=False),
        sa.Column("valid_to", sa.DateTime(timezone=True), nullable=True),
        sa.Column("recorded_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("event_id", sa.String(length=36), nullable=True),
        sa.Column("customer_id", sa.String(length=36), nullable=False),
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.CheckConstraint(
            "field in ('stage','expected_close_date','value')", name=op.f("ck_opportunity_history_field")
        ),
        sa.ForeignKeyConstraint(
            ["customer_id", "opportunity_id"],
            ["opportunities.customer_id", "opportunities.id"],
            name=op.f("fk_opportunity_history_customer_id_opportunity_id"),
        ),
        sa.ForeignKeyConstraint(["customer_id"], ["customers.id"], name=op.f("fk_opportunity_history_customer_id")),
        sa.PrimaryKeyConstraint("customer_id", "id", name=op.f("pk_opportunity_history")),
    )
    op.create_index(
        "ix_opportunity_history_opportunity",
        "opportunity_history",
        ["customer_id", "opportunity_id", "valid_from", "id"],
        unique=False,
    )
    op.create_index(
        "uq_opportunity_history_open",
        "opportunity_history",
        ["customer_id", "opportunity_id", "field"],
        unique=True,
        postgresql_where=sa.text("valid_to is null"),
    )
    op.create_table(
        "activity_participants",
        sa.Column("activity_id", sa.String(length=36), nullable=False),
        sa.Column("contact_id", sa.String(length=36), nullable=True),
        sa.Column("user_id", sa.String(length=36), nullable=True),
        sa.Column("email", sa.String(length=255), nullable=True),
        sa.Column("role", sa.String(length=50), nullable=True),
        sa.Column("customer_id", sa.String(length=36), nullable=False),
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.ForeignKeyConstraint(
            ["customer_id", "activity_id"],
            ["activities.customer_id", "activities.id"],
            name=op.f("fk_activity_participants_customer_id_activity_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["customer_id", "contact_id"],
            ["contacts.customer_id", "contacts.id"],
            name=op.f("fk_activity_participants_customer_id_contact_id"),
        ),
        sa.ForeignKeyConstraint(
            ["customer_id", "user_id"],
            ["users.customer_id", "users.id"],
            name=op.f("fk_activity_participants_customer_id_user_id"),
        ),
        sa.ForeignKeyConstraint(["customer_id"], ["customers.id"], name=op.f("fk_activity_participants_customer_id")),
        sa.PrimaryKeyConstraint("customer_id", "id", name=op.f("pk_activity_participants")),
    )
    op.create_index(
        "ix_activity_participants_activity", "activity_participants", ["customer_id", "activity_id"], unique=False
    )
    op.create_index(
        "ix_activity_participants_contact", "activity_participants", ["customer_id", "contact_id"], unique=False
    )


def downgrade() -> None:
    op.drop_index("ix_activity_participants_contact", table_name="activity_participants")
    op.drop_index("ix_activity_participants_activity", table_name="activity_participants")
    op.drop_table("activity_participants")
    op.drop_index(
        "uq_opportunity_history_open", table_name="opportunity_history", postgresql_where=sa.text("valid_to is null")
    )
    op.drop_index("ix_opportunity_history_opportunity", table_name="opportunity_history")
    op.drop_table("opportunity_history")
    op.drop_index("ix_activities_owner", table_name="activities")
    op.drop_index("ix_activities_opportunity", table_name="activities")
    op.drop_index("ix_activities_list", table_name="activities")
    op.drop_index("ix_activities_lead", table_name="activities")
    op.drop_index("ix_activities_contact", table_name="activities")
    op.drop_index("ix_activities_account", table_name="activities")
    op.drop_table("activities")
    op.drop_index(
        "uq_opportunities_external_id", table_name="opportunities", postgresql_where=sa.text("external_id is not null")
    )
    op.drop_index("ix_opportunities_status", table_name="opportunities")
    op.drop_index("ix_opportunities_owner", table_name="opportunities")
    op.drop_index("ix_opportunities_list", table_name="opportunities")
    op.drop_index("ix_opportunities_account", table_name="opportunities")
    op.drop_table("opportunities")
    op.drop_index("uq_leads_external_id", table_name="leads", postgresql_where=sa.text("external_id is not null"))
    op.drop_index("ix_leads_status", table_name="leads")
    op.drop_index("ix_leads_owner", table_name="leads")
    op.drop_index("ix_leads_list", table_name="leads")
    op.drop_index("ix_leads_email", table_name="leads")
    op.drop_table("leads")
    op.drop_index("uq_contacts_external_id", table_name="contacts", postgresql_where=sa.text("external_id is not null"))
    op.drop_index("ix_contacts_owner", table_name="contacts")
    op.drop_index("ix_contacts_list", table_name="contacts")
    op.drop_index("ix_contacts_email", table_name="contacts")
    op.drop_index("ix_contacts_account", table_name="contacts")
    op.drop_table("contacts")
    op.drop_index("uq_scores_current", table_name="scores", postgresql_where=sa.text("is_current"))
    op.drop_index("ix_scores_series", table_name="scores")
    op.drop_index("ix_scores_rank", table_name="scores", postgresql_where=sa.text("is_current"))
    op.drop_table("scores")
    op.drop_index("ix_refresh_tokens_user", table_name="refresh_tokens")
    op.drop_index("ix_refresh_tokens_family", table_name="refresh_tokens")
    op.drop_table("refresh_tokens")
    op.drop_index(
        "uq_recommendations_open",
        table_name="recommendations",
        postgresql_where=sa.text("status in ('pending','accepted','snoozed')"),
    )
    op.drop_index("ix_recommendations_status", table_name="recommendations")
    op.drop_index("ix_recommendations_list", table_name="recommendations")
    op.drop_index("ix_recommendations_entity", table_name="recommendations")
    op.drop_table("recommendations")
    op.drop_index("ix_pattern_signals_signal", table_name="pattern_signals")
    op.drop_table("pattern_signals")
    op.drop_index("ix_briefings_as_of", table_name="briefings")
    op.drop_table("briefings")
    op.drop_index("ix_approval_items_run", table_name="approval_items")
    op.drop_index("ix_approval_items_list", table_name="approval_items")
    op.drop_table("approval_items")
    op.drop_index("ix_api_keys_user", table_name="api_keys")
    op.drop_table("api_keys")
    op.drop_index("uq_accounts_external_id", table_name="accounts", postgresql_where=sa.text("external_id is not null"))
    op.drop_index("ix_accounts_owner", table_name="accounts")
    op.drop_index("ix_accounts_name", table_name="accounts")
    op.drop_index("ix_accounts_list", table_name="accounts")
    op.drop_index("ix_accounts_domain", table_name="accounts")
    op.drop_table("accounts")
    op.drop_index("ix_users_email", table_name="users")
    op.drop_table("users")
    op.drop_index("ix_signals_list", table_name="signals")
    op.drop_index("ix_signals_entity", table_name="signals")
    op.drop_table("signals")
    op.drop_index("ix_patterns_list", table_name="patterns")
    op.drop_index("ix_patterns_entity", table_name="patterns")
    op.drop_table("patterns")
    op.drop_index("ix_model_versions_lookup", table_name="model_versions")
    op.drop_table("model_versions")
    op.drop_index("ix_enrichments_spend", table_name="enrichments")
    op.drop_index("ix_enrichments_entity", table_name="enrichments")
    op.drop_table("enrichments")
    op.drop_index("ix_audit_time", table_name="audit")
    op.drop_index("ix_audit_entity", table_name="audit")
    op.drop_table("audit")
    op.drop_index("ix_agent_runs_list", table_name="agent_runs")
    op.drop_table("agent_runs")
    op.drop_table("agent_configs")
    op.drop_index("ix_events_seq", table_name="events", schema="raw", postgresql_using="brin")
    op.drop_table("events", schema="raw")
    op.drop_table("consumer_offsets", schema="raw")
    op.drop_table("outbox")
    op.drop_index(op.f("ix_idempotency_records_expires_at"), table_name="idempotency_records")
    op.drop_table("idempotency_records")
    op.drop_table("customers")
