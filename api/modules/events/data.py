"""The data of an event of another system in the API's own terms: their ids become ours, the rest keeps its bounds.

What a field may hold is said by the inputs of the API's routes; it is not said again here.
"""

from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from api.modules.accounts.schemas import AccountChange
from api.modules.activities.schemas import ActivityCreate
from api.modules.contacts.schemas import ContactChange
from api.modules.events.errors import invalid
from api.modules.events.kinds import COMPLETED, Accepted
from api.modules.leads.schemas import LeadChange
from api.modules.opportunities.schemas import OpportunityChange
from api.records.trail import Values
from api.schemas import Input
from bevyly.ids import derived_id

MAX_ID = 255
REFERENCES = {f"{kind}_id": kind for kind in ("account", "contact", "lead", "opportunity")}
REQUIRED = {"account": ("name",), "opportunity": ("account_id", "name")}
_MODELS: dict[str, type[Input]] = {
    "account": AccountChange,
    "contact": ContactChange,
    "lead": LeadChange,
    "opportunity": OpportunityChange,
    "activity": ActivityCreate,
}
_OURS = ("external_id", "occurred_at", "completed_at")
_MOVE = {"from_stage", "to_stage", "value_minor", "currency"}


@dataclass(frozen=True, slots=True)
class Translation:
    """The data of one event: fields of the API, what they refer to, and who owns the record as the sender says it."""

    external_id: str
    fields: Values
    references: list[tuple[str, str, str]] = field(default_factory=list)
    """Path of the field, kind and our id of what it names."""
    owner: str | None = None
    has_owner: bool = False
    status: Any = None
    """The status that a deal is said to have in its new stage."""


def translate(
    accepted: Accepted, type_: str, data: Values, subject: str | None, *, tenant: str, source: str
) -> Translation:
    """The data of an event of `type_`; raises `InvalidEvent`."""
    kind = accepted.kind
    external_id = _external_id(kind, data, subject)
    given = {name: value for name, value in data.items() if name != f"{kind}_id"}
    if accepted.action == "delete":
        return Translation(external_id, {})
    if accepted.action == "change":
        given = _after(given)
    status = given.pop("status", None) if accepted.action == "move" else None
    if accepted.action == "move":
        given = _move(given)
    for name in _OURS:
        if name in given:
            raise invalid((f"data.{name}", "extra_forbidden", "is not taken from the data of an event"))
    has_owner, owner = "owner_id" in given, given.pop("owner_id", None)
    if owner is not None:
        owner = _their_id("owner_id", owner)
    ids = _Ids(tenant, source)
    if accepted.action == "convert":
        return Translation(external_id, _references_only(given, ids), ids.references)
    if kind == "activity":
        given = _activity(accepted, type_, given, ids)
    given = ids.replace(given)
    fields = _validated(_MODELS[kind], given)
    return Translation(external_id, fields, ids.references, owner, has_owner, status)


class _Ids:
    """Turns their ids into ours and notes what was referred to."""

    def __init__(self, tenant: str, source: str) -> None:
        self._tenant = tenant
        self._source = source
        self.references: list[tuple[str, str, str]] = []

    def of(self, path: str, kind: str, value: Any) -> str | None:
        if value is None:
            return None
        ours = derived_id(self._tenant, self._source, kind, _their_id(path, value))
        self.references.append((f"data.{path}", kind, ours))
        return ours

    def replace(self, values: Values, *, within: str = "") -> Values:
        return {
            name: self.of(within + name, REFERENCES[name], value) if name in REFERENCES else value
            for name, value in values.items()
        }


def _their_id(path: str, value: Any) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= MAX_ID or "\x00" in value:
        raise invalid((f"data.{path}", "invalid_id", f"an id is a text of 1 to {MAX_ID} characters"))
    return value


def _external_id(kind: str, data: Values, subject: str | None) -> str:
    named = data.get(f"{kind}_id")
    prefix, _, rest = (subject or "").partition("/")
    from_subject = rest if prefix == kind and rest else None
    if subject is not None and from_subject is None:
        raise invalid(("subject", "invalid_subject", f"the subject of this type is {kind}/<id>"))
    if named is None and from_subject is None:
        raise invalid((f"data.{kind}_id", "missing", "Field required"))
    if named is not None and from_subject is not None and named != from_subject:
        raise invalid(("subject", "contradicts_data", f"subject and data.{kind}_id name different records"))
    return _their_id(f"{kind}_id", named if named is not None else from_subject)


def _after(given: Values) -> Values:
    """Changed fields: those of `after` where the data has the form of our own events, else all that are given."""
    if "after" not in given:
        return given
    if not isinstance(given["after"], dict) or not given.keys() <= {"before", "after"}:
        raise invalid(("data.after", "dict_type", "changed fields stand in `after`, or without `before` and `after`"))
    return dict(given["after"])


def _move(given: Values) -> Values:
    unknown = given.keys() - _MOVE
    if unknown:
        raise invalid(*((f"data.{name}", "extra_forbidden", "Extra inputs are not permitted") for name in unknown))
    if "to_stage" not in given:
        raise invalid(("data.to_stage", "missing", "Field required"))
    rest = {name: given[name] for name in ("value_minor", "currency") if given.get(name) is not None}
    return {"stage": given["to_stage"], **rest}


def _references_only(given: Values, ids: _Ids) -> Values:
    unknown = given.keys() - REFERENCES.keys()
    if unknown:
        raise invalid(*((f"data.{name}", "extra_forbidden", "Extra inputs are not permitted") for name in unknown))
    return ids.replace(given)


def _activity(accepted: Accepted, type_: str, given: Values, ids: _Ids) -> Values:
    if given.get("kind", accepted.activity_kind) != accepted.activity_kind:
        raise invalid(("data.kind", "contradicts_type", f"{type_} is about kind {accepted.activity_kind}"))
    direction = given.get("direction") or accepted.direction
    if direction not in accepted.directions:
        raise invalid(("data.direction", "contradicts_type", f"{type_} is one of {', '.join(accepted.directions)}"))
    people = given.get("participants")
    if isinstance(people, list):
        given = given | {"participants": [_participant(number, one, ids) for number, one in enumerate(people)]}
    if type_ in COMPLETED:
        given = {name: value for name, value in given.items() if name != "due_at"}
    return given | {"kind": accepted.activity_kind, "direction": direction}


def _participant(number: int, one: Any, ids: _Ids) -> Any:
    if not isinstance(one, dict):
        return one
    if "user_id" in one:
        raise invalid((f"data.participants.{number}.user_id", "extra_forbidden", "Extra inputs are not permitted"))
    return ids.replace(one, within=f"participants.{number}.")


def _validated(model: type[Input], given: Values) -> Values:
    try:
        return model.model_validate(given).model_dump(exclude_unset=True)
    except ValidationError as error:
        found = [(".".join(["data", *map(str, one["loc"])]), one["type"], one["msg"]) for one in error.errors()]
        raise invalid(*found) from None
