"""`python -m tests.support.faults_skewed MINUTES MODULE [ARGUMENT …]`: run a module of ours under a wrong clock.

For consumers: the Kafka client's consumer stands still under libfaketime, so what is shifted here is what our own code
is told of the time.
"""

import runpy
import sys
import time
from datetime import UTC, datetime, timedelta
from unittest import mock

from bevyly.clock import SystemClock


def main() -> None:
    """Shift the clock, then be the module."""
    minutes, module, *arguments = sys.argv[1:]
    shift, real = timedelta(minutes=float(minutes)), time.time
    mock.patch.object(SystemClock, "now", lambda _self: datetime.now(UTC) + shift).start()
    time.time = lambda: real() + shift.total_seconds()
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
