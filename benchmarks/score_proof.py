"""`python -m benchmarks.score_proof`: a thousand scores of a running system, made again and traced to Kafka.

Expects `bevyly up` or a kept runtime under BEVYLY_HOME, with scores (`bevyly demo`). Scores are made again in a process
of their own; score fields of API answers are traced by the API, and each event is read back from the broker. Prints one
JSON line; everything but `identical` and `found` is cost.
"""

import argparse
import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Iterable
from typing import Any

import httpx
import orjson
import psycopg

from bevyly.db.engine import make_engine
from bevyly.events.bus import make_consumer, partitions_of, watermarks
from bevyly.identity.keys import create_api_key
from bevyly.runtime.session import runtime_session
from bevyly.settings import Settings, get_settings

SERVICES = ("postgres", "valkey", "kafka", "api")
Place = tuple[str, int, int]
_BYTES = """
select count(*), avg(octet_length(document)), pg_total_relation_size('score_inputs'),
  pg_total_relation_size('scores'), (select count(*) from scores)
from score_inputs
"""
_SHOWN = """
select s.id from scores s where s.is_current and s.customer_id = %s order by random() limit %s
"""


def made_again(size: int) -> dict[str, Any]:
    """Scores made again by the command, in a fresh process."""
    started = time.perf_counter()
    command = [sys.executable, "-m", "bevyly.cli", "reproduce", "--sample", str(size)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=1_800)
    made = [json.loads(line) for line in done.stdout.splitlines()]
    return {
        "scores": len(made),
        "identical": sum(one["identical"] for one in made),
        "seconds": round(time.perf_counter() - started, 1),
        "error": done.stderr[-300:] or None,
    }


async def traced(client: httpx.AsyncClient, score_ids: Iterable[str]) -> tuple[dict[Place, str], int, list[float]]:
    """Places on Kafka with the event that the API says is there, how many times one was named, seconds of each call."""
    places: dict[Place, str] = {}
    named, seconds = 0, []
    for score_id in score_ids:
        cursor = None
        while True:
            started = time.perf_counter()
            query = {"limit": 200} | ({"cursor": cursor} if cursor else {})
            answer = await client.get(f"/api/v1/intent/scores/{score_id}/lineage", params=query)
            if answer.status_code == httpx.codes.TOO_MANY_REQUESTS:
                await asyncio.sleep(int(answer.headers["retry-after"]))
                continue
            seconds.append(time.perf_counter() - started)
            events = answer.raise_for_status().json()["events"]
            for event in events["data"]:
                places[event["topic"], event["partition"], event["offset"]] = event["event_id"]
            named += len(events["data"])
            cursor = events["page"]["next_cursor"]
            if cursor is None:
                break
    return places, named, seconds


def on_kafka(settings: Settings, places: dict[Place, str]) -> int:
    """How many of `places` hold the event that they are said to hold."""
    consumer = make_consumer(settings, group="score-proof")
    partitions = partitions_of(consumer, {topic for topic, _, _ in places})
    waiting = 0
    for partition in partitions:
        partition.offset, high = watermarks(consumer, partition)
        waiting += high - partition.offset
    consumer.assign(partitions)
    found = 0
    while waiting > 0:
        for message in consumer.consume(5_000, 1.0):
            if message.error() is not None:
                continue
            waiting -= 1
            event = places.get((message.topic(), message.partition(), message.offset()))
            found += event is not None and orjson.loads(message.value())["id"] == event
    consumer.close()
    return found


async def measure(settings: Settings, size: int) -> dict[str, Any]:
    """Everything, of the tenant with most scores."""
    with psycopg.connect(settings.require_pipeline_database()) as connection:
        tenant, user = connection.execute(
            "select s.customer_id, min(u.id) from scores s join users u on u.customer_id = s.customer_id "
            "and u.role = 'owner' where s.is_current group by 1 order by count(*) desc limit 1"
        ).fetchone() or ("", "")
        ids = [row[0] for row in connection.execute(_SHOWN, (tenant, size)).fetchall()]
        kept, document, inputs, scores, rows = connection.execute(_BYTES).fetchone() or (1, 0, 0, 0, 1)
    engine = make_engine(settings.require_app_database())
    key = create_api_key(engine, tenant, user, "score proof", ["intent:read"])
    engine.dispose()
    url = settings.api_url or f"http://127.0.0.1:{settings.api_port}"
    headers = {"authorization": f"Bearer {key}"}
    async with httpx.AsyncClient(base_url=url, headers=headers, timeout=60, trust_env=False) as client:
        places, named, seconds = await traced(client, ids)
    return {
        "reproduced": made_again(size),
        "traced": {
            "scores": len(ids),
            "events": named,
            "places": len(places),
            "found": on_kafka(settings, places),
            "median_ms": round(1000 * sorted(seconds)[len(seconds) // 2], 1),
        },
        "storage": {
            "scores": rows,
            "inputs": kept,
            "document_bytes": round(float(document)),
            "input_bytes_each": round(inputs / max(kept, 1)),
            "input_bytes_a_score": round(inputs / max(rows, 1)),
            "score_bytes_each": round(scores / max(rows, 1)),
        },
    }


def main() -> None:
    """Measure, print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=1_000)
    size = parser.parse_args().size
    with runtime_session(SERVICES):
        get_settings.cache_clear()
        figures = asyncio.run(measure(get_settings(), size))
    sys.stdout.write(json.dumps({"name": "score_proof", **figures}) + "\n")


if __name__ == "__main__":
    main()
