"""Asking OpenAI for one sentence or two over given facts, in an answer of a strict shape.

Belongs here: the request, and what an answer is. Whether it may be used is `check`'s business.
"""

from openai import OpenAI
from pydantic import BaseModel, ConfigDict, ValidationError

from pipelines.wording.facts import Facts
from pipelines.wording.prompt import INSTRUCTIONS

MOST_TOKENS = 1_000


class Line(BaseModel):
    """What the model answers."""

    model_config = ConfigDict(extra="forbid", strict=True)

    text: str


class NoLine(Exception):
    """The model answered, and there is no sentence in it: it declined, was cut off, or was not in the agreed shape."""


def write(client: OpenAI, facts: Facts, *, model: str) -> str:
    """The model's sentences; raises `NoLine`, or what the package raises when there is no answer."""
    try:
        answer = client.responses.parse(
            model=model,
            instructions=INSTRUCTIONS,
            input=facts.told(),
            text_format=Line,
            max_output_tokens=MOST_TOKENS,
            store=False,
        )
    except (ValidationError, ValueError) as error:
        raise NoLine("the answer has not the agreed shape") from error
    if answer.status != "completed" or answer.output_parsed is None:
        raise NoLine("the model declined, or was cut off")
    return answer.output_parsed.text.strip()
