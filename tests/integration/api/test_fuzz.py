"""Generated requests from the API's own document, sent to a real server: every answer is a documented one.

Half a minute of it, without the phase that tries each rule of each schema; `make fuzz MINUTES=20` is the long run.
"""

from pathlib import Path

from tests.support.databases import Database
from tests.support.fuzzing import SEED, fuzz, served

SECONDS = 30


def test_every_generated_request_gets_a_documented_answer(database: Database, redis_url: str, tmp_path: Path) -> None:
    report, log = tmp_path / "report.json", tmp_path / "server.log"
    few = ["--max-examples", "2", "--phases", "examples,fuzzing,stateful", "--no-shrink", "--continue-on-failure"]
    with served(database, redis_url, log) as running:
        code, output = fuzz(running, seconds=SECONDS, options=few, report=report)
    assert code == 0, f"seed {SEED}\n{output[-8_000:]}\n{log.read_text()[-2_000:]}"
    assert report.exists()
