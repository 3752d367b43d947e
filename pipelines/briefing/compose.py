"""Briefings as documents: one a user, in the bytes that are served.

Belongs here: the shape of the document, who sees what, when it counts as unchanged. Equal inputs give equal bytes.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, cast

import orjson
import polars as pl

from models.ranking.catalogue import BY_TYPE
from pipelines.briefing import selection
from pipelines.briefing.evidence import describe
from pipelines.briefing.inputs import Inputs
from pipelines.briefing.words import headline, totals
from pipelines.wording.facts import facts_of, with_names

SEES_ALL = ("owner", "admin")
Row = dict[str, Any]
# Not part of what a reader reads: two documents that differ only here are the same briefing.
_VOLATILE = ("version", "generated_at", "as_of")

DOCUMENTS: dict[str, Any] = {
    "customer_id": pl.String,
    "user_id": pl.String,
    "version": pl.Int64,
    "as_of": pl.Datetime("us", "UTC"),
    "status": pl.String,
    "document": pl.String,
    "etag": pl.String,
    "changed": pl.Boolean,
}


def compose(inputs: Inputs, *, as_of: datetime, generated_at: datetime) -> pl.DataFrame:
    """One row a user: the document, its etag, its version, and whether it differs from the latest stored one."""
    tenants = {name: _by_tenant(frame) for name, frame in vars(inputs).items()}
    rows = []
    for customer_id in sorted(tenants["users"]):
        tenant = _Tenant({name: groups.get(customer_id, []) for name, groups in tenants.items()})
        for user in sorted(tenant.frames["users"], key=lambda row: str(row["user_id"])):
            body = tenant.body(user, budget=user["budget"] or selection.BUDGET)
            rows.append(_stored(customer_id, user, body, tenant.latest, as_of=as_of, generated_at=generated_at))
    return pl.DataFrame(rows, schema=DOCUMENTS)


def etag_of(body: Mapping[str, Any]) -> str:
    """The hash of what a reader reads."""
    kept = {name: value for name, value in body.items() if name not in _VOLATILE}
    return sha256(to_json(kept)).hexdigest()


def to_json(value: Mapping[str, Any]) -> bytes:
    """JSON with sorted keys, so that equal content has equal bytes."""
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


def moment(value: datetime | None) -> str | None:
    """An instant as the document writes it."""
    return None if value is None else value.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _stored(
    customer_id: str, user: Row, body: Row, latest: Mapping[str, Row], *, as_of: datetime, generated_at: datetime
) -> Row:
    before = latest.get(user["user_id"])
    etag = etag_of(body)
    if before and before["as_of"]:
        # what was published since this run began is in it
        as_of = max(as_of, before["as_of"])
    version = (int(before["version"]) if before else 0) + 1
    document = body | {"version": version, "as_of": moment(as_of), "generated_at": moment(generated_at)}
    return {
        "customer_id": customer_id, "user_id": user["user_id"], "version": version, "as_of": as_of, "status": "fresh",
        "document": to_json(document).decode(), "etag": etag, "changed": before is None or before["etag"] != etag,
    }  # fmt: skip


def _by_tenant(frame: pl.DataFrame) -> dict[str, list[Row]]:
    groups: dict[str, list[Row]] = defaultdict(list)
    for row in frame.iter_rows(named=True):
        groups[row["customer_id"]].append(row)
    return groups


class _Owned:
    """Rows, and those of each owner, in their order; `owned` are what they belong to, row by row."""

    def __init__(self, rows: Sequence[Row], owned: Iterable[Row]) -> None:
        self.everything = rows
        self.by_owner: dict[str | None, list[Row]] = defaultdict(list)
        for row, one in zip(rows, owned, strict=True):
            self.by_owner[one["owner_id"]].append(row)


class _Tenant:
    """Lookups over one tenant's rows, and the body of each of its users' briefings."""

    def __init__(self, frames: Mapping[str, list[Row]]) -> None:
        self.frames = frames
        self.latest = {row["user_id"]: row for row in frames["latest"]}
        self._entities = {(row["entity_type"], row["entity_id"]): row for row in frames["entities"]}
        self._events = {row["event_id"]: row for row in frames["events"]}
        self._patterns = {row["id"]: row for row in frames["patterns"]}
        self._wordings = {row["facts"]: row for row in frames["wordings"]}
        good = [row for row in frames["signals"] if row["polarity"] == "+" and self._entity(row)]
        self._own = {
            **{name: _Owned(frames[name], frames[name]) for name in ("recommendations", "counts", "left_out")},
            "good_news": _Owned(good, [self._entity(row) or {} for row in good]),
        }
        self._signals: dict[tuple[str, str], list[Row]] = defaultdict(list)
        for row in sorted(frames["signals"], key=lambda row: str(row["dedupe_key"])):
            self._signals[row["entity_type"], row["entity_id"]].append(row)

    def body(self, user: Row, *, budget: int) -> Row:
        """The document without version and times."""
        mine, counts, good, left_out = (
            self._own[name].everything if user["role"] in SEES_ALL else self._own[name].by_owner[user["user_id"]]
            for name in ("recommendations", "counts", "good_news", "left_out")
        )
        shown = selection.select([row for row in mine if row["status"] == "pending"], budget=budget)
        found = _number(counts, "pending")
        return {
            "status": "fresh",
            "stale_reason": None,
            "user": {"id": user["user_id"], "name": user["name"]},
            "headline": headline(shown),
            "summary": _summary(counts, found=found, shown=len(shown)),
            "items": [self._worded(self._item(row, place)) for place, row in enumerate(shown, start=1)],
            "good_news": [self._good(row) for row in selection.good_news(good, self._company)],
            "not_shown": selection.not_shown(
                left_out, beyond_budget=found - len(shown), in_hand=_number(counts, "in_hand")
            ),
            "models": [_model(row) for row in sorted(self.frames["models"], key=lambda row: str(row["type"]))],
        }

    def _entity(self, row: Row) -> Row | None:
        return self._entities.get((row["entity_type"], row["entity_id"]))

    def _company(self, row: Row) -> str:
        entity = self._entity(row) or {}
        return str(entity.get("account_id") or row["entity_id"])

    def _item(self, row: Row, place: int) -> Row:
        pattern = self._patterns.get(row["pattern_id"]) if row["pattern_id"] else None
        signals = self._signals[row["entity_type"], row["entity_id"]]
        action = BY_TYPE.get(row["action_type"])
        payload = {name: value for name, value in _json(row["payload"]).items() if name != "baseline"}
        return {
            "rank": place,
            "recommendation_id": row["id"],
            "signal_id": row["signal_id"],
            "priority": row["priority"],
            "action": {
                "type": row["action_type"],
                "label": action.label if action else row["action_type"],
                "payload": payload,
            },
            "title": row["title"],
            "rationale": row["rationale"],
            "entity": self._shown_entity(row),
            "expected_value": _expected_value(row),
            "probability": _probability(row),
            "reasons": _json(row["reasons"]),
            "evidence": self._evidence(_json(row["evidence"])),
            "signals": [{"id": s["id"], "type": s["signal_type"], "severity": s["severity"]} for s in signals],
            "pattern": {"id": pattern["id"], "type": pattern["pattern_type"]} if pattern else None,
            "expires_at": moment(row["expires_at"]),
        }

    def _worded(self, item: Row) -> Row:
        """`item` with a model's sentences beside ours, where there are such for exactly these facts."""
        found = self._wordings.get(facts_of(item).digest) if self._wordings else None
        if found is None:
            return item
        return item | {"wording": {"text": with_names(found["text"], item["entity"]), "model": found["model"]}}

    def _good(self, row: Row) -> Row:
        entity = self._shown_entity(row)
        return {
            "signal_id": row["id"],
            "signal_type": row["signal_type"],
            "text": f"{entity['name']}: {row['title']}",
            "entity": entity,
            "evidence": self._evidence(row["evidence"]),
        }

    def _shown_entity(self, row: Row) -> Row:
        entity = self._entity(row) or {}
        named = {name: entity.get(name) for name in ("name", "account_name", "stage", "owner_name")}
        return {"type": row["entity_type"], "id": row["entity_id"], **named}

    def _evidence(self, event_ids: Iterable[str]) -> Sequence[Row]:
        known = [self._events[event_id] for event_id in event_ids if event_id in self._events]
        ordered = sorted(known, key=lambda event: (event["occurred_at"], event["event_id"]), reverse=True)
        return [
            {
                "event_id": event["event_id"],
                "type": event["type"],
                "occurred_at": moment(event["occurred_at"]),
                "text": describe(event["type"], _json(event["data"])),
            }
            for event in ordered
        ]


def _number(counts: Iterable[Row], counted: str) -> int:
    return sum(row["n"] for row in counts if row["counted"] == counted)


def _summary(counts: Sequence[Row], *, found: int, shown: int) -> Row:
    return {
        "open_opportunities": _number(counts, "opportunity"),
        "open_leads": _number(counts, "lead"),
        "pipeline": totals([row for row in counts if row["counted"] == "opportunity"], "value_minor"),
        "items_found": found,
        "items_shown": shown,
    }


def _json(value: Any) -> Any:
    return orjson.loads(value) if isinstance(value, str) else value


def _expected_value(row: Row) -> Row:
    amounts = {name: row[f"expected_value_{end}"] for name, end in _ENDS.items()}
    answered = {} if row["usefulness"] is None else {"usefulness": round(row["usefulness"], 4)}
    return amounts | {"currency": row["currency"], "basis": row["basis"]} | answered


_ENDS = {"amount_minor": "minor", "low_minor": "low_minor", "high_minor": "high_minor"}


def _probability(row: Row) -> Row:
    return {
        "now": row["probability"],
        "low": row["probability_low"],
        "high": row["probability_high"],
        "with_action": row["probability_with_action"],
        "display": row["display"],
        "band": row["band"],
        "score_id": row["score_id"],
    }


def _model(row: Row) -> Row:
    window = {name: moment(cast("datetime | None", row[name])) for name in ("trained_from", "trained_to")}
    return {"type": row["type"], "version": row["version"], **window, "n": row["n"]}
