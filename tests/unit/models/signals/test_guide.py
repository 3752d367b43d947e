"""The guide on signals holds the catalogue as it is."""

from dataclasses import asdict
from pathlib import Path

from bevyly.intent.thresholds import ONE_LINE, Thresholds
from models.signals.guide import table

GUIDE = (Path(__file__).parents[4] / "docs/guides/signals.md").read_text()


def test_the_table_of_the_guide_is_that_of_the_registry() -> None:
    assert table() in GUIDE, "write the output of `models.signals.guide.table` into docs/guides/signals.md"


def test_the_guide_names_every_threshold_with_its_default() -> None:
    for name, value in asdict(Thresholds()).items():
        assert f"| `{name}` | {value:g} |" in GUIDE, name


def test_the_guide_says_which_thresholds_have_one_value_for_all_stages() -> None:
    said = next(line for line in GUIDE.splitlines() if line.startswith("One value for all stages:"))
    assert all(f"`{name}`" in said for name in ONE_LINE)
