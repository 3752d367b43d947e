"""The public files themselves, where their folder is there (see the fixture `datasets`)."""

from datetime import date
from pathlib import Path

import polars as pl
import pytest

from bevyly.datasets import bpic2012, maven_crm, x_education
from bevyly.datasets.dataset import Dataset
from tests.unit.datasets.tiny import NOW, TENANT, check_contracts


@pytest.fixture(scope="module")
def funnel(datasets: Path) -> Dataset:
    return bpic2012.read(datasets, tenant=TENANT, now=NOW)


def test_bpic2012_has_the_known_counts(funnel: Dataset) -> None:
    assert funnel.leads.height == 8_889
    assert funnel.leads.filter(pl.col("status") == "converted").height == funnel.opportunities.height == 3_319
    assert dict(funnel.opportunities["status"].value_counts().iter_rows()) == {"won": 1_293, "lost": 1_385, "open": 641}
    counts = dict(funnel.events["type"].value_counts().iter_rows())
    assert (counts["proposal.sent"], counts["proposal.replied"]) == (4_493, 2_018)
    assert counts["call.completed"] == 13_685 + 6_223 + 15_017


def test_bpic2012_outcomes_are_those_of_the_label(funnel: Dataset, datasets: Path) -> None:
    label = pl.read_csv(datasets / "bpic2012_cases.csv", columns=["case", "outcome"]).cast({"case": pl.String})
    deals = funnel.opportunities.select("external_id", deal="status")
    told = (
        funnel.leads.select("external_id", "status")
        .join(deals, on="external_id", how="left")
        .select("external_id", told=pl.coalesce("deal", "status"))
        .join(label, left_on="external_id", right_on="case")
    )
    pairs = set(told.select("outcome", "told").unique().iter_rows())
    assert pairs == {
        ("approved", "won"),
        ("declined", "lost"),
        ("cancelled", "lost"),
        ("declined", "disqualified"),
        ("cancelled", "disqualified"),
        ("open", "open"),
        ("open", "new"),
        ("open", "working"),
        ("open", "qualified"),
    }


@pytest.mark.parametrize("day", [date(2011, 10, 5), date(2011, 12, 31)])
def test_bpic2012_up_to_a_day_is_the_beginning_of_the_whole(funnel: Dataset, datasets: Path, day: date) -> None:
    part = bpic2012.read(datasets, tenant=TENANT, now=NOW, until=day)
    assert 0 < part.events.height < funnel.events.height
    assert part.events.equals(funnel.events.head(part.events.height))


def test_bpic2012_history_has_one_open_interval_for_each_field(funnel: Dataset) -> None:
    history = funnel.opportunity_history
    assert history.filter(pl.col("valid_to") < pl.col("valid_from")).is_empty()
    assert history.filter(pl.col("valid_to").is_null()).height == 2 * funnel.opportunities.height


def test_maven_crm_has_the_known_counts(datasets: Path) -> None:
    dataset = maven_crm.read(datasets, tenant=TENANT, now=NOW)
    assert dict(dataset.opportunities["status"].value_counts().iter_rows()) == {
        "won": 4_238,
        "lost": 2_473,
        "open": 2_089,
    }
    assert (dataset.users.height, dataset.accounts.height) == (35, 86)
    assert dataset.opportunities["value"].null_count() == 0
    assert check_contracts(dataset) == dataset.events.height


def test_x_education_has_the_known_counts(datasets: Path) -> None:
    dataset = x_education.read(datasets, tenant=TENANT, now=NOW, with_doubtful=True)
    assert dataset.leads.height == 6_468
    assert dataset.leads["status"].value_counts(sort=True).rows() == [("disqualified", 4_014), ("converted", 2_454)]
    for word in ("Ringing", "Will revert after reading", "Might be", "01.High", "Potential Lead"):
        assert not dataset.leads["custom"].str.contains(word, literal=True).any()
    assert check_contracts(dataset) == dataset.events.height
