"""What the guide to querying says is true."""

import re
from pathlib import Path

import pytest

from api.query.conditions import MAX_SEARCHES
from api.query.parse import MAX_CONDITIONS, MAX_DEPTH, MAX_LENGTH, MAX_LITERALS
from tests.integration.api.queries.crowd import Crowd

GUIDE = Path(__file__).parents[4] / "docs" / "guides" / "querying.md"
EXAMPLES = re.findall(r"^(GET|422) (\S+?)\?(.*)$", GUIDE.read_text(encoding="utf-8"), re.MULTILINE)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda one: one[2])
async def test_the_examples_of_the_guide_are_answered(crowd: Crowd, example: tuple[str, str, str]) -> None:
    expected, path, query = example
    parameters = dict(part.split("=", 1) for part in query.split("&"))
    async with crowd.api.client(crowd.tenant) as client:
        answer = await client.get(path, params=parameters)
    assert answer.status_code == (200 if expected == "GET" else 422), answer.text
    assert ("data" in answer.json()) == (expected == "GET")


def test_the_guide_has_examples_and_the_true_limits() -> None:
    assert len(EXAMPLES) >= 15
    text = GUIDE.read_text(encoding="utf-8").replace("\n", " ")
    limits = (
        f"{MAX_LENGTH:,} characters, {MAX_CONDITIONS} conditions, {MAX_LITERALS} values, {MAX_SEARCHES} text searches"
    )
    assert limits in text
    assert f"or {MAX_DEPTH} levels" in text
