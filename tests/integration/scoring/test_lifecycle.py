"""A score's life on real PostgreSQL: trained, watched, lowered when the base rate falls, trained anew, restored."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import polars as pl
import psycopg
import pytest

from bevyly.db.rls import TENANT_SETTING
from bevyly.objects import FolderStore, ObjectDamaged
from pipelines.repositories.monitors import unanswered
from pipelines.resources import Warehouse
from pipelines.scoring.due import reason_to_train
from pipelines.scoring.judging import judge_challengers
from pipelines.scoring.monitoring import watch_versions
from pipelines.scoring.readiness import tell_readiness
from pipelines.scoring.shelf import Shelf
from pipelines.scoring.training import train_score
from tests.support.databases import Database
from tests.support.marts import START, make_marts

FIRST = START + timedelta(days=130)
SHIFT = START + timedelta(days=125)
SEEN, JUDGED = START + timedelta(days=200), START + timedelta(days=285)


@dataclass(frozen=True)
class World:
    """Two tenants whose leads are won alike until the base rate of one falls."""

    database: Database
    warehouse: Warehouse
    store: FolderStore
    falls: str
    stays: str

    def shelf(self) -> Shelf:
        """What a run has: nothing read yet."""
        return Shelf(self.store)

    def marts_at(self, instant: datetime) -> None:
        """The marts as they were built at `instant`."""
        parts = [
            _part(self.falls, seed=1, n=600, rate=0.4, start=START),
            _part(self.falls, seed=2, n=700, rate=0.08, start=SHIFT),
            _part(self.stays, seed=3, n=1300, rate=0.4, start=START),
        ]
        snapshots = pl.concat(part[0] for part in parts).filter(pl.col("as_of") <= instant)
        over = pl.col("decided_at") <= instant
        outcomes = pl.concat(part[1] for part in parts).filter(pl.col("created_at") <= instant).with_columns(
            outcome=pl.when(over).then("outcome").otherwise(pl.lit("open")), decided_at=pl.when(over).then("decided_at")
        )  # fmt: skip
        with psycopg.connect(self.database.pipeline_url) as connection:
            connection.execute("create schema if not exists marts")
        for name, frame in (("lead_snapshots", snapshots), ("lead_outcomes", outcomes)):
            frame.write_database(f"marts.{name}", self.database.pipeline_url, engine="adbc", if_table_exists="replace")

    def as_tenant(self, customer_id: str, statement: str) -> Any:
        """The one value of `statement`, asked as the API asks."""
        with psycopg.connect(self.database.app_url) as connection:
            connection.execute("select set_config(%s, %s, true)", (TENANT_SETTING, customer_id))
            row = connection.execute(statement.encode(), {"tenant": customer_id}).fetchone()
        assert row is not None
        return orjson.loads(row[0]) if row[0] else row[0]

    def rows(self, statement: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """Rows as the owner sees them."""
        with psycopg.connect(self.database.owner_url) as connection:
            return connection.execute(statement.encode(), parameters).fetchall()

    def in_use(self, customer_id: str) -> dict[str, Any]:
        """What the API says is in use of the score, and what watches it."""
        (one,) = self.as_tenant(customer_id, "select api_get_monitoring(%(tenant)s)")
        return dict(one)


def _part(tenant: str, *, seed: int, n: int, rate: float, start: datetime) -> tuple[pl.DataFrame, pl.DataFrame]:
    later = start - START
    snapshots, outcomes = make_marts("lead", tenant=tenant, n=n, seed=seed, effect=1.2, rate=rate, moments=(0,))
    moved = pl.col("lead_id") + f"-{seed}"
    return (
        snapshots.with_columns(moved, pl.col("created_at", "as_of") + later),
        outcomes.with_columns(moved, pl.col("created_at", "decided_at") + later),
    )


@pytest.fixture
def world(database: Database, tmp_path: Path) -> Iterator[World]:
    yield World(
        database=database,
        warehouse=Warehouse(url=database.pipeline_url),
        store=FolderStore(tmp_path),
        falls=database.add_tenant("falls"),
        stays=database.add_tenant("stays"),
    )


def test_from_the_first_version_through_a_fallen_base_rate_and_back(world: World) -> None:
    warehouse, conversion = world.warehouse, "conversion"
    world.marts_at(FIRST)
    assert reason_to_train(warehouse, world.shelf(), conversion, FIRST) == "first model"
    trained = train_score(warehouse, world.shelf(), conversion, instant=FIRST, reason="first model")
    assert (trained["in_use"], trained["challengers"]) == (3, 0)
    first = world.in_use(world.falls)
    assert (first["display"], first["pooled"]) == ("probability", False)
    assert reason_to_train(warehouse, world.shelf(), conversion, FIRST + timedelta(days=1)) is None

    # quiet: nothing is known after the training
    counts = watch_versions(warehouse, world.shelf(), conversion, FIRST + timedelta(hours=1))
    assert counts == {"looked_at": 2, "alarms": 0, "shown_otherwise": 0}
    assert watch_versions(warehouse, world.shelf(), conversion, FIRST + timedelta(hours=2))["looked_at"] == 0

    # the base rate of one tenant has fallen
    world.marts_at(SEEN)
    counts = watch_versions(warehouse, world.shelf(), conversion, SEEN)
    assert counts["looked_at"] == 2
    lowered = world.in_use(world.falls)
    alarms = {one["monitor"]: one["alarm"] for one in lowered["monitors"]}
    assert alarms["base_rate"] is True
    assert lowered["display"] != "probability"
    assert lowered["trained_display"] == "probability"
    assert "fallen" in next(one["reason"] for one in lowered["monitors"] if one["monitor"] == "base_rate")
    other = world.in_use(world.stays)
    assert (other["display"], [one["alarm"] for one in other["monitors"]]) == ("probability", [False] * 3)
    changes = (
        "select from_display, to_display, cause, actor_type, reason from display_changes where customer_id = %s "
        "order by changed_at"
    )
    begun, (before, after, cause, actor, reason) = world.rows(changes, world.falls)
    assert begun[:3] == (None, "probability", "training")
    assert (before, after, cause, actor) == ("probability", lowered["display"], "monitoring", "pipeline")
    assert "base rate has fallen" in reason
    assert [row[:3] for row in world.rows(changes, world.stays)] == [(None, "probability", "training")]

    # an alarm asks for a training; what it gives waits for proof
    assert reason_to_train(warehouse, world.shelf(), conversion, SEEN) == "a monitor says that scores are off"
    with psycopg.connect(world.database.pipeline_url) as connection:
        assert [score_type for score_type, _ in unanswered(connection)] == [conversion]
    trained = train_score(warehouse, world.shelf(), conversion, instant=SEEN + timedelta(minutes=1), reason="drift")
    assert trained["in_use"] == 0
    assert trained["challengers"] == 3
    with psycopg.connect(world.database.pipeline_url) as connection:
        assert unanswered(connection) == []
    assert judge_challengers(warehouse, world.shelf(), conversion, SEEN + timedelta(hours=1))["promoted"] == 0
    assert world.in_use(world.falls)["model_version_id"] == first["model_version_id"]

    # outcomes that neither learned from decide
    world.marts_at(JUDGED)
    assert judge_challengers(warehouse, world.shelf(), conversion, JUDGED)["promoted"] >= 1
    restored = world.in_use(world.falls)
    assert restored["model_version_id"] != first["model_version_id"]
    watch_versions(warehouse, world.shelf(), conversion, JUDGED)
    assert world.in_use(world.falls)["display"] == restored["trained_display"] == "probability"
    story = world.rows(changes, world.falls)
    assert [row[2] for row in story] == ["training", "monitoring", "training"]
    assert "not worse" in story[2][4]
    (judgement,) = world.rows("select judgement from model_versions where id = %s", restored["model_version_id"])[0]
    assert judgement["outcome"] == "promoted"
    assert judgement["figures"]["brier_difference"]["value"] < 0
    assert judgement["beside"] == first["model_version_id"]


def test_a_tenant_reads_of_itself_and_of_nobody_else(world: World) -> None:
    world.marts_at(FIRST)
    train_score(world.warehouse, world.shelf(), "conversion", instant=FIRST, reason="first model")
    tell_readiness(world.warehouse, "conversion", FIRST)
    for one, other in ((world.falls, world.stays), (world.stays, world.falls)):
        ids = [row[0] for row in world.rows("select id from model_versions where customer_id = %s", other)]
        text = ""
        for function in ("api_get_monitoring(%(tenant)s)", "api_get_readiness(%(tenant)s)"):
            text += orjson.dumps(world.as_tenant(one, f"select {function}")).decode()
        readable = "select id from model_versions where customer_id is null or customer_id = %s"
        for (version,) in world.rows(readable, one):
            got = world.as_tenant(one, f"select body from api_get_model(%(tenant)s, '{version}')")
            text += orjson.dumps(got).decode()
            if got["pooled"]:
                assert got["metrics"] is got["n_rows"] is got["trained_from"] is None
                assert "entities (" not in got["card"]
            else:
                assert one in got["card"]
                assert got["n_outcomes"] > 400
        assert not [word for word in (other, *ids) if word in text]
        assert world.as_tenant(one, f"select body from api_get_model(%(tenant)s, '{ids[0]}')") is None
    # both together have 1,130 leads: no figure of one tells of the other
    (readiness,) = world.as_tenant(world.falls, "select api_get_readiness(%(tenant)s)")
    assert readiness["stage"] == "ready"
    assert readiness["have"]["leads"] < 700


def test_what_cannot_be_read_or_was_changed_is_not_scored_with(world: World) -> None:
    world.marts_at(FIRST)
    train_score(world.warehouse, world.shelf(), "conversion", instant=FIRST, reason="first model")
    (path,) = world.store.root.rglob("*.skops")
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])
    (version,) = world.rows("select artefact, artefact_sha256 from model_versions where customer_id is null")
    row = dict(zip(("artefact", "artefact_sha256"), version, strict=True))
    with pytest.raises(ObjectDamaged):
        world.shelf().load(row)
    path.unlink()
    assert not world.shelf().readable(row)
    assert reason_to_train(world.warehouse, world.shelf(), "conversion", FIRST + timedelta(days=1)) == (
        "the one in use cannot be read"
    )
    again = train_score(
        world.warehouse, world.shelf(), "conversion", instant=FIRST + timedelta(days=1), reason="cannot be read"
    )
    assert again["in_use"] == 3
