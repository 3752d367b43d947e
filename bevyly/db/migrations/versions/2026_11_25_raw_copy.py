"""Raw events take rows by COPY."""

revision = "2026_11_25_raw_copy"
down_revision = "2026_11_25_webhooks"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Nothing yet."""


def downgrade() -> None:
    """Nothing yet."""
