"""What changed between two briefings of one person, each change with its cause as it was recorded.

Belongs here: comparing two documents. Causes come from facts (`causes`), never from the comparison itself; where no
fact says why, the cause is `unknown`.
"""

from collections.abc import Mapping
from typing import Any

from bevyly.briefing.causes import Facts, of_appearance, of_departure, of_move, of_value

Document = Mapping[str, Any]
Row = dict[str, Any]


def compare(before: Document | None, after: Document, facts: Facts) -> Row:
    """Items that appeared, went, moved, and changed in value; good news that is new. In the order of the briefing.

    `before` is None where there was no briefing yet: then everything appeared.
    """
    old = {item["recommendation_id"]: item for item in before["items"]} if before else {}
    new = {item["recommendation_id"]: item for item in after["items"]}
    both = [(old[name], item) for name, item in new.items() if name in old]
    known = {news["signal_id"] for news in before["good_news"]} if before else set()
    return {
        "from": _version(before),
        "to": _version(after),
        "headline": _headline(len(new.keys() - old.keys()), len(old.keys() - new.keys())),
        "appeared": [
            _item(item) | {"cause": of_appearance(name, facts)} for name, item in new.items() if name not in old
        ],
        "gone": [_item(item) | {"cause": of_departure(name, facts)} for name, item in old.items() if name not in new],
        "moved": [
            _item(now) | {"from_rank": was["rank"], "cause": of_move(was, now, facts)}
            for was, now in both
            if was["rank"] != now["rank"]
        ],
        "changed": [
            _item(now) | {"was": _numbers(was), "causes": of_value(was, now, facts)}
            for was, now in both
            if _numbers(was) != _numbers(now)
        ],
        "good_news": [news for news in after["good_news"] if news["signal_id"] not in known],
    }


def _version(document: Document | None) -> Row | None:
    return None if document is None else {name: document[name] for name in ("version", "as_of", "status")}


def _item(item: Row) -> Row:
    kept = {name: item[name] for name in ("recommendation_id", "title", "rank", "entity")}
    return kept | {"action_type": item["action"]["type"]} | _numbers(item)


def _numbers(item: Row) -> Row:
    return {
        "expected_value": item["expected_value"],
        "probability": item["probability"]["now"],
        "probability_with_action": item["probability"]["with_action"],
    }


def _headline(appeared: int, gone: int) -> str:
    if not appeared and not gone:
        return "The same things are worth doing."
    parts = [f"{count} {word}" for count, word in ((appeared, "new"), (gone, "gone")) if count]
    return f"{' and '.join(parts)} since then."
