"""From alarms to the display: one lowers it, two more, nothing raises it above what training allowed."""

from models.display import BAND, PROBABILITY, RULES
from models.monitoring.standing import Finding, alarming, shown


def finding(alarm: bool | None, *, calm: bool) -> Finding:
    return Finding(monitor="features", alarm=alarm, calm=calm, cap=BAND, reason="", figures={})


def test_one_alarm_is_a_band_and_two_are_rules() -> None:
    assert shown(PROBABILITY, []) == PROBABILITY
    assert shown(PROBABILITY, [BAND]) == BAND
    assert shown(PROBABILITY, [RULES]) == RULES
    assert shown(PROBABILITY, [BAND, BAND]) == RULES


def test_nothing_is_shown_as_more_than_training_allowed() -> None:
    assert shown(BAND, []) == BAND
    assert shown(BAND, [BAND]) == BAND
    assert shown(RULES, []) == RULES


def test_between_alarm_and_calm_everything_stays_as_it_was() -> None:
    between = finding(False, calm=False)
    assert alarming(between, before=True)
    assert not alarming(between, before=False)
    assert not alarming(finding(False, calm=True), before=True)
    assert alarming(finding(True, calm=False), before=False)
    unknown = finding(None, calm=False)
    assert alarming(unknown, before=True)
    assert not alarming(unknown, before=False)
