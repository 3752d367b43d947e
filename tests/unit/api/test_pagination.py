"""Cursors: what is printed is parsed again, and nothing else is."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bevyly.db.pagination import START, Bookmark, CursorCodec, InvalidCursor, Position
from bevyly.ids import new_id

CODEC = CursorCodec("secret")
instants = st.integers(min_value=0, max_value=7_000_000_000_000_000).map(
    lambda micros: datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=micros)
)


@given(instants, st.uuids())
def test_a_cursor_comes_back_to_the_microsecond(at: datetime, row_id: object) -> None:
    position = Position(at, str(row_id))
    assert CODEC.decode(CODEC.encode(position, scope="a"), scope="a") == position


def test_no_cursor_is_the_start() -> None:
    assert CODEC.decode(None, scope="a") == START


@given(st.text(max_size=200))
def test_text_that_we_did_not_make_is_refused(text: str) -> None:
    with pytest.raises(InvalidCursor):
        CODEC.decode(text, scope="a")


def test_a_cursor_belongs_to_its_scope_and_its_secret() -> None:
    cursor = CODEC.encode(Position(datetime(2026, 1, 1, tzinfo=UTC), new_id()), scope="a")
    for codec, scope in ((CODEC, "b"), (CursorCodec("other"), "a")):
        with pytest.raises(InvalidCursor):
            codec.decode(cursor, scope=scope)


@given(instants, st.lists(st.none() | st.text(st.characters(exclude_categories=["Cs"])), min_size=1, max_size=4))
def test_a_bookmark_comes_back_with_its_values(now: datetime, values: list[str | None]) -> None:
    bookmark = Bookmark(now, tuple(values))
    cursor = CODEC.encode_bookmark(bookmark, scope="a")
    assert CODEC.decode_bookmark(cursor, scope="a") == bookmark
    with pytest.raises(InvalidCursor):
        CODEC.decode_bookmark(cursor, scope="b")
