"""Data sets of a few rows, made by hand, in the files that the loaders read."""

import gzip
import json
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl

from bevyly.datasets.dataset import Dataset, Tenant
from bevyly.datasets.envelopes import outbox_frame
from bevyly.events.contracts import validate
from bevyly.events.envelope import Event
from bevyly.ids import derived_id

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
TENANT = Tenant(derived_id("tenant", "tiny"), "tiny")
OTHER_TENANT = Tenant(derived_id("tenant", "other"), "other")

# case 1 is won after a reply and a second offer by somebody else; 2 is declined without offer; 3 is cancelled after
# an offer; 4 is still open.
_CASES = """case,reg_date,amount_req,outcome,offer_sent
1,2012-01-02 09:00:00.000+00:00,20000.0,approved,True
2,2012-01-02 10:00:00.000+00:00,5000.0,declined,False
3,2012-01-03 09:00:00.000+00:00,7000.0,cancelled,True
4,2012-01-11 09:00:00.000+00:00,0.0,open,False
"""
_EVENTS = """1,A_SUBMITTED,COMPLETE,2012-01-02 09:00:00.000,112
1,A_PREACCEPTED,COMPLETE,2012-01-02 09:00:30.000,112
1,W_Completeren aanvraag,SCHEDULE,2012-01-02 09:00:31.000,112
1,W_Completeren aanvraag,START,2012-01-02 11:00:00.000,501
1,A_ACCEPTED,COMPLETE,2012-01-02 11:05:00.000,502
1,O_SENT,COMPLETE,2012-01-02 11:06:00.000,502
1,W_Completeren aanvraag,COMPLETE,2012-01-02 11:07:00.000,501
1,W_Nabellen offertes,START,2012-01-05 10:00:00.000,
1,W_Nabellen offertes,COMPLETE,2012-01-05 10:01:30.000,
1,W_Nabellen offertes,COMPLETE,2012-01-05 10:02:00.000,503
1,O_SENT,COMPLETE,2012-01-05 10:03:00.000,503
1,O_SENT_BACK,COMPLETE,2012-01-06 10:00:00.000,504
1,W_Valideren aanvraag,START,2012-01-09 08:00:00.000,504
1,A_REGISTERED,COMPLETE,2012-01-09 08:30:00.000,504
1,A_APPROVED,COMPLETE,2012-01-09 08:30:00.000,504
1,A_ACTIVATED,COMPLETE,2012-01-09 08:30:00.000,504
1,W_Valideren aanvraag,COMPLETE,2012-01-09 08:31:00.000,504
2,A_SUBMITTED,COMPLETE,2012-01-02 10:00:00.000,112
2,A_DECLINED,COMPLETE,2012-01-02 10:00:40.000,112
3,A_SUBMITTED,COMPLETE,2012-01-03 09:00:00.000,112
3,A_PREACCEPTED,COMPLETE,2012-01-03 09:10:00.000,501
3,A_ACCEPTED,COMPLETE,2012-01-03 09:20:00.000,501
3,O_SENT,COMPLETE,2012-01-03 09:30:00.000,501
3,A_CANCELLED,COMPLETE,2012-01-10 16:00:00.000,112
4,A_SUBMITTED,COMPLETE,2012-01-11 09:00:00.000,112
4,W_Afhandelen leads,START,2012-01-12 09:00:00.000,505
4,W_Afhandelen leads,COMPLETE,2012-01-12 09:02:00.000,505
"""


def write_bpic2012(folder: Path) -> Path:
    """The two files of BPI 2012 with four cases."""
    (folder / "bpic2012_cases.csv").write_text(_CASES)
    lines, seen = ["case,idx,activity,lifecycle,ts,resource"], dict[str, int]()
    for line in _EVENTS.splitlines():
        case, activity, lifecycle, at, resource = line.split(",")
        lines.append(f"{case},{seen.get(case, 0)},{activity},{lifecycle},{at}+00:00,{resource and resource + '.0'}")
        seen[case] = seen.get(case, 0) + 1
    with gzip.open(folder / "bpic2012_events.csv.gz", "wt") as file:
        file.write("\n".join(lines) + "\n")
    return folder


def write_x_education(folder: Path, rows: Iterable[dict[str, Any]]) -> Path:
    """`x_education.csv` with `rows`; columns that a row leaves out are as in most rows of the real file."""
    usual = {
        **dict.fromkeys(_X_FLAGS, "No"),
        **dict.fromkeys(_X_LEAKS, "LEAK"),
        **dict.fromkeys(_X_DOUBTFUL, "DOUBTFUL"),
        "Lead Origin": "API",
        "Lead Source": "google",
        "TotalVisits": 3.0,
        "Total Time Spent on Website": 28,
        "Page Views Per Visit": 1.5,
        "Country": "India",
        "Specialization": "Select",
        "How did you hear about X Education": "Select",
        "City": "Mumbai",
    }
    pl.DataFrame([usual | row for row in rows]).write_csv(folder / "x_education.csv")
    return folder


_X_FLAGS = [
    *("Do Not Email", "Do Not Call", "Search", "Magazine", "Newspaper Article", "X Education Forums", "Newspaper"),
    *("Digital Advertisement", "Through Recommendations", "Receive More Updates About Our Courses"),
    *("Update me on Supply Chain Content", "Get updates on DM Content", "I agree to pay the amount through cheque"),
    "A free copy of Mastering The Interview",
]
_X_LEAKS = [
    *("Tags", "Lead Quality", "Lead Profile", "Asymmetrique Activity Index", "Asymmetrique Profile Index"),
    *("Asymmetrique Activity Score", "Asymmetrique Profile Score"),
]
_X_DOUBTFUL = [
    *("Last Activity", "Last Notable Activity", "What is your current occupation"),
    "What matters most to you in choosing a course",
]


def write_maven_crm(folder: Path) -> Path:
    """The four files of Maven CRM with a won, a lost, an engaging and a prospecting deal."""
    inside = folder / "maven_crm"
    inside.mkdir()
    (inside / "accounts.csv").write_text(
        "account,sector,year_established,revenue,employees,office_location,subsidiary_of\n"
        "Acme,technolgy,1996,1100.04,2822,Philipines,\nBetasoloin,medical,1999,251.41,495,Kenya,Acme\n"
    )
    (inside / "products.csv").write_text("product,series,sales_price\nGTX Pro,GTX,4821\nMG Special,MG,55\n")
    (inside / "sales_teams.csv").write_text(
        "sales_agent,manager,regional_office\nMoses Frase,Dustin Brinkmann,Central\nZane Levy,Summer Sewald,West\n"
    )
    (inside / "sales_pipeline.csv").write_text(
        "opportunity_id,sales_agent,product,account,deal_stage,engage_date,close_date,close_value\n"
        "WON00001,Moses Frase,GTXPro,Acme,Won,2017-01-10,2017-03-01,91919\n"
        "LOST0001,Zane Levy,MG Special,Betasoloin,Lost,2017-01-12,2017-02-01,0\n"
        "ENGAGING,Zane Levy,GTXPro,,Engaging,2017-02-20,,\n"
        "PROSPECT,Moses Frase,MG Special,Acme,Prospecting,,,\n"
    )
    return folder


def events_of(dataset: Dataset, type_: str | None = None) -> list[dict[str, Any]]:
    """Events in order, with `data` read."""
    events = dataset.events if type_ is None else dataset.events.filter(pl.col("type") == type_)
    return [{**event, "data": json.loads(event["data"])} for event in events.iter_rows(named=True)]


def timeline(dataset: Dataset, *ids: str) -> list[str]:
    """Types of the events about any of `ids`, or which name one of them, in order."""
    named = pl.any_horizontal(pl.col("data").str.contains(id_, literal=True) for id_ in ids)
    return dataset.events.filter(named)["type"].to_list()


def row(dataset: Dataset, table: str, external_id: str) -> dict[str, Any]:
    """The one row of `table` with that id at the source."""
    return dataset.tables[table].row(by_predicate=pl.col("external_id") == external_id, named=True)


def check_contracts(dataset: Dataset) -> int:
    """Read every envelope back and hold it against the schema of its type; how many there were."""
    envelopes = outbox_frame(dataset)["envelope"]
    for envelope in envelopes:
        validate(Event.from_json(envelope))
    return len(envelopes)


def everything(dataset: Dataset) -> str:
    """Everything in a data set as one text, to search for what must not be there."""
    return "\n".join([*(frame.write_csv() for frame in dataset.tables.values()), dataset.events.write_csv()])
