"""Failpoints do nothing unless the environment names them."""

import subprocess
import sys

import pytest

from bevyly.events.failpoints import VARIABLE

VISITS = (
    "from bevyly.events.failpoints import failpoint\nfor n in range(4):\n  failpoint('here')\n  print(n, flush=True)"
)


@pytest.mark.parametrize(
    ("chosen", "code", "printed"),
    [("", 0, "0123"), ("elsewhere:1", 0, "0123"), ("here", -9, ""), ("here:3", -9, "01")],
)
def test_a_process_dies_at_the_chosen_visit(chosen: str, code: int, printed: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", VISITS], env={VARIABLE: chosen}, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout.replace("\n", "")) == (code, printed)
