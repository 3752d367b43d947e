"""The grammar of filters: what is printed is parsed again; whatever is no filter is a typed error that says where."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from api.dependencies.principal import Principal
from api.modules.opportunities.listing import OPPORTUNITIES
from api.modules.opportunities.schemas import OpportunityQuery
from api.permissions import permissions_of
from api.query.conditions import Arguments, Conditions, Names
from api.query.errors import InvalidFilter, InvalidQuery, QueryTooExpensive
from api.query.listing import Fields, Listing
from api.query.parse import MAX_CONDITIONS, MAX_DEPTH, MAX_LITERALS, parse
from api.query.request import query_of
from api.query.times import Asker, Span, span
from api.query.tree import (
    COMPARISONS,
    MOMENTS,
    PERIODS,
    SEARCHES,
    UNITS,
    And,
    Boolean,
    Condition,
    Day,
    Expression,
    Instant,
    Literal,
    Named,
    Not,
    Number,
    Offset,
    Or,
    Path,
    Text,
    conditions,
)
from bevyly.db.schema import ApiKey


def _is_name(name: str) -> bool:
    return str(Path((name,))) == name


texts = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), max_size=20).map(Text)
literals: st.SearchStrategy[Literal] = st.one_of(
    texts,
    st.decimals(-(10**9), 10**9, places=3, allow_nan=False).map(Number),
    st.integers(-(2**63), 2**63).map(lambda value: Number(Decimal(value))),
    st.booleans().map(Boolean),
    st.dates().map(Day),
    st.datetimes(timezones=st.just(UTC)).map(Instant),
    st.builds(Offset, st.integers(-9999, 9999), st.sampled_from(UNITS)),
    st.sampled_from([*MOMENTS, *PERIODS, "me"]).map(Named),
)
plain = st.from_regex(r"[a-z][a-z_0-9]{0,9}", fullmatch=True).filter(_is_name)
paths = st.builds(
    lambda first, rest: Path((first, *rest)), plain, st.lists(texts.map(lambda one: one.value), max_size=2)
)
some = st.lists(literals, min_size=1, max_size=3).map(tuple)
leaves: st.SearchStrategy[Expression] = st.one_of(
    st.builds(Condition, paths, st.sampled_from(COMPARISONS), literals.map(lambda one: (one,))),
    st.builds(Condition, paths, st.sampled_from(SEARCHES), literals.map(lambda one: (one,))),
    st.builds(Condition, paths, st.just("between"), st.tuples(literals, literals)),
    st.builds(Condition, paths, st.just("has"), literals.map(lambda one: (one,))),
    st.builds(Condition, paths, st.sampled_from(["in", "has any"]), some),
    st.builds(Condition, paths, st.just("is null")),
)


def _groups(parts: st.SearchStrategy[Expression]) -> st.SearchStrategy[Expression]:
    several = st.lists(parts, min_size=2, max_size=3).map(tuple)
    return st.one_of(st.builds(And, several), st.builds(Or, several), st.builds(Not, parts))


trees = st.recursive(leaves, _groups, max_leaves=8).filter(lambda tree: tree.depth <= MAX_DEPTH)


@given(trees)
def test_what_is_printed_is_parsed_again(tree: Expression) -> None:
    printed = str(tree)
    if len(printed) <= 4000:
        assert parse(printed) == tree
        assert str(parse(printed)) == printed


WORDS = [
    "and", "or", "not", "(", ")", "eq", "in", "between", "has", "any", "is", "null", "name", "a.b", '"x"', "1", "-3d",
    "2026-01-01", "today", ",", ".", '"', "\\", "'", "me", "custom", "2026-01-01T00:00Z", "+", "-",
]  # fmt: skip


@given(st.one_of(st.text(max_size=60), st.lists(st.sampled_from(WORDS), max_size=12).map(" ".join)))
@example("(" * 1900 + "a eq 1" + ")" * 1900)
@example("not " * 900 + "a eq 1")
@example("a eq " + "9" * 3000)
@example('"')
@example("a eq 0000-00-00")
@example("a eq 0001-01-01T00:00+14:00")
@example('a eq "\ud800"')
@example('a eq "\\ud800"')
@example("a\x00 eq 1")
@example("a eq ٣")
@example("and eq 0")
@example("custom.and eq 0")
def test_whatever_is_written_is_a_filter_or_a_typed_error(text: str) -> None:
    try:
        tree = parse(text)
    except InvalidQuery as error:
        assert error.status == 422
        assert 0 <= error.context.get("position", 0) <= len(text)
    else:
        assert parse(str(tree)) == tree


@pytest.mark.parametrize(
    ("text", "position", "detail"),
    [
        ("status eq open", 10, 'A text stands in "double quotes".'),
        ("status = 1", 7, "expected: "),
        ("status eq null", 10, "Use `is null`."),
        ('status eq "open" and', 20, "at the end"),
        ('status eq "open', 10, "Not understood"),
        ("(a eq 1", 7, "at the end"),
        ("a eq 1 and or eq 2", 11, "A field is expected, not the word or"),
        ("a eq 1 b eq 2", 7, "expected: "),
        ("a eq 2026-02-30", 5, "is no date"),
        ("a eq -99999d", 5, "An offset is at most"),
    ],
)
def test_an_error_says_where_and_what_was_expected(text: str, position: int, detail: str) -> None:
    with pytest.raises(InvalidFilter, match=detail.replace("(", r"\(")) as caught:
        parse(text)
    assert caught.value.context["position"] == position


def test_and_binds_more_than_or_and_not_most() -> None:
    a, b, c = (Condition(Path((name,)), "eq", (Number(Decimal(1)),)) for name in "abc")
    assert parse("a eq 1 or b eq 1 and not c eq 1") == Or((a, And((b, Not(c)))))
    assert parse("(a eq 1 or b eq 1) and c eq 1") == And((Or((a, b)), c))
    assert parse("a is not null") == Not(Condition(Path(("a",)), "is null"))
    assert parse("a in today") == parse("a in (today)")
    assert parse("a between 1 and 2 and b eq 1").parts[1] == b


def test_the_limits_are_the_last_that_pass() -> None:
    most = " and ".join(["a eq 1"] * MAX_CONDITIONS)
    assert len(conditions(parse(most))) == MAX_CONDITIONS
    values = f"a in ({','.join(['1'] * MAX_LITERALS)})"
    assert len(conditions(parse(values))[0].values) == MAX_LITERALS
    deep = "not " * (MAX_DEPTH - 1) + "a eq 1"
    assert parse(deep).depth == MAX_DEPTH
    for text in (f"{most} and a eq 1", values.replace("(", "(1,"), f"not {deep}"):
        with pytest.raises(QueryTooExpensive):
            parse(text)


BERLIN = ZoneInfo("Europe/Berlin")


def at(text: str, zone: ZoneInfo = BERLIN) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=zone)


@pytest.mark.parametrize(
    ("text", "start", "end"),
    [
        ("now", "2026-03-31T23:30", None),
        ("today", "2026-03-31", "2026-04-01"),
        ("yesterday", "2026-03-30", "2026-03-31"),
        ("start_of_day", "2026-03-31", None),
        ("start_of_week", "2026-03-30", None),
        ("this_week", "2026-03-30", "2026-04-06"),
        ("last_week", "2026-03-23", "2026-03-30"),
        ("this_month", "2026-03-01", "2026-04-01"),
        ("next_quarter", "2026-04-01", "2026-07-01"),
        ("last_year", "2025-01-01", "2026-01-01"),
        ("-1mo", "2026-02-28T23:30", None),
        ("+1y", "2027-03-31T23:30", None),
        ("-2w", "2026-03-17T23:30", None),
        ("-3d", "2026-03-28T23:30", None),
        ("2026-03-29", "2026-03-29", "2026-03-30"),
    ],
)
def test_times_count_from_the_asker_in_their_zone(text: str, start: str, end: str | None) -> None:
    asker = Asker("u", at("2026-03-31T23:30").astimezone(UTC), BERLIN)
    (literal,) = parse(f"a eq {text}").values
    assert span(literal, asker) == Span(at(start), at(end) if end else None)


def test_hours_pass_when_clocks_change_and_days_have_their_length() -> None:
    asker = Asker("u", at("2026-03-29T04:00").astimezone(UTC), BERLIN)
    before = span(Offset(-3, "h"), asker)
    assert before is not None
    assert asker.now - before.start.astimezone(UTC) == timedelta(hours=3)
    short = span(Day(date(2026, 3, 29)), asker)
    assert short is not None and short.end is not None
    assert short.end.astimezone(UTC) - short.start.astimezone(UTC) == timedelta(hours=23)


@given(literals, st.integers(0, 229 * 365).map(lambda days: datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days)))
def test_a_time_lies_in_what_the_database_keeps_or_is_refused(literal: Literal, now: datetime) -> None:
    try:
        found = span(literal, Asker("u", now, BERLIN))
    except InvalidFilter:
        return
    if found is not None:
        assert 1899 <= found.start.year <= 2300
        assert found.end is None or found.start < found.end


NAMES = [
    "name",
    "-value_minor",
    "account.name",
    "account",
    "custom",
    "status",
    "owner.email",
    "password",
    "",
    " ",
    "--id",
]


@given(
    st.sampled_from(["sort", "fields", "include", "facets"]),
    st.one_of(st.text(max_size=40), st.lists(st.sampled_from(NAMES), max_size=5).map(",".join)),
)
def test_whatever_names_are_given_are_those_of_the_list_or_a_typed_error(parameter: str, text: str) -> None:
    names = Names(OPPORTUNITIES, permissions_of("viewer"))
    viewer = Principal("c", "u", "v@x.example", "viewer", permissions_of("viewer"), "user", "u")
    try:
        query = query_of(names, OpportunityQuery(timezone="UTC").model_copy(update={parameter: text}), viewer)
    except InvalidQuery as error:
        assert error.context["parameter"] == parameter
        assert 0 <= error.context.get("position", 0) <= len(text)
        return
    known = {*OPPORTUNITIES.fields, *(one for relation in OPPORTUNITIES.relations for one in relation.target.fields)}
    shown = [*query.selection.fields, *(one for fields in query.selection.related.values() for one in fields)]
    assert {*shown, *query.facets, *(key.field for key in query.sort)} <= known


def test_a_list_of_texts_is_compared_as_a_list() -> None:
    keys = Listing(name="keys", table=ApiKey, permission="x", fields=Fields(ApiKey).of("id", "scopes"))
    arguments = Arguments()
    asker = Asker("u", datetime(2026, 1, 1, tzinfo=UTC), ZoneInfo("UTC"))
    built = Conditions(Names(keys, frozenset()), asker, arguments)
    assert built.sql(parse('scopes has "a"')) == "r.scopes @> array[$2[1]::text]"
    assert built.sql(parse('scopes has any ("b", "c")')) == (
        "(r.scopes @> array[$2[2]::text] or r.scopes @> array[$2[3]::text])"
    )
    assert arguments.values == ["a", "b", "c"]
    with pytest.raises(InvalidFilter, match="has, has any, is null"):
        built.sql(parse('scopes eq "a"'))
