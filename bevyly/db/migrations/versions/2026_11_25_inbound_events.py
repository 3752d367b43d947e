"""Events that other systems sent, once each."""

revision = "2026_11_25_inbound_events"
down_revision = "2026_11_25_dead_letters"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Nothing yet."""


def downgrade() -> None:
    """Nothing yet."""
