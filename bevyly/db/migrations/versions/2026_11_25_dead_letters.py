"""Dead letters where a person can see and redrive them, and streams that stopped because of them."""

revision = "2026_11_25_dead_letters"
down_revision = "2026_11_25_event_journal"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Nothing yet."""


def downgrade() -> None:
    """Nothing yet."""
