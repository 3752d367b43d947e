"""A collation that knows the letters of all languages, whatever that of the database is: for comparing whatever the case.

PostgreSQL has one of its own from version 17 on; before, that of the system's library does the same.
"""

from alembic import op

revision = "2026_11_28_folded_text"
down_revision = "2026_11_28_live_scope"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        do $$ begin
          if current_setting('server_version_num')::int >= 170000 then
            create collation all_letters from pg_c_utf8;
          else
            create collation all_letters (provider = libc, locale = 'C.UTF-8');
          end if;
        end $$
        """
    )


def downgrade() -> None:
    op.execute("drop collation all_letters")
