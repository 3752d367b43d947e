"""The unprivileged account that PostgreSQL runs under when Bevyly itself is started as root."""

import os
import pwd
import shutil
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from bevyly.runtime.errors import CannotStart

CANDIDATES = ("postgres", "nobody", "daemon")
_TEST = shutil.which("test") or "/usr/bin/test"


@dataclass(frozen=True, slots=True)
class Account:
    name: str
    uid: int
    gid: int

    def owns(self, paths: Iterable[Path]) -> None:
        for path in paths:
            os.chown(path, self.uid, self.gid)

    def can_enter(self, directory: Path) -> bool:
        """Whether this account can reach `directory` through all of its parents."""
        probe = subprocess.run(
            [_TEST, "-x", str(directory)], user=self.uid, group=self.gid, extra_groups=[], check=False
        )
        return probe.returncode == 0


def unprivileged_account() -> Account | None:
    """None when this process is not root and can run the servers itself."""
    if os.geteuid() != 0:
        return None
    for name in CANDIDATES:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(name, entry.pw_uid, entry.pw_gid)
    raise CannotStart(
        "PostgreSQL refuses to run as root and this machine has none of the accounts "
        f"{', '.join(CANDIDATES)}: run Bevyly as an ordinary user, or set DATABASE_URL."
    )
