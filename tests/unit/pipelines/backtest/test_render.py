"""What rankings are worth, as people read it."""

from models.ranking.off_policy import Worth
from pipelines.activation.worth import Rankings
from pipelines.backtest.render import worths
from pipelines.console import make_console

KNOWN = Worth(value=0.31, low=0.25, high=0.37, ahead=0.0, ahead_low=0.0, ahead_high=0.0, support=1.0, cases=420)


def printed(found: Rankings) -> str:
    console = make_console(width=150)
    with console.capture() as capture:
        console.print(worths(found))
    return capture.get()


def test_a_young_tenant_is_told_when_there_is_something_to_judge() -> None:
    nothing = {"live": None, "no advice": None}
    said = printed(Rankings(good=nothing, value=nothing))
    assert "Nothing to judge yet: what came of an offer shows 28 days after it." in said


def test_worth_is_shown_with_its_interval_and_nothing_is_said_of_waiting() -> None:
    said = printed(Rankings(good={"live": KNOWN}, value={"live": None}))
    assert "0.250 to 0.370" in said
    assert "Nothing to judge" not in said
