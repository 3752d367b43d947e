"""What was published, kept for replay and reconciliation, and which tenants are spread by entity."""

revision = "2026_11_25_event_journal"
down_revision = "2026_11_24_api_reads"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Nothing yet."""


def downgrade() -> None:
    """Nothing yet."""
