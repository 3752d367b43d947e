"""`python -m benchmarks.scale [LEADS …]`: features, training and scoring at sizes that a large tenant base has.

Each size is made inside PostgreSQL (ten events a lead, over a year, in order of recording) on a server of its own, then built,
trained and scored in full, then refreshed after 10,000 new events. Prints a line of JSON a size: seconds and peak
memory of each step, and of a refresh its slowest models. Takes minutes a hundred thousand leads: start it when it may.
"""

import json
import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psutil
import psycopg

from bevyly.db.migrate import upgrade
from bevyly.runtime.postgres import throwaway_postgres
from bevyly.settings import as_role
from models.schema import SCORE_TYPES
from pipelines.dbt import run_dbt
from pipelines.resources import Warehouse
from pipelines.scoring.score import score_all
from pipelines.scoring.training import train_score

TENANTS = 20
NEW_EVENTS = 10_000
ROUNDS = 2
NOW = datetime(2026, 9, 15, 8, tzinfo=UTC)
BETWEEN = timedelta(minutes=10)
# a server of this size would be given as much
SERVER = {"shared_buffers": "2GB", "maintenance_work_mem": "512MB", "max_wal_size": "16GB", "effective_cache_size": "8GB"}
SLOWEST = 6

_CUSTOMERS = "insert into customers (id, name) select 'tenant-' || t, 'Tenant ' || t from generate_series(0, {tenants} - 1) t"
# r: five random numbers of the lead; a fifth of the leads is of an account and becomes a deal
_LEADS = """
create unlogged table seeds as
select i, 'tenant-' || i % {tenants} as tenant, i / {tenants} % 5 = 0 as converts,
       {now}::timestamptz - interval '365 days' * (1 - i / {leads}::float8) as at,
       array[random(), random(), random(), random(), random()] as r
from generate_series(0, {leads} - 1) i
"""
_EVENTS = """
create unlogged table made as
select tenant, type, kind, subject, version, told.at, data from seeds s, lateral (select case when r[2] + r[3] > 1.1 then 'won' else 'lost' end w) o,
lateral (values
  ('lead.created', 'lead', 'l' || i, 1, s.at, jsonb_build_object('lead_id', 'l' || i, 'status', 'new',
     'owner_id', 'o' || (r[1] * 10)::int, 'value_minor', (r[2] * 1e6)::bigint,
     'source', (array['web', 'fair', 'referral'])[1 + (r[3] * 2.99)::int], 'company_name', 'Company ' || i,
     'account_id', case when converts then 'a' || i end)),
  ('lead.updated', 'lead', 'l' || i, 2, s.at + r[3] * interval '2 days', jsonb_build_object('lead_id', 'l' || i,
     'before', '{{"status": "new"}}'::jsonb, 'after', '{{"status": "working"}}'::jsonb)),
  ('account.created', 'account', 'a' || i, 1, s.at, case when converts then jsonb_build_object('account_id', 'a' || i,
     'name', 'Company ' || i, 'industry', (array['tools', 'food', 'law', 'media'])[1 + (r[4] * 3.99)::int],
     'employee_count', (exp(r[5] * 8))::int, 'country', (array['DE', 'FR', 'IT'])[1 + (r[2] * 2.99)::int]) end),
  ('contact.created', 'contact', 'c' || i, 1, s.at, case when converts then
     jsonb_build_object('contact_id', 'c' || i, 'account_id', 'a' || i) end),
  ('lead.converted', 'lead', 'l' || i, 3, s.at + interval '5 days', case when converts then
     jsonb_build_object('lead_id', 'l' || i, 'account_id', 'a' || i, 'contact_id', 'c' || i, 'opportunity_id', 'd' || i) end),
  ('opportunity.created', 'opportunity', 'd' || i, 1, s.at + interval '5 days', case when converts then
     jsonb_build_object('opportunity_id', 'd' || i, 'lead_id', 'l' || i, 'account_id', 'a' || i, 'name', 'Deal ' || i,
       'stage', 'prospecting', 'value_minor', (r[2] * 1e7)::bigint, 'currency', 'EUR', 'owner_id', 'o' || (r[1] * 10)::int,
       'expected_close_date', (s.at + interval '60 days')::date) end),
  ('opportunity.stage_changed', 'opportunity', 'd' || i, 2, s.at + interval '5 days' + r[4] * interval '20 days',
     case when converts then jsonb_build_object('opportunity_id', 'd' || i, 'from_stage', 'prospecting',
       'to_stage', 'proposal', 'status', 'open') end),
  ('opportunity.stage_changed', 'opportunity', 'd' || i, 3, s.at + interval '25 days' + r[5] * interval '60 days',
     case when converts then jsonb_build_object('opportunity_id', 'd' || i, 'from_stage', 'proposal', 'to_stage', w, 'status', w)
       end),
  ('lead.updated', 'lead', 'l' || i, 3, s.at + interval '10 days' + r[5] * interval '50 days',
     case when not converts and r[4] < 0.7 then jsonb_build_object('lead_id', 'l' || i, 'before', '{{"status": "working"}}'::jsonb,
       'after', '{{"status": "disqualified"}}'::jsonb) end)
) as told (type, kind, subject, version, at, data)
where data is not null and told.at < {now}
union all
select tenant, type, 'activity', 'v' || i || '-' || n, 1, done_at, jsonb_build_object('activity_id', 'v' || i || '-' || n,
  'lead_id', 'l' || i, 'contact_id', case when converts then 'c' || i end, 'owner_id', 'o' || (r[1] * 10)::int,
  'duration_seconds', (x * 600)::int)
from (
  select s.*, n, x, (array['email.sent', 'email.sent', 'call.completed', 'email.received', 'page.viewed', 'note.created',
    'meeting.completed'])[1 + (x * (3.5 + r[2] + r[3]))::int] as type, s.at + power(n / 9.0, 2) * interval '40 days' * (0.5 + r[5]) as done_at
  from (select * from seeds) s cross join generate_series(1, 7) n cross join lateral (select random() * (n > 0)::int x) d
) a where done_at < {now}
"""
_RAW = """
insert into raw.events (customer_id, event_id, type, schema_version, subject_type, subject_id, sequence, occurred_at, recorded_at,
                        data, source, topic, partition, "offset")
select tenant, subject || '/' || version || '/' || type, type, 1, kind, subject, version, at, at, data, 'benchmark', 'bevyly.domain', 0, 0
from made order by at
"""
_NEW = """
insert into raw.events (customer_id, event_id, type, schema_version, subject_type, subject_id, sequence, occurred_at, recorded_at,
                        data, source, topic, partition, "offset")
select tenant, 'n' || {round} || '-' || i, 'email.received', 1, 'activity', 'n' || {round} || '-' || i, 1, at, at,
       jsonb_build_object('activity_id', 'n' || {round} || '-' || i, 'lead_id', 'l' || i), 'benchmark', 'bevyly.domain', 0, 0
from (select *, {now}::timestamptz - random() * interval '9 minutes' as at from (
        select i, tenant from seeds where at > {now}::timestamptz - interval '60 days' order by random() limit {new}) s) e
"""


def say(text: str) -> None:
    """Progress for a person."""
    sys.stderr.write(f"{datetime.now(UTC):%H:%M:%S} {text}\n")


def sql(url: str, *statements: str, **values: Any) -> None:
    """Run statements as the owner; values are our own constants."""
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.format(**values).encode())


@contextmanager
def peak_memory(server: int) -> Iterator[list[float]]:
    """Most GiB that this process, its children and the server's held at a time, shared pages of each counted once."""
    most, over = [0.0], threading.Event()

    def watch() -> None:
        while not over.wait(1.0):
            held = 0
            for root in (psutil.Process(), psutil.Process(server)):
                for process in (root, *root.children(recursive=True)):
                    try:
                        held += process.memory_full_info().pss
                    except psutil.Error:
                        continue
            most[0] = max(most[0], held / 2**30)

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield most
    finally:
        over.set()
        watcher.join()


def worked(server: int) -> float:
    """Seconds of a core that this process, its children and the server have used: what another load does not change."""
    return sum(os.times()[:4]) + sum(psutil.Process(server).cpu_times()[:4])


def measured(step: Callable[[], Any], server: int) -> tuple[dict[str, float], Any]:
    """Seconds, seconds of a core and peak memory of `step`, and what it gave."""
    with peak_memory(server) as most:
        started, before = time.perf_counter(), worked(server)
        given = step()
        seconds, core = time.perf_counter() - started, worked(server) - before
    return {"seconds": round(seconds, 1), "core_seconds": round(core, 1), "gib": round(most[0], 2)}, given


def build(url: str, target: Path, now: datetime, *arguments: str) -> dict[str, float]:
    """Build all models as of `now`; seconds of the slowest."""
    os.environ["BEVYLY_NOW"] = now.isoformat()
    run_dbt(["run", *arguments], target=target, url=url)
    results = json.loads((target / "run_results.json").read_text())["results"]
    seconds = {result["unique_id"].rpartition(".")[2]: round(result["execution_time"], 1) for result in results}
    return dict(sorted(seconds.items(), key=lambda pair: -pair[1])[:SLOWEST])


def train(warehouse: Warehouse, artefacts: Path, now: datetime) -> None:
    """All scores."""
    for score_type in SCORE_TYPES:
        train_score(warehouse, artefacts, score_type, instant=now, reason="benchmark")


def score(warehouse: Warehouse, artefacts: Path) -> dict[str, Any]:
    """All scores of all undecided entities."""
    return {score_type: score_all(warehouse, artefacts, score_type) for score_type in SCORE_TYPES}


def measure(leads: int) -> dict[str, Any]:
    """Every step at one size."""
    found: dict[str, Any] = {"leads": leads}
    with throwaway_postgres() as server, tempfile.TemporaryDirectory(prefix="bevyly-scale-") as folder:
        sql(server.url, *[f"alter system set {name} = '{value}'" for name, value in SERVER.items()])
        server.stop()
        server.start()
        pid = int((server.cluster / "postmaster.pid").read_text().split()[0])
        target, url = Path(folder), as_role(server.url, "bevyly_pipeline")
        upgrade(server.url)
        values = {"leads": leads, "tenants": TENANTS, "now": f"'{NOW.isoformat()}'"}
        found["made"], _ = measured(lambda: sql(server.url, _CUSTOMERS, _LEADS, _EVENTS, _RAW, "analyze raw.events", **values), pid)
        with psycopg.connect(server.url) as connection:
            found["events"] = connection.execute("select count(*) from raw.events").fetchone()[0]
        say(f"{found['events']:,} events: {found['made']}")
        warehouse = Warehouse(url=url)
        steps: list[tuple[str, Callable[[], Any]]] = [
            ("build", lambda: build(server.url, target, NOW, "--full-refresh")),
            ("train", lambda: train(warehouse, target, NOW)),
            ("score", lambda: score(warehouse, target)),
        ]
        for number in range(1, ROUNDS + 1):
            now = NOW + number * BETWEEN
            new = values | {"now": f"'{now.isoformat()}'", "round": number, "new": NEW_EVENTS}
            steps += [
                (f"new {number}", lambda new=new: sql(server.url, _NEW, **new)),
                (f"rebuild {number}", lambda now=now: build(server.url, target, now)),
                (f"rescore {number}", lambda: score(warehouse, target)),
            ]
        for name, step in steps:
            found[name], given = measured(step, pid)
            found[name] |= {"of": given} if given else {}
            say(f"{name}: {found[name]}")
    return found


def main() -> None:
    """Measure the sizes that were asked for."""
    for leads in [int(argument) for argument in sys.argv[1:]] or [100_000, 300_000, 1_000_000]:
        sys.stdout.write(json.dumps({"name": "scale"} | measure(leads)) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
