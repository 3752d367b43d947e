"""Rows of texts as changes to records: cells in their form, names of other records as their ids.

The rules for fields are those of a single call; what is wrong is told with the column that it is in.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from api.modules.batch.changes import RowChange
from api.modules.batch.kinds import KINDS, REFERENCES, compared
from api.modules.batch.repository import BatchRepository
from api.modules.batch.schemas import validated
from api.modules.custom_fields.types import Definition, Rules
from api.modules.custom_fields.values import CustomValues
from api.modules.imports.errors import BadMapping
from api.modules.imports.fields import CHOSEN_BY, CUSTOM, FORMS, MATCHES, fields_of
from api.modules.imports.schemas import Column, Mapping
from api.records.trail import Values
from bevyly.errors import BevylyError, Invalid
from bevyly.ids import is_id
from bevyly.imports import values as forms
from bevyly.imports.errors import BadValue

_COLUMNS_OF = {"email": {"contact": "email", "lead": "contact_email"}}
_DAY = re.compile(r"(\d{1,2})[./-](\d{1,2})[./-](\d{4})")
LARGEST = 2**63
_FALSE = ("false", "no", "0", "f")
Named = tuple[str, str, str]
"""Kind, column and value by which a cell names another record."""


def check(mapping: Mapping, kind: str, columns: Sequence[str]) -> None:
    """Raise `BadMapping` for what the file or the kind does not have, and for what a mode needs."""
    allowed, seen = fields_of(kind), set()
    for one in mapping.columns:
        if one.column not in columns:
            raise BadMapping(f"The file has no column {one.column!r}.")
        if not one.field.startswith(CUSTOM) and one.field not in allowed:
            raise BadMapping(f"A {kind} has no field {one.field!r}.")
        if one.field in seen:
            raise BadMapping(f"Two columns are {one.field}.")
        if one.by is not None and one.by not in CHOSEN_BY.get(one.field, ()):
            raise BadMapping(f"{one.field} cannot be named by {one.by}.")
        seen.add(one.field)
    if mapping.mode != "create" and mapping.match_by is None:
        raise BadMapping(f"To {mapping.mode}, name the key to match by.")
    if mapping.match_by is not None:
        if mapping.match_by not in MATCHES[kind]:
            raise BadMapping(f"A {kind} cannot be matched by {mapping.match_by}.")
        if key_field(kind, mapping.match_by) not in seen:
            raise BadMapping(f"No column is {key_field(kind, mapping.match_by)}, which rows are matched by.")
    validated(KINDS[kind], dict(mapping.defaults), new=False)


def key_field(kind: str, match_by: str) -> str:
    """The field that a word for a key means."""
    return KINDS[kind].keys.get(match_by, match_by)


@dataclass
class Read:
    """One row: its number in the file (the first is 1), its cells, and its change or why there is none."""

    number: int
    cells: list[str]
    change: RowChange | None = None
    error: BevylyError | None = None


@dataclass
class RowReader:
    """Reads the rows of one import."""

    kind: str
    mapping: Mapping
    columns: Sequence[str]
    _places: list[tuple[int, Column]] = field(init=False)
    _rules: Rules = field(init=False, default_factory=Rules)

    def __post_init__(self) -> None:
        # The currency comes first: amounts are read in it.
        found = [(self.columns.index(one.column), one) for one in self.mapping.columns]
        self._places = sorted(found, key=lambda place: place[1].field != "currency")

    async def read(
        self, rows: Iterable[tuple[int, list[str]]], repository: BatchRepository, custom: CustomValues
    ) -> list[Read]:
        """The rows as changes, with the ids of the records that they name."""
        if any(column.field.startswith(CUSTOM) for _, column in self._places):
            self._rules = await custom.rules()
        read = [Read(number, cells) for number, cells in rows]
        ids = await self._ids(read, repository)
        for one in read:
            try:
                one.change = self._change(one, ids)
            except BevylyError as error:
                one.error = error
        return read

    async def _ids(self, rows: Sequence[Read], repository: BatchRepository) -> dict[Named, list[str]]:
        """Ids of the records that cells name, in one statement for each way of naming."""
        wanted: dict[tuple[str, str], set[str]] = {}
        for index, column in self._places:
            if column.field in REFERENCES and (column.by or "id") != "id":
                texts = {_cell(row.cells, index) for row in rows} - {""}
                wanted.setdefault((REFERENCES[column.field], column.by or ""), set()).update(texts)
        found: dict[Named, list[str]] = {}
        for (kind, by), texts in wanted.items():
            if kind == "user":
                owners = await repository.owners(texts)
                found |= {(kind, by, text): [owners[text]] for text in texts if text in owners}
                continue
            name = _COLUMNS_OF.get(by, {}).get(kind, by)
            for value, record_id in await repository.having(kind, name, {compared(name, text) for text in texts}):
                found.setdefault((kind, by, value), []).append(record_id)
        return found

    def _change(self, row: Read, ids: dict[Named, list[str]]) -> RowChange:
        if len(row.cells) > len(self.columns):
            raise Invalid(f"The row has {len(row.cells)} cells for {len(self.columns)} columns.")
        if any("\x00" in cell for cell in row.cells):
            raise Invalid("A text contains a character that cannot be stored (NUL).")
        fields = self._fields(row.cells, ids)
        record_id = fields.pop("id", None)
        values = validated(KINDS[self.kind], fields, new=False)
        mode, match_by = self.mapping.mode, self.mapping.match_by
        key = None
        if match_by == "id":
            record_id, mode = self._by_id(record_id), "update" if record_id or mode == "update" else "create"
        elif match_by is not None:
            name = key_field(self.kind, match_by)
            if values.get(name):
                key = (name, values[name])
            elif mode != "create":
                raise _wrong(name, "missing", "The key is empty.")
        found_by_id = record_id if match_by == "id" and mode == "update" else None
        return RowChange(row.number, mode, values, found_by_id, key, merges_custom=True)

    def _by_id(self, record_id: str | None) -> str | None:
        if record_id is None and self.mapping.mode == "update":
            raise _wrong("id", "missing", "The key is empty.")
        if record_id is not None and (self.mapping.mode == "create" or not is_id(record_id)):
            raise _wrong("id", "invalid", "This is no id of a record that may be changed.")
        return record_id

    def _fields(self, cells: list[str], ids: dict[Named, list[str]]) -> Values:
        fields: Values = dict(self.mapping.defaults)
        custom: Values = dict(fields.pop("custom", None) or {})
        for index, column in self._places:
            text = _cell(cells, index)
            if text == "":
                continue
            if column.letters is not None:
                text = text.lower() if column.letters == "lower" else text.upper()
            if column.field.startswith(CUSTOM):
                key = column.field.removeprefix(CUSTOM)
                custom[key] = _own(column, text, self._rules.definitions.get(key))
            elif column.field in REFERENCES:
                fields[column.field] = _named(column, text, ids)
            else:
                fields[column.field] = _formed(column, text, fields.get("currency"))
        return fields | ({"custom": custom} if custom else {})


def _cell(cells: list[str], index: int) -> str:
    return cells[index].strip() if index < len(cells) else ""


def _named(column: Column, text: str, ids: dict[Named, list[str]]) -> str:
    if (column.by or "id") == "id":
        return text
    kind = REFERENCES[column.field]
    name = _COLUMNS_OF.get(column.by or "", {}).get(kind, column.by or "")
    found = ids.get((kind, column.by or "", text if kind == "user" else compared(name, text)), [])
    if len(found) != 1:
        code = "ambiguous_match" if found else "not_found"
        raise _wrong(column.field, code, f"{len(found) or 'No'} {kind}s have the {column.by} {text!r}.")
    return found[0]


def _formed(column: Column, text: str, currency: Any) -> Any:
    form = FORMS.get(column.field, "text")
    try:
        if form == "money":
            number = _number(column, text)
            if column.minor_units:
                return forms.integer(number)
            if not isinstance(currency, str):
                raise BadValue("has no currency")
            return forms.minor(number, currency)
        if form == "integer":
            return forms.integer(_number(column, text))
        if form == "day":
            return forms.day(_day(column, text)).isoformat()
        return {"domain": forms.domain, "currency": forms.currency}.get(form, str)(text)
    except BadValue as error:
        raise _wrong(column.field, "bad_value", f"{text[:100]!r} {error}.") from None


def _own(column: Column, text: str, definition: Definition | None) -> Any:
    """A cell as a value of the tenant's own field; a text where that is not defined."""
    if definition is None:
        return text
    if definition.type == "select":
        return definition.option(text)
    if definition.type == "multi_select":
        return [definition.option(part.strip()) for part in text.split(";") if part.strip()]
    try:
        return _OWN_FORMS[definition.type](column, text) if definition.type in _OWN_FORMS else text
    except BadValue as error:
        raise _wrong(column.field, "bad_value", f"{text[:100]!r} {error}.") from None


def _limited(value: float) -> float:
    if abs(value) >= LARGEST:
        raise BadValue("is too large")
    return value


def _truth(text: str) -> bool:
    if not forms.is_true(text) and text.lower() not in _FALSE:
        raise BadValue("is neither true nor false")
    return forms.is_true(text)


def _number(column: Column, text: str) -> str:
    return text.replace(".", "").replace(" ", "").replace(",", ".") if column.decimal_comma else text


def _day(column: Column, text: str) -> str:
    found = _DAY.fullmatch(text)
    if column.date_format == "iso" or found is None:
        return text
    first, second, year = found.groups()
    day, month = (first, second) if column.date_format == "dmy" else (second, first)
    return f"{year}-{month}-{day}"


def _wrong(name: str, code: str, message: str) -> Invalid:
    return Invalid(message, errors=[{"field": f"body.{name}", "code": code, "message": message}])


_OWN_FORMS: dict[str, Callable[[Column, str], Any]] = {
    "number": lambda column, text: _limited(float(forms.number(_number(column, text)))),
    "boolean": lambda _, text: _truth(text),
    "date": lambda column, text: forms.day(_day(column, text)).isoformat(),
    "datetime": lambda column, text: forms.instant(_day(column, text)).isoformat(),
}
"""Forms of cells by the type of the tenant's own field; other types are texts."""
