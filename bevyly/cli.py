"""The `bevyly` command. Each subcommand is an entry point of the group `bevyly.commands`, imported when it is used.

So the kernel imports none of the packages whose commands it offers. A named error ends here, in one sentence.
"""

import sys
from importlib.metadata import EntryPoint, entry_points
from typing import Any, NoReturn

import psycopg
import typer
from typer.core import TyperGroup

from bevyly.errors import BevylyError
from bevyly.telemetry import configure_logging

GROUP = "bevyly.commands"


class LazyCommands(TyperGroup):
    """A command group that knows the names of its commands and imports one only to run or describe it."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Names of all installed commands, in alphabetical order."""
        return sorted(entry_points(group=GROUP).names)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command of that name, or None where there is none."""
        found = entry_points(group=GROUP, name=cmd_name)
        return _as_command(next(iter(found))) if found else None


def _as_command(entry: EntryPoint) -> Any:
    """The entry point as a command: a typer app as it is, a function as an app of one command."""
    target = entry.load()
    if not isinstance(target, typer.Typer):
        single = typer.Typer(add_completion=False)
        single.command(entry.name)(target)
        target = single
    command = typer.main.get_command(target)
    command.name = entry.name
    return command


app = typer.Typer(
    cls=LazyCommands,
    add_completion=False,
    no_args_is_help=True,
    help="Bevyly: the few things worth doing today, each with its reason, expected value and proof.",
)


@app.callback()
def _root() -> None:
    """Bevyly: the few things worth doing today, each with its reason, expected value and proof."""


def main() -> None:
    """Run the command line; a named error, or a database that is away, is one sentence and exit code 1.

    Warnings go to standard error: standard output has what was asked for, which may be JSON.
    """
    configure_logging("WARNING")
    try:
        app()
    except BevylyError as error:
        _end(error.detail)
    except psycopg.OperationalError as error:
        said = str(error).strip().splitlines()[0] if str(error).strip() else "the connection was lost"
        _end(f"PostgreSQL does not answer ({said}): run `bevyly up`, or check DATABASE_URL.")


def _end(sentence: str) -> NoReturn:
    sys.stderr.write(f"bevyly: {sentence}\n")
    sys.exit(1)


if __name__ == "__main__":
    main()
