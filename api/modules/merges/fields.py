"""Which value each field of the survivor has after a merge, and which of them a merge that is taken back puts back.

Pure: values in, values out. A currency goes with the amount that it is of; `custom` is decided key by key; tags are
those of all records, unless one is named.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from api.records.trail import Values
from bevyly.errors import Invalid

_AMOUNTS = {"currency": ("annual_revenue_minor", "value_minor")}
_MISSING = object()
MOST_TAGS = 50
"""What a record holds."""


def merged_fields(records: Sequence[tuple[str, Values]], winners: Mapping[str, str]) -> Values:
    """All fields of the survivor, the first of `records` (id, fields): its own value, else the first that there is.

    `winners` names the record whose value a field takes, even where that is null; `custom.<key>` a key of `custom`.
    Raises `Invalid` for fields and records that are not there.
    """
    survivor = records[0][1]
    flat = [(record_id, _flat(fields)) for record_id, fields in records]
    names = list(dict.fromkeys(name for _, fields in flat for name in fields))
    _require_known(winners, names, {record_id for record_id, _ in records})
    chosen = {name: _winner(name, flat, winners) for name in names}
    for name, amounts in _AMOUNTS.items():
        amount = next((one for one in amounts if one in survivor), None)
        if amount is not None and flat[chosen[amount]][1][amount] is not None:
            chosen[name] = chosen[amount]
    values = {name: flat[index][1].get(name, _MISSING) for name, index in chosen.items()}
    if "tags" in survivor and "tags" not in winners:
        values["tags"] = _all_tags([fields["tags"] for _, fields in records])
    return _nested({name: value for name, value in values.items() if value is not _MISSING})


def differences(before: Values, after: Values) -> tuple[Values, Values]:
    """The fields in which both differ, as they are in each."""
    names = [name for name in before if before[name] != after[name]]
    return {name: before[name] for name in names}, {name: after[name] for name in names}


def put_back(current: Values, before: Values, after: Values) -> Values:
    """The fields of `current` that are still as the merge made them (`after`), as they were before it.

    Of an amount and its currency both are, or neither is put back.
    """
    now, was, made = _flat(current), _flat(before), _flat(after)
    values = dict(now)
    set_by_merge = {name for name in {**was, **made} if was.get(name, _MISSING) != made.get(name, _MISSING)}
    changed_since = {name for name in set_by_merge if now.get(name, _MISSING) != made.get(name, _MISSING)}
    for currency, amounts in _AMOUNTS.items():
        pair = {currency, *amounts}
        is_new = any(now.get(name) is not None for name in amounts if name not in set_by_merge)
        if changed_since & pair or is_new:
            changed_since |= pair
    for name in set_by_merge - changed_since:
        if name in was:
            values[name] = was[name]
        else:
            values.pop(name, None)
    nested = _nested(values)
    return {name: nested[name] for name in current if nested[name] != current[name]}


def _all_tags(tags: Sequence[Sequence[str]]) -> list[str]:
    """Each once, in order; where they are too many, those of the records that were named first."""
    return sorted(list(dict.fromkeys(one for some in tags for one in some))[:MOST_TAGS])


def _winner(name: str, records: Sequence[tuple[str, Values]], winners: Mapping[str, str]) -> int:
    if name in winners:
        return next(index for index, (record_id, _) in enumerate(records) if record_id == winners[name])
    return next((index for index, (_, fields) in enumerate(records) if fields.get(name) is not None), 0)


def _require_known(winners: Mapping[str, str], names: Sequence[str], ids: set[str]) -> None:
    errors = [
        {"field": f"body.fields.{name}", "code": "unknown_field" if name not in names else "unknown_record"}
        for name, record_id in winners.items()
        if name not in names or name in _AMOUNTS or record_id not in ids
    ]
    if errors:
        raise Invalid("`fields` names a field or a record that is not part of this merge.", errors=errors)


def _flat(fields: Values) -> dict[str, Any]:
    plain = {name: value for name, value in fields.items() if name != "custom"}
    return plain | {f"custom.{key}": value for key, value in (fields.get("custom") or {}).items()}


def _nested(flat: Values) -> Values:
    plain = {name: value for name, value in flat.items() if not name.startswith("custom.")}
    custom = {name.removeprefix("custom."): value for name, value in flat.items() if name.startswith("custom.")}
    return plain | {"custom": custom}
