"""How commands show long work on a terminal: one line a step, with a bar, a clock and a note."""

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

WIDTH = 100


class Step(Protocol):
    """How a step is told how far it is: `done` of `total` (0: nobody knows), and a note."""

    def __call__(self, done: int, total: int, note: str = "") -> None: ...


class Steps:
    """Steps of one command; the line of a finished step stays on the screen."""

    def __init__(self, console: Console) -> None:
        self.console = console

    @contextmanager
    def step(self, title: str) -> Iterator[Step]:
        """One step, under way until the block ends."""
        columns = (TextColumn("{task.description:<32}"), BarColumn(bar_width=20), TimeElapsedColumn())
        note = TextColumn("{task.fields[note]}", style="dim")
        with Progress(*columns, note, console=self.console, redirect_stdout=False, redirect_stderr=False) as bar:
            task = bar.add_task(title, total=None, note="")

            def update(done: int, total: int, note: str = "") -> None:
                bar.update(task, completed=done, total=total or None, note=note)

            yield update
            bar.update(task, completed=1, total=1)


@contextmanager
def quiet(log: Path) -> Iterator[None]:
    """What libraries print or log goes to the end of `log` until the block ends."""
    log.parent.mkdir(parents=True, exist_ok=True)
    logged = [
        handler
        for handler in logging.getLogger().handlers
        if isinstance(handler, logging.StreamHandler) and handler.stream is sys.stderr
    ]
    with log.open("a") as file, redirect_stdout(file), redirect_stderr(file):
        shown = [handler.setStream(file) for handler in logged]
        try:
            yield
        finally:
            for handler, stream in zip(logged, shown, strict=True):
                handler.setStream(stream)


def make_console(*, stderr: bool = False, width: int = WIDTH) -> Console:
    """A console no wider than `width`, which keeps its stream when `quiet` takes the others away."""
    console = Console(file=sys.stderr if stderr else sys.stdout, highlight=False)
    console.width = min(width, console.width) if console.is_terminal else width
    return console
