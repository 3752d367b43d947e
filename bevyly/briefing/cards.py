"""The cards that the app shows for a briefing: which finding makes which card, and what each holds.

The registry is `CARDS`; `docs/guides/briefing.md` shows it, and a test holds the two together. A card is picked by the
signal behind an item, else by the first card that one of the entity's signals makes, else by its action.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from bevyly.briefing.words import whole, worded

Row = Mapping[str, Any]
Card = dict[str, Any]

ITEM_FIELDS = (
    "recommendation_id", "rank", "title", "text", "priority", "entity", "action", "expected_value", "probability",
    "reasons", "evidence", "expires_at", "links",
)  # fmt: skip
NEWS_FIELDS = ("signal_id", "title", "text", "entity", "evidence", "links")


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A kind of card. `together`: one card has all entries of the kind, so that the app shows a list."""

    name: str
    shows: str
    signals: tuple[str, ...] = ()
    actions: tuple[str, ...] = ()
    news: bool = False
    together: bool = False

    @property
    def fields(self) -> tuple[str, ...]:
        """What each entry of the card holds."""
        return NEWS_FIELDS if self.news else ITEM_FIELDS


CARDS = (
    Kind(name="LeadsReady", shows="leads to talk to now", signals=("lead_ready",), together=True),
    Kind(name="LeadsWaiting", shows="leads that nobody has answered", signals=("lead_untouched",), together=True),
    Kind(name="AnswerOwed", shows="a customer who waits for an answer", signals=("answer_owed",)),
    Kind(
        name="BuyerActive",
        shows="a customer who does something now",
        signals=("high_intent_action", "engagement_surge"),
    ),
    Kind(name="DealQuiet", shows="a deal without an answer", signals=("ghosted", "going_dark", "engagement_drop")),
    Kind(name="DealStalled", shows="a deal that does not move", signals=("deal_stalled", "deal_aging")),
    Kind(
        name="CloseDateAtRisk",
        shows="a close date that will not hold",
        signals=("close_date_overdue", "close_date_slipped", "close_date_unrealistic"),
        actions=("correct_close_date",),
    ),
    Kind(name="DealExposed", shows="a deal that hangs on one person", signals=("single_threaded", "missing_power")),
    Kind(
        name="ChampionAtRisk",
        shows="a champion who left or is silent",
        signals=("champion_left", "champion_unresponsive"),
    ),
    Kind(
        name="NextStepMissing",
        shows="a deal without a next step",
        signals=("no_next_step",),
        actions=("set_next_step",),
    ),
    Kind(name="DealChanged", shows="a deal of another amount", signals=("amount_changed",)),
    Kind(name="OwnerMissing", shows="a record that nobody looks after", signals=("ownership_gap",)),
    Kind(
        name="RecordIncomplete",
        shows="a record that lacks what counts",
        signals=("missing_data",),
        actions=("correct_amount", "enrich_record"),
    ),
    Kind(name="DealOver", shows="a deal to close as lost", actions=("close_lost",)),
    Kind(name="Recommendation", shows="anything else that is worth doing"),
    Kind(
        name="CommitteeForming",
        shows="more people take part",
        signals=("committee_surge", "new_stakeholder"),
        news=True,
    ),
    Kind(name="ExecutiveEngaged", shows="an executive takes part", signals=("executive_engaged",), news=True),
    Kind(name="ChampionMoved", shows="a champion at a new company", signals=("past_champion_new_company",), news=True),
    Kind(name="CloseDateEarlier", shows="a close date that came nearer", signals=("close_date_pulled_in",), news=True),
    Kind(name="AccountNews", shows="something happened at an account", signals=("account_event",), news=True),
    Kind(name="GoodNews", shows="any other good news", news=True),
)
FALLBACK, NEWS_FALLBACK = "Recommendation", "GoodNews"
_TITLES = {"LeadsReady": "{} ready", "LeadsWaiting": "{} waiting for an answer"}


def cards_of(document: Row) -> list[Card]:
    """The cards of a briefing, in its order: what is worth doing, then good news."""
    cards: dict[str, Card] = {}
    for kind, entry in _entries(document):
        key = kind.name if kind.together else f"{kind.name}/{entry.get('recommendation_id') or entry['signal_id']}"
        cards.setdefault(key, {"card": kind.name, "id": key, "entries": []})["entries"].append(entry)
    for card in cards.values():
        card["title"] = _title(card)
    return list(cards.values())


def _entries(document: Row) -> Iterator[tuple[Kind, Card]]:
    for item in document["items"]:
        yield _kind_of(item), _item(item)
    for news in document["good_news"]:
        kinds = [kind for kind in CARDS if kind.news and news.get("signal_type") in kind.signals]
        yield (kinds or [kind for kind in CARDS if kind.name == NEWS_FALLBACK])[0], _news(news)


def _kind_of(item: Row) -> Kind:
    types = {signal["id"]: signal["type"] for signal in item["signals"]}
    kinds = [kind for kind in CARDS if not kind.news]
    cause = types.get(item.get("signal_id", ""))
    by_cause = (kind for kind in kinds if cause in kind.signals)
    by_action = (kind for kind in kinds if item["action"]["type"] in kind.actions)
    by_signal = (kind for kind in kinds if set(types.values()) & set(kind.signals))
    last = (kind for kind in kinds if kind.name == FALLBACK)
    return next(kind for found in (by_cause, by_action, by_signal, last) for kind in found)


def _item(item: Row) -> Card:
    path = f"/api/v1/intent/recommendations/{item['recommendation_id']}"
    verbs = ("accept", "dismiss", "complete", "snooze", "decisions")
    links = {"self": path, **{verb: f"{path}/{verb}" for verb in verbs}, "entity": _entity_path(item["entity"])}
    values = {**item, "text": worded(item), "links": links}
    return {name: values[name] for name in ITEM_FIELDS}


def _news(news: Row) -> Card:
    values = {**news, "title": news["entity"]["name"], "links": {"entity": _entity_path(news["entity"])}}
    return {name: values[name] for name in NEWS_FIELDS}


def _entity_path(entity: Row) -> str:
    plurals = {"opportunity": "opportunities"}
    return f"/api/v1/{plurals.get(entity['type'], entity['type'] + 's')}/{entity['id']}"


def _title(card: Card) -> str:
    entries = card["entries"]
    if card["card"] not in _TITLES:
        return str(entries[0]["title"] or entries[0]["text"])
    count = f"{len(entries)} leads are" if len(entries) > 1 else "1 lead is"
    worth = sum(entry["expected_value"]["amount_minor"] for entry in entries)
    currencies = {entry["expected_value"]["currency"] for entry in entries}
    told = f", worth about {whole(worth, currencies.pop())}" if len(currencies) == 1 else ""
    return _TITLES[card["card"]].format(count) + told
