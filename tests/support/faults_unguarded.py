"""`python -m tests.support.faults_unguarded`: the ingest without its guard, for positive controls.

Offsets move in a transaction of their own before that of the rows commits, as a consumer does that commits to Kafka;
and the process dies once in between.
"""

import os
import signal
from collections.abc import Mapping
from typing import Any
from unittest import mock

import psycopg
import typer

from bevyly.settings import get_settings
from pipelines.intake import __main__ as intake
from pipelines.intake import offsets, writing
from pipelines.intake.offsets import Partition

DIES_AT = 2
_moves: list[bool] = []


def move(_connection: Any, group: str, moves: Mapping[Partition, tuple[int, int]]) -> None:
    """What `offsets.move` does, too early."""
    with psycopg.connect(get_settings().require_pipeline_database(), autocommit=True) as other:
        offsets.move(other, group, moves)
    _moves.append(True)
    if len(_moves) == DIES_AT:
        os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    mock.patch.object(writing, "move", move).start()
    typer.run(intake.main)
