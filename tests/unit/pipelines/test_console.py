"""What a command shows, and what it keeps to a log."""

import logging
import sys
from pathlib import Path

import pytest

from pipelines.console import quiet


def test_what_libraries_print_or_log_is_kept_and_not_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    handler, logger = logging.StreamHandler(sys.stderr), logging.getLogger("somebody")
    logging.getLogger().addHandler(handler)
    log = tmp_path / "logs" / "x.log"
    try:
        with quiet(log):
            print("printed")  # noqa: T201 - as a library may
            logger.warning("logged")
        logger.warning("afterwards")
    finally:
        logging.getLogger().removeHandler(handler)
    assert log.read_text() == "printed\nlogged\n"
    shown = capsys.readouterr()
    assert (shown.out, shown.err) == ("", "afterwards\n")
