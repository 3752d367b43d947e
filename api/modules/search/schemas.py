"""Shapes of the search across kinds."""

from typing import Annotated, Literal, get_args

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

from api.schemas import Id, Input, Output

Kind = Literal["account", "contact", "opportunity", "lead", "activity"]
KINDS: tuple[Kind, ...] = get_args(Kind)


def _listed(value: object) -> object:
    return value.split(",") if isinstance(value, str) else value


def _writable(value: str) -> str:
    value.encode()  # a lone surrogate raises a ValueError
    return value


Query = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_writable)]
Kinds = Annotated[
    tuple[Kind, ...],
    BeforeValidator(_listed),
    WithJsonSchema({"type": "string", "maxLength": 100, "default": ",".join(KINDS)}),
]


class SearchQuery(Input):
    """What is looked for."""

    q: Query = Field(description="words, in any order; one or two characters are the start of a word")
    kinds: Kinds = Field(default=KINDS, description="kinds with commas between them; all that you may read otherwise")
    limit: int = Field(default=20, ge=1, le=50)


class Found(Output):
    """One record that fits."""

    kind: Kind
    id: Id
    title: str
    subtitle: str | None
    field: str = Field(description="the field of the record that fits best")
    value: str = Field(description="what stands in that field")
    score: float = Field(
        description="1 a whole field, 0.9 the start of the title, 0.85 starts of its words, 0.8 starts of any words, "
        "0.75 part of a number, 0.7 and less alike but for slips"
    )


class SearchResult(Output):
    """What was found, the best first."""

    data: list[Found]
