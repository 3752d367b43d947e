"""The report itself: every task of a data set evaluated on marts that the product's own dbt models made."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import polars as pl
from threadpoolctl import threadpool_limits

from bevyly.datasets import bpic2012, maven_crm, x_education
from bevyly.datasets.dataset import Dataset
from bevyly.datasets.source import find_folder
from bevyly.datasets.tenants import tenant_of
from bevyly.errors import NotFound
from models.evaluation import Judgement, evaluate_dataset
from models.forecast.evaluation import ForecastReport, evaluate
from models.schema import FORECAST, inputs
from pipelines.report.scratch import build_marts, fill, read_mart, scratch_database
from pipelines.report.strong import strong_models
from pipelines.report.tasks import FORECASTS, TASKS, Task

Say = Callable[[str], None]


def read_dataset(name: str, *, now: datetime) -> Dataset:
    """The whole data set, for a tenant that exists only in the report; raises `NotFound`, `MissingDependency`."""
    if name not in TASKS:
        raise NotFound(f"There is no data set {name!r} to report on: choose among {', '.join(TASKS)}.")
    folder, tenant = find_folder(), tenant_of(f"report {name}")
    if name == "x_education":
        return x_education.read(folder, tenant=tenant, now=now, with_doubtful=True)
    return {"bpic2012": bpic2012.read, "maven_crm": maven_crm.read}[name](folder, tenant=tenant, now=now)


def report(
    name: str, *, owner_url: str, target: Path, now: datetime, say: Say
) -> tuple[list[Judgement], ForecastReport | None]:
    """Judgements of `models.evaluation.evaluate_dataset` for all tasks of the data set `name`; the forecast's, too."""
    dataset = read_dataset(name, now=now)
    with scratch_database(owner_url) as url:
        say("loading the events")
        fill(url, dataset)
        say("building features as of past instants")
        build_marts(url, now=now, target=target)
        found: list[Judgement] = []
        for task in TASKS[name]:
            say(f"judging the {task.score_type} score")
            found += _judge(task, url, now)
        if name not in FORECASTS:
            return found, None
        say("judging the forecast")
        return found, _forecast(url)


def _forecast(url: str) -> ForecastReport:
    """As of the last decision in the data: nothing happens after it."""
    snapshots, _, outcomes = inputs(FORECAST)
    known, ended = read_mart(url, snapshots), read_mart(url, outcomes)
    last = ended["decided_at"].max()
    assert isinstance(last, datetime)
    with threadpool_limits(limits=1):
        return evaluate(known, ended, as_of=last)


def _judge(task: Task, url: str, now: datetime) -> list[Judgement]:
    snapshots, _, outcomes = inputs(task.score_type)
    known, ended = read_mart(url, snapshots), read_mart(url, outcomes)
    if task.title:
        known = known.filter(pl.col("moment").is_in(task.moments))
    # many small fits: threads of one fit wait for each other longer than they work
    with threadpool_limits(limits=1):
        found = evaluate_dataset(
            task.score_type,
            known,
            ended,
            as_of=now,
            moments=task.moments,
            rule=task.rule,
            doubtful=task.doubtful,
            others=strong_models(),
        )
    return [_titled(one, task.title) if task.title else one for one in found]


def _titled(judgement: Judgement, title: str) -> Judgement:
    return replace(judgement, moment=title, rows=[row | {"moment": title} for row in judgement.rows])
