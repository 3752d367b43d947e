"""What a model is told of an item: numbers, dates and sentences of our own; never who it is about.

Names and whatever else people typed stay here: the model sees `[NAME]`, and the name takes its place when a briefing is
composed. So a name cannot tell the model what to write, nobody's name leaves, and none is in what is kept.
"""

import re
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

import orjson
from pydantic import BaseModel, ConfigDict

from bevyly.briefing.words import chance, span, whole

NAME, ACCOUNT, STAGE, OWNER = "[NAME]", "[ACCOUNT]", "[STAGE]", "[OWNER]"
PLACEHOLDERS = {NAME: "name", ACCOUNT: "account_name", STAGE: "stage", OWNER: "owner_name"}
"""What stands for which field of the item's entity."""
Item = Mapping[str, Any]


class Touch(BaseModel):
    """Something that happened."""

    model_config = ConfigDict(frozen=True)

    what: str
    on: str


class Facts(BaseModel):
    """All that may be said of an item."""

    model_config = ConfigDict(frozen=True)

    item: str
    action: str
    about: str
    placeholders: list[str]
    sentences: str
    worth: str
    between: str
    chance: str
    last: list[Touch]
    until: str

    @property
    def texts(self) -> list[str]:
        """Every text of it that a sentence may repeat."""
        touches = [text for touch in self.last for text in (touch.what, touch.on)]
        return [self.action, self.about, self.sentences, self.worth, self.between, self.chance, *touches, self.until]

    @property
    def digest(self) -> str:
        """SHA-256 of what the model is told, and of whose it is: what is kept of one entity goes with it."""
        return sha256(orjson.dumps(self.model_dump(), option=orjson.OPT_SORT_KEYS)).hexdigest()

    def told(self) -> str:
        """As the model reads it, JSON: without the id."""
        return orjson.dumps(self.model_dump(exclude={"item"}), option=orjson.OPT_SORT_KEYS).decode()


def facts_of(item: Item) -> Facts:
    """The facts of an item of a briefing."""
    entity, value = item["entity"], item["expected_value"]
    sentences = _without_names(item["rationale"], entity)
    known = [token for token, field in PLACEHOLDERS.items() if entity.get(field)]
    return Facts(
        item=f"{entity['type']}/{entity['id']}",
        action=item["action"]["label"],
        about="deal" if entity["type"] == "opportunity" else entity["type"],
        placeholders=[token for token in known if token in (NAME, ACCOUNT) or token in sentences],
        sentences=sentences,
        worth=whole(value["amount_minor"], value["currency"]),
        between=span(value),
        chance=chance(item["probability"]),
        last=[Touch(what=_words(event["type"]), on=event["occurred_at"][:10]) for event in item["evidence"][:3]],
        until=item["expires_at"][:10],
    )


def with_names(text: str, entity: Item) -> str:
    """`text` about `entity` with names in place of what stands for them, in one pass: a name is not looked into."""
    pattern = "|".join(map(re.escape, PLACEHOLDERS))
    return re.sub(pattern, lambda found: str(entity.get(PLACEHOLDERS[found[0]]) or "it"), text)


def _without_names(text: str, entity: Item) -> str:
    names = {str(entity[field]): token for token, field in PLACEHOLDERS.items() if entity.get(field)}
    if not names:
        return text
    longest = sorted(names, key=lambda name: (-len(name), name))
    return re.sub("|".join(rf"(?<!\w){re.escape(name)}(?!\w)" for name in longest), lambda m: names[m[0]], text)


def _words(event_type: str) -> str:
    return event_type.replace(".", " ").replace("_", " ")
