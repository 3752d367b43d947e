"""How ready a tenant is: stages, and what is missing in words and numbers."""

from dataclasses import replace

from models import readiness
from models.readiness import Holdings

NOTHING = Holdings(
    entity="lead", entities=0, won=0, lost=0, learned=0, judged=0, judged_won=0, display=None, display_reason=None,
    pooling=True, own_weight=0.0,
)  # fmt: skip


def codes(held: Holdings) -> list[str]:
    return [one["code"] for one in readiness.missing(held)]


def test_from_nothing_to_ready() -> None:
    assert (readiness.stage(NOTHING), codes(NOTHING)) == ("empty", ["entities"])
    some = replace(NOTHING, entities=30, won=2, lost=5, display="rules", display_reason="too few")
    assert readiness.stage(some) == "prior"
    first = readiness.missing(some)[0]
    assert (first["have"], first["needed"]) == (7, 20)
    assert first["text"] == "13 more leads have to be won or lost before a model of your own is tried."
    learning = replace(some, won=20, lost=40, learned=60, judged=36, judged_won=8)
    assert (readiness.stage(learning), codes(learning)) == ("learning", ["judged", "judged_won"])
    ranking = replace(learning, judged=200, judged_won=60, display="band", display_reason="probabilities are off")
    assert (readiness.stage(ranking), codes(ranking)) == ("ranking", ["calibration"])
    ready = replace(ranking, display="probability")
    assert (readiness.stage(ready), codes(ready)) == ("ready", [])


def test_data_without_a_signal_is_told_so() -> None:
    blind = replace(NOTHING, entities=900, won=300, lost=500, learned=800, judged=480, judged_won=200, display="rules",
                    display_reason="no better than the base rate")  # fmt: skip
    assert codes(blind) == ["signal"]
    assert readiness.missing(blind)[0]["text"] == "No better than the base rate."


def test_one_kind_of_outcome_teaches_nothing() -> None:
    lost = replace(NOTHING, entities=50, won=0, lost=40, display="rules")
    assert "won" in codes(lost)
