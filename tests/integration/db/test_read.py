"""Reading without ceremony: what the sessions of a reader are set to."""

import pytest

from bevyly.db.read import Reader
from tests.support.databases import Database


@pytest.mark.parametrize(
    ("setting", "value"),
    [("default_transaction_read_only", "on"), ("plan_cache_mode", "force_generic_plan"), ("statement_timeout", "5s")],
)
async def test_sessions_cannot_write_keep_to_their_plans_and_end_in_time(
    module_database: Database, setting: str, value: str
) -> None:
    reader = Reader(module_database.app_url, size=1)
    try:
        # the first argument of what a reader calls is the tenant, and setting it gives it back
        assert await reader.one("current_setting", setting) == (value,)
    finally:
        await reader.close()
