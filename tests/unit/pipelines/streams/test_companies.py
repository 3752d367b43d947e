"""What streams say of a company that grew or shrank: the rows of the batch detectors, on its deals or on itself."""

from datetime import datetime, timedelta

import pytest

from bevyly.ids import new_id
from bevyly.intent.thresholds import Thresholds
from models.signals.detect import SCHEMA
from models.signals.registry import detectors_of
from pipelines.repositories.company_news import Change, News
from pipelines.repositories.detectors import Ear
from pipelines.streams.companies import tell_news
from tests.support.event_streams import NOW

TENANT, ACCOUNT, DEALS = new_id(), new_id(), (new_id(), new_id())


def news(change: float | None, deals: tuple[str, ...] = (), at: datetime | None = NOW) -> News:
    return News(TENANT, ACCOUNT, NOW, Change("e1", "headcount", change) if change else None, dict.fromkeys(deals, at))


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (0.2, ("+", "low", "The company is growing: headcount up 20 %")),
        (0.19, None),
        (-0.6, ("-", "critical", "The company is shrinking: headcount down 60 %")),
        (1.0, ("+", "high", "The company is growing: headcount up 100 %")),
        (None, None),
    ],
)
def test_a_change_of_size_is_told_from_the_line_on(change: float | None, expected: tuple[str, str, str] | None) -> None:
    found, _ = tell_news(news(change), Ear())
    assert [(one["polarity"], one["severity"], one["title"]) for one in found] == ([expected] if expected else [])


def test_it_is_told_on_open_deals_and_no_longer_on_the_account() -> None:
    found, over = tell_news(news(0.5, DEALS), Ear())
    assert [(one["entity_type"], one["entity_id"]) for one in found] == [("opportunity", deal) for deal in DEALS]
    keys = {one["entity_id"]: one["dedupe_key"] for one in found}
    assert {one["entity_id"]: one["kept"] for one in over} == keys | {ACCOUNT: None}


def test_of_a_deal_that_nothing_was_told_of_what_was_said_stands() -> None:
    found, over = tell_news(news(0.5, DEALS, at=None), Ear())
    assert (found, [one["entity_id"] for one in over]) == ([], [ACCOUNT])


def test_what_is_no_longer_so_ends_everywhere() -> None:
    found, over = tell_news(news(None, DEALS), Ear())
    assert found == []
    assert {(one["entity_id"], one["kept"]) for one in over} == {(one, None) for one in (ACCOUNT, *DEALS)}


@pytest.mark.parametrize("deals", [(), DEALS[:1]])
def test_the_row_is_that_of_the_batch_pass(deals: tuple[str, ...]) -> None:
    [found] = tell_news(news(-0.5, deals), Ear())[0]
    [detector] = [one for one in detectors_of(found["entity_type"]) if one.signal_type == found["signal_type"]]
    assert set(found) == set(SCHEMA)
    assert found["dedupe_key"] == f"account_event:{found['entity_type']}:{found['entity_id']}:e1"
    assert found["detector_version"] == detector.version
    assert found["expires_at"] - NOW == timedelta(days=detector.lives_days)


def test_a_tenant_draws_its_own_line_and_hears_it_as_loud_as_it_has_been_worth() -> None:
    assert tell_news(news(0.5), Ear(line=Thresholds(account_change=0.6)))[0] == []
    [found] = tell_news(news(0.2), Ear(weights={"account_event": 2.0}))[0]
    assert found["severity"] == "high"
