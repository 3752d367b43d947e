"""Why items come, go and change: each from what was recorded, and unknown where nothing was."""

from typing import Any

import pytest

from bevyly.briefing.causes import Facts, of_appearance, of_departure, of_value

SINCE, BETWEEN, UNTIL = (f"2026-11-{day}T06:00:00.000000Z" for day in (23, 24, 25))
Row = dict[str, Any]


def entry(kind: str, *, of: str = "r1", grounds: Row | None = None, **details: Any) -> Row:
    return {
        "sequence": 7, "kind": f"recommendation.{kind}", "recommendation_id": of, "occurred_at": BETWEEN,
        "grounds": grounds or {}, "details": details,
    }  # fmt: skip


def facts(*decisions: Row, **more: Any) -> Facts:
    items = {
        "r1": {"title": "Call A", "signal_id": "s1", "before": {"owner_id": "ann", "amount_minor": 5}, "state": None},
        "r2": {"title": "Write to A", "signal_id": None, "before": None, "state": None},
    }
    signals = {
        "s1": {
            "title": "No answer",
            "first_seen_at": SINCE,
            "closed_at": None,
            "close_reason": None,
            "evidence": ["e1"],
        }
    }
    return Facts(
        **(
            {"since": SINCE, "until": UNTIL, "decisions": decisions, "recommendations": items, "signals": signals}
            | more
        )
    )


@pytest.mark.parametrize(
    ("recorded", "code", "text"),
    [
        (entry("accepted", user_id="ann"), "accepted", "Taken on"),
        (entry("dismissed", feedback={"reason": "wrong"}), "dismissed", "Dismissed: wrong"),
        (entry("snoozed", snoozed_until="2026-12-01T00:00:00Z"), "snoozed", "Put off until 2026-12-01"),
        (entry("completed", user_id="ann"), "completed", "Done"),
        (entry("completed"), "seen_done", "It was seen to be done"),
        (entry("superseded", grounds={"superseded_by": "r2"}), "superseded", "“Write to A” took its place"),
        (
            entry("superseded", grounds={"superseded_by": "r9"}),
            "superseded",
            "Another action of the same cause took its place",
        ),
        (entry("expired"), "expired", "Nothing calls for it any more"),
        (entry("revised", owner_id="bo"), "owner", "It has another owner"),
        (entry("revised", owner_id="ann"), "unknown", "Nothing that was recorded says why"),
    ],
)  # fmt: skip
def test_why_an_item_went(recorded: Row, code: str, text: str) -> None:
    cause = of_departure("r1", facts(recorded))
    assert (cause["code"], cause["text"]) == (code, text)
    assert cause["decision"] == (None if code == "unknown" else 7)


def test_what_expired_because_its_signal_closed_names_the_signal() -> None:
    signal = facts().signals["s1"]
    closed = {**signal, "closed_at": BETWEEN, "close_reason": "no_longer_true"}
    cause = of_departure("r1", facts(entry("expired"), signals={"s1": closed}))
    assert (cause["code"], cause["text"]) == ("signal_closed", "No longer so: No answer (no longer true)")
    assert cause["event_ids"] == ["e1"]


def test_the_last_answer_counts() -> None:
    assert of_departure("r1", facts(entry("snoozed"), entry("reopened"), entry("completed")))["code"] == "seen_done"
    assert of_departure("r1", facts(entry("snoozed"), entry("reopened")))["code"] == "unknown"


@pytest.mark.parametrize(
    ("recorded", "code"),
    [
        ((entry("made"),), "made"),
        ((entry("snoozed"), entry("reopened")), "reopened"),
        ((entry("superseded", of="r2", grounds={"superseded_by": "r1"}), entry("made")), "superseded"),
        ((entry("revised", owner_id="bo"),), "owner"),
        ((), "unknown"),
    ],
)
def test_why_an_item_appeared(recorded: tuple[Row, ...], code: str) -> None:
    assert of_appearance("r1", facts(*recorded))["code"] == code


@pytest.mark.parametrize(
    ("state", "beyond", "code"), [("made", 1, "budget"), ("made", 0, "unknown"), ("accepted", 1, "unknown")]
)
def test_room_is_a_cause_only_for_what_was_open_while_others_were_left_out(state: str, beyond: int, code: str) -> None:
    items = {"r1": {"title": "x", "signal_id": None, "before": None, "state": f"recommendation.{state}"}}
    given = facts(recommendations=items, beyond_budget=(beyond, beyond))
    assert of_departure("r1", given)["code"] == of_appearance("r1", given)["code"] == code


def item(value: int, chance: float, effect: float) -> Row:
    return {
        "recommendation_id": "r1",
        "expected_value": {"amount_minor": value},
        "probability": {"now": chance, "with_action": chance + effect},
    }


def moved(cause: str) -> Row:
    causes = [{"cause": cause, "event_ids": ["e1"]}, {"cause": "time", "event_ids": []}]
    return {"r1": {"text": "Meeting booked, +6", "points": 6, "causes": causes}}


@pytest.mark.parametrize(("before", "after", "word"), [(None, 0.8, "less"), (0.8, 1.2, "more"), (1.2, None, "less")])
def test_what_people_answered_is_said_where_it_changed_the_worth(
    before: float | None, after: float | None, word: str
) -> None:
    was, now = item(2, 0.4, 0.1), item(3, 0.4, 0.1)
    for one, usefulness in ((was, before), (now, after)):
        if usefulness is not None:
            one["expected_value"]["usefulness"] = usefulness
    [cause] = of_value(was, now, facts(entry("revised", amount_minor=5)))
    assert (cause["code"], cause["decision"]) == ("answers", 7)
    assert f"{word} useful than before" in cause["text"]


@pytest.mark.parametrize(
    ("given", "was", "codes"),
    [
        (facts(scores=moved("event")), item(1, 0.1, 0.1), ["score"]),
        (facts(scores=moved("model")), item(1, 0.1, 0.1), ["model_version"]),
        (facts(entry("revised", amount_minor=9)), item(1, 0.4, 0.1), ["amount"]),
        (facts(entry("revised", amount_minor=9), scores=moved("event")), item(1, 0.1, 0.1), ["score", "amount"]),
        (facts(entry("revised", amount_minor=5)), item(1, 0.4, 0.2), ["effect"]),
        (facts(entry("revised", amount_minor=5)), item(1, 0.4, 0.1), ["revised"]),
        (facts(), item(1, 0.4, 0.1), ["unknown"]),
    ],
)
def test_why_a_value_changed(given: Facts, was: Row, codes: list[str]) -> None:
    assert [cause["code"] for cause in of_value(was, item(2, 0.4, 0.1), given)] == codes
