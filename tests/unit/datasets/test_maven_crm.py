import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from bevyly.datasets import maven_crm
from bevyly.datasets.dataset import Dataset
from tests.unit.datasets.tiny import NOW, TENANT, check_contracts, events_of, everything, row, write_maven_crm


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_maven_crm(tmp_path)


def read(folder: Path, until: date | None = None) -> Dataset:
    return maven_crm.read(folder, tenant=TENANT, now=NOW, until=until)


def test_deals_open_when_engaged_and_close_on_their_date(folder: Path) -> None:
    dataset = read(folder)
    shift = timedelta(weeks=dataset.shift_weeks)
    won = row(dataset, "opportunities", "WON00001")
    assert won["created_at"] - shift == datetime(2017, 1, 10, tzinfo=UTC)
    assert won["closed_at"] - shift == datetime(2017, 3, 1, tzinfo=UTC)
    assert (won["stage"], won["status"]) == ("won", "won")
    (_, moved) = (e for e in events_of(dataset, "opportunity.stage_changed"))
    assert (moved["data"]["from_stage"], moved["data"]["to_stage"]) == ("qualification", "won")


def test_deals_without_a_date_enter_on_the_last_day(folder: Path) -> None:
    dataset = read(folder)
    prospect = row(dataset, "opportunities", "PROSPECT")
    assert (prospect["stage"], prospect["status"]) == ("prospecting", "open")
    assert prospect["created_at"] == dataset.events["occurred_at"].max()
    assert row(dataset, "opportunities", "ENGAGING")["stage"] == "qualification"


def test_the_amount_is_the_list_price_until_the_deal_is_won_for_what_was_paid(folder: Path) -> None:
    dataset, before = read(folder), read(folder, date(2017, 2, 28))
    won = row(before, "opportunities", "WON00001")
    assert (won["value"], won["currency"]) == (482_100, "USD")
    assert "91919" not in everything(before)
    assert row(dataset, "opportunities", "WON00001")["value"] == 9_191_900
    (paid,) = (e for e in events_of(dataset) if "9191900" in str(e["data"]))
    assert (paid["type"], paid["data"]["status"]) == ("opportunity.stage_changed", "won")
    assert row(dataset, "opportunities", "LOST0001")["value"] == 5_500, "what was never paid is not the amount"
    assert "close_value" not in everything(dataset)


def test_misspelt_names_are_one_thing(folder: Path) -> None:
    dataset = read(folder)
    assert json.loads(row(dataset, "opportunities", "WON00001")["custom"]) == {
        "product": "GTX Pro",
        "series": "GTX",
        "sales_price": 4821,
        "regional_office": "Central",
        "manager": "Dustin Brinkmann",
    }
    acme = row(dataset, "accounts", "Acme")
    assert (acme["industry"], acme["country"], acme["annual_revenue_minor"]) == (
        "technology",
        "Philippines",
        110_004_000_000,
    )


def test_deals_without_account_share_one_that_says_so(folder: Path) -> None:
    dataset = read(folder)
    account = row(dataset, "accounts", maven_crm.NO_ACCOUNT)
    engaging = row(dataset, "opportunities", "ENGAGING")
    assert engaging["account_id"] == account["id"]
    assert engaging["name"] == "GTX Pro"


def test_nothing_of_the_end_is_there_before_it_happened(folder: Path) -> None:
    before = read(folder, date(2017, 1, 31))
    assert set(before.opportunities["status"]) == {"open"}
    assert set(before.events["type"]) == {"account.created", "opportunity.created"}
    stages = before.opportunities["stage"].unique().to_list()
    assert stages == ["qualification"]


@pytest.mark.parametrize("day", [date(2017, 1, 11), date(2017, 2, 1), date(2017, 2, 28), date(2017, 3, 1)])
def test_a_set_that_ends_earlier_gives_the_beginning_of_the_same_events(folder: Path, day: date) -> None:
    whole, part = read(folder), read(folder, day)
    assert part.events.equals(whole.events.head(part.events.height))


def test_every_owner_is_a_user(folder: Path) -> None:
    dataset = read(folder)
    assert set(dataset.opportunities["owner_id"]) <= set(dataset.users["id"])
    assert sorted(dataset.users["email"]) == ["moses.frase@tiny.example", "zane.levy@tiny.example"]


def test_events_keep_the_contracts(folder: Path) -> None:
    dataset = read(folder)
    assert check_contracts(dataset) == dataset.events.height == 3 + 4 + 2
    assert everything(dataset) == everything(read(folder))
    assert dataset.opportunity_history.filter(pl.col("valid_to").is_null()).height == 2 * 4
