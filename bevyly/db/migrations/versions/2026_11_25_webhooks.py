"""Webhooks out: endpoints, deliveries, attempts."""

revision = "2026_11_25_webhooks"
down_revision = "2026_11_25_inbound_events"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Nothing yet."""


def downgrade() -> None:
    """Nothing yet."""
