"""Rows of an export as events, as the mappings say; what does not fit is a problem with file, row and column."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from hashlib import sha256
from typing import Any, Final

import orjson

from bevyly.imports.errors import BadValue
from bevyly.imports.exports import Export, Table
from bevyly.imports.mapping import Condition, EventRule, LookupRule, Mapping, ValueRule, plain
from bevyly.imports.values import in_form, instant

CONVERSION: Final = "lead.converted"
# what refers comes after what it refers to; a converted lead after the deal that it became
PASSES: Final = (("account", False), ("contact", False), ("lead", False), ("opportunity", False), ("lead", True))
LAST: Final = ("activity", False)
MAX_CUSTOM: Final = 10_000
WITHOUT_COMPANY: Final = "without-company"
_AMOUNTS: Final = ("value_minor", "annual_revenue_minor")


@dataclass(frozen=True)
class Problem:
    """Why one row, or one event of it, is not in the tenant."""

    file: str
    row: int
    column: str
    code: str
    message: str


@dataclass(frozen=True)
class Prepared:
    """One event to send, and where it comes from."""

    file: str
    row: int
    object: str
    record_id: str
    type: str
    time: str | None
    data: dict[str, Any] = field(repr=False)

    def without(self, *fields: str) -> "Prepared":
        """The event without some fields of its data."""
        return replace(self, data={name: value for name, value in self.data.items() if name not in fields})

    def document(self, source: str) -> dict[str, Any]:
        """As CloudEvents JSON. The id says what is sent, so that the same content is the same event again."""
        content = orjson.dumps([self.time, self.data], option=orjson.OPT_SORT_KEYS)
        id_ = f"{self.object}/{self.record_id}/{self.type}/{sha256(content).hexdigest()[:16]}"
        times = {"time": self.time, "recordedtime": self.time} if self.time else {}
        return {"specversion": "1.0", "id": id_, "source": source, "type": self.type, **times, "data": self.data}


class Engine:
    """Turns the files of one export into events, in an order in which they can be applied."""

    def __init__(
        self,
        mappings: list[Mapping],
        export: Export,
        *,
        currency: str | None,
        now: datetime,
        company: str | None = None,
    ) -> None:
        self._mappings = mappings
        self._export = export
        self._currency = currency
        self._now = now
        self._company = company
        self._problems: dict[Problem, None] = {}
        self._begun: dict[str, str | None] = {}
        self.custom: dict[str, set[str]] = {}
        """Columns that became fields of the tenant's own, by file."""
        self.skipped: Counter[str] = Counter()

    @property
    def problems(self) -> list[Problem]:
        """What could not become an event."""
        return list(self._problems)

    def events(self) -> Iterator[Prepared]:
        """All events: kinds in order, each kind by time."""
        if self._company:
            data = {"account_id": WITHOUT_COMPANY, "name": self._company}
            yield Prepared("", 0, "companies", WITHOUT_COMPANY, "account.created", None, data)
        for kind, is_conversion in (*PASSES, LAST):
            self._begun.clear()
            made = [
                event
                for mapping in self._mappings
                if mapping.kind == kind
                for event in self._of_mapping(mapping)
                if (event.type == CONVERSION) == is_conversion
            ]
            yield from sorted(made, key=lambda event: event.time or "")
        self.skipped = Counter({name: count for name, count in self.skipped.items() if count})

    def _of_mapping(self, mapping: Mapping) -> Iterator[Prepared]:
        for table in self._export.tables(mapping.files):
            reader = _Rows(mapping, table, self._export, self._currency, self._now)
            skipped = 0
            for number, row in table.rows():
                try:
                    if any(reader.holds(condition, row) for condition in mapping.skip):
                        skipped += 1
                        continue
                    for event in reader.events(number, row):
                        yield self._with_company(self._not_before_it_began(event))
                except _RowError as error:
                    self._problems[Problem(table.path.name, number, error.column, error.code, error.message)] = None
            self.custom[table.path.name] = reader.custom_seen
            self.skipped[table.path.name] = skipped

    def _not_before_it_began(self, event: Prepared) -> Prepared:
        """The event, no earlier than the first of its record: dates without a time of day often say so."""
        began = self._begun.setdefault(event.record_id, event.time)
        if began is None:
            return replace(event, time=None)
        return event if event.time is not None and event.time >= began else replace(event, time=began)

    def _with_company(self, event: Prepared) -> Prepared:
        if self._company and event.type == "opportunity.created" and "account_id" not in event.data:
            return replace(event, data=event.data | {"account_id": WITHOUT_COMPANY})
        return event


class _RowError(Exception):
    def __init__(self, column: str, code: str, message: str) -> None:
        super().__init__(message)
        self.column, self.code, self.message = column, code, message


class _Rows:
    """One file under one mapping."""

    def __init__(self, mapping: Mapping, table: Table, export: Export, currency: str | None, now: datetime) -> None:
        self._mapping = mapping
        self._table = table
        self._currency = currency
        self._now = now
        self._lookups = {name: _lookup(rule, export) for name, rule in mapping.lookups.items()}
        self.custom_seen: set[str] = set()

    @cached_property
    def _own_columns(self) -> dict[str, str]:
        """Columns that no rule mentions: plain name and the name under which they are kept."""
        mapping = self._mapping
        said = {*mapping.id, *mapping.ignore}
        conditions = [*mapping.skip]
        for event in mapping.events:
            said.update(event.time, event.type.columns)
            said.update(*((*rule.columns, *rule.join) for rule in event.fields.values()))
            conditions += [*event.when, *event.unless]
        said.update(*(condition.columns for condition in conditions))
        prefixes = tuple(mapping.ignore_prefixes)
        return {
            name: original.removeprefix("property_")[:100]
            for name, original in self._table.columns.items()
            if name not in said and not (prefixes and name.startswith(prefixes))
        }

    def events(self, number: int, row: dict[str, str]) -> Iterator[Prepared]:
        """The events of one row; raises `_RowError` before the first of them."""
        record_id = _first(row, self._mapping.id)
        if record_id is None:
            raise _RowError(self._mapping.id[0], "missing_id", "the row has no id")
        made = [
            self._event(number, record_id, rule, row)
            for rule in self._mapping.events
            if all(self.holds(one, row) for one in rule.when) and not any(self.holds(one, row) for one in rule.unless)
        ]
        yield from made

    def _event(self, number: int, record_id: str, rule: EventRule, row: dict[str, str]) -> Prepared:
        type_ = self._value("type", rule.type, row, None)
        money = self._value("currency", rule.fields["currency"], row, None) if "currency" in rule.fields else None
        money = money or self._currency
        data: dict[str, Any] = {f"{self._mapping.kind}_id": record_id}
        for name, one in rule.fields.items():
            value = self._value(name, one, row, money)
            if value is not None and name != "currency":
                data[name] = value
        if any(name in data for name in _AMOUNTS):
            data["currency"] = money
        custom = self._custom(row) if rule.custom else {}
        if custom:
            data["custom"] = custom
        time = self._time(rule, row)
        return Prepared(self._table.path.name, number, self._mapping.object, record_id, str(type_), time, data)

    def _time(self, rule: EventRule, row: dict[str, str]) -> str | None:
        column = next((name for name in rule.time if name in row), None)
        if column is None:
            return None
        try:
            return instant(row[column]).isoformat(timespec="microseconds")
        except BadValue as error:
            raise _RowError(self._named(column), "bad_value", f"{row[column]!r:.80} {error}") from None

    def _value(self, field: str, rule: ValueRule, row: dict[str, str], money: str | None) -> Any:
        column = next((name for name in rule.columns if name in row), None)
        text = (self._joined(rule, row) or rule.default) if column is None else row[column]
        if text is None:
            return None
        if rule.lookup is not None:
            found = self._lookups[rule.lookup].get(text)
            text = found if found is not None or not rule.or_itself else text
        if text is None:
            return rule.default
        if rule.table is not None and column is not None:
            text = self._in_table(field, rule, text, column)
        try:
            return in_form(rule.form, text, money)
        except BadValue as error:
            raise _RowError(self._named(column or field), "bad_value", f"{text!r:.80} {error}") from None

    def _joined(self, rule: ValueRule, row: dict[str, str]) -> str | None:
        return " ".join(row[name].strip() for name in rule.join if name in row) or None

    def _in_table(self, field: str, rule: ValueRule, text: str, column: str) -> str:
        assert rule.table is not None
        found = {plain(key): value for key, value in rule.table.items()}.get(plain(text), rule.other)
        if found is None:
            message = f"the mapping of {field} has no {text!r:.80}"
            raise _RowError(self._named(column), "unknown_value", message)
        return found

    def holds(self, condition: Condition, row: dict[str, str]) -> bool:
        """Whether a row is as a condition says."""
        text = _first(row, condition.columns)
        if text is None:
            return False
        if condition.found_in is not None:
            return text in self._lookups[condition.found_in]
        if condition.past:
            try:
                return instant(text) <= self._now
            except BadValue as error:
                raise _RowError(self._named(condition.columns[0]), "bad_value", f"{text!r:.80} {error}") from None
        return condition.among is None or plain(text) in {plain(one) for one in condition.among}

    def _custom(self, row: dict[str, str]) -> dict[str, str]:
        own = {original: row[name] for name, original in self._own_columns.items() if name in row}
        for original, text in own.items():
            if len(text) > MAX_CUSTOM:
                raise _RowError(original, "too_long", f"has {len(text):,} characters; at most {MAX_CUSTOM:,} are kept")
        self.custom_seen |= own.keys()
        return own

    def _named(self, column: str) -> str:
        return self._table.columns.get(column, column)


def _lookup(rule: LookupRule, export: Export) -> dict[str, str]:
    """From key to value over all rows of the files; of several with one key the earliest by order, else the first."""
    found: dict[str, tuple[str, str]] = {}
    for table in export.tables(rule.files):
        for _, row in table.rows():
            key, value, order = (_first(row, names) for names in (rule.key, rule.value, rule.order))
            if key is None or value is None:
                continue
            placed = _place(order)
            if key not in found or placed < found[key][0]:
                found[key] = (placed, value)
    return {key: value for key, (_, value) in found.items()}


def _place(order: str | None) -> str:
    try:
        return instant(order).isoformat() if order else ""
    except BadValue:
        return order or ""


def _first(row: dict[str, str], columns: list[str]) -> str | None:
    return next((row[name] for name in columns if name in row), None)
