"""Events that other systems sent, once each, and how far each of their records was followed."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from bevyly.db.rls import APP_ROLE, PIPELINE_ROLE, protect

revision = "2026_11_25_inbound_events"
down_revision = "2026_11_25_dead_letters"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "inbound_events",
        sa.Column("customer_id", sa.String(36), nullable=False),
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("source", sa.String(255), nullable=False),
        sa.Column("event_id", sa.String(255), nullable=False),
        sa.Column("type", sa.String(100), nullable=False),
        sa.Column("content_hash", sa.String(64), nullable=False),
        sa.Column("status", sa.String(50), nullable=False),
        sa.Column("entity_type", sa.String(50), nullable=False),
        sa.Column("entity_id", sa.String(36), nullable=False),
        sa.Column("event_ids", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["customer_id"], ["customers.id"], name=op.f("fk_inbound_events_customer_id")),
        sa.PrimaryKeyConstraint("customer_id", "id", name=op.f("pk_inbound_events")),
    )
    op.create_index("ix_inbound_events_received", "inbound_events", ["received_at"], postgresql_using="brin")
    op.create_table(
        "inbound_records",
        sa.Column("customer_id", sa.String(36), nullable=False),
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("source", sa.String(255), nullable=False),
        sa.Column("entity_type", sa.String(50), nullable=False),
        sa.Column("external_id", sa.String(255), nullable=False),
        sa.Column(
            "source_time",
            sa.DateTime(timezone=True),
            nullable=False,
            comment="time of the latest event that was applied",
        ),
        sa.Column(
            "version",
            sa.Integer(),
            nullable=False,
            comment="version of our record after it; 0 where there is none",
        ),
        sa.ForeignKeyConstraint(["customer_id"], ["customers.id"], name=op.f("fk_inbound_records_customer_id")),
        sa.PrimaryKeyConstraint("customer_id", "id", name=op.f("pk_inbound_records")),
    )
    for table in ("inbound_events", "inbound_records"):
        for statement in protect(table):
            op.execute(statement)
        op.execute(f"grant select, insert, update on {table} to {APP_ROLE}")
        op.execute(f"grant select, insert, update, delete on {table} to {PIPELINE_ROLE}")


def downgrade() -> None:
    op.drop_table("inbound_records")
    op.drop_table("inbound_events")
