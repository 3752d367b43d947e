"""What a step of a benchmark costs: time, memory and disk, of this process, its children and a PostgreSQL server."""

import os
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil

GIB = 2**30
SAY_EVERY = 60.0


def say(text: str) -> None:
    """Progress for a person."""
    sys.stderr.write(f"{datetime.now(UTC):%H:%M:%S} {text}\n")
    sys.stderr.flush()


@dataclass(kw_only=True)
class Meter:
    """Measures steps that work on a PostgreSQL server whose files are in `cluster`."""

    cluster: Path
    _peaks: dict[str, float] = field(default_factory=dict)

    def measured(self, name: str, step: Callable[[], Any]) -> tuple[dict[str, float], Any]:
        """Seconds, seconds of a core (all, the server's), most GiB of memory and disk of `step`; and what it gave."""
        self._peaks = {"memory_gib": 0.0, "disk_gib": 0.0}
        over = threading.Event()
        watcher = threading.Thread(target=self._watch, args=(name, over), daemon=True)
        started, ours, servers = time.perf_counter(), sum(os.times()[:4]), self._served()
        watcher.start()
        try:
            given = step()
        finally:
            over.set()
            watcher.join()
        seconds, server = time.perf_counter() - started, self._served() - servers
        core = sum(os.times()[:4]) - ours + server
        spent = {"seconds": seconds, "core_seconds": core, "server_core_seconds": server}
        return {key: round(value, 2) for key, value in (spent | self._peaks).items()}, given

    def _watch(self, name: str, over: threading.Event) -> None:
        started = said = time.perf_counter()
        while True:
            for key, value in {"memory_gib": self._memory(), "disk_gib": self._disk()}.items():
                self._peaks[key] = max(self._peaks[key], value)
            if over.wait(1.0):
                return
            if time.perf_counter() - said > SAY_EVERY:
                said = time.perf_counter()
                say(f"{name}: {said - started:.0f} s so far, at most {self._peaks}")

    def _server(self) -> psutil.Process:
        return psutil.Process(int((self.cluster / "postmaster.pid").read_text().split()[0]))

    def _served(self) -> float:
        """Seconds of a core of all that ever served."""
        return sum(self._server().cpu_times()[:4])

    def _memory(self) -> float:
        """Pages that several share are counted once."""
        held = 0
        for root in (psutil.Process(), self._server()):
            for process in (root, *root.children(recursive=True)):
                try:
                    held += process.memory_full_info().pss
                except psutil.Error:
                    continue
        return held / GIB

    def _disk(self) -> float:
        """Tables, indexes, log, and what a query writes aside for a while."""
        taken = 0
        for path in self.cluster.rglob("*"):
            try:
                taken += path.stat().st_blocks * 512
            except FileNotFoundError:
                continue
        return taken / GIB
