"""The killer: chooses what dies next and when, and sees to it that everything comes back.

Its choices follow from the seed; what a process is doing at that moment does not. Restarts take their time beside
it, so faults overlap.
"""

import random
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from time import monotonic

from bevyly.db.leadership import DATABASE_AWAY
from bevyly.runtime.errors import CannotStart
from tests.support.faults import ProcessVictim, Victim

STALL_SHARE = 0.12
# more than a lease, so that a stalled leader is overtaken now and then
STALL_SECONDS = 7.0
STARTS = 3
# what started a moment ago is not at work yet, and its death shows nothing
SETTLE_SECONDS = 1.5
POLL_SECONDS = 0.01


class Killer(threading.Thread):
    """Kills `kills` times. `progress` is how much was written; every second kill waits for a point of it."""

    def __init__(
        self,
        victims: Sequence[Victim],
        *,
        kills: int,
        chance: random.Random,
        seconds: float,
        progress: Callable[[], int],
        step: int,
    ) -> None:
        super().__init__(name="killer", daemon=True)
        self.deaths: Counter[str] = Counter()
        self.stalls: Counter[str] = Counter()
        self.gave_up: list[str] = []
        self.failure: BaseException | None = None
        self._victims = victims
        self._kills = kills
        self._chance = chance
        self._seconds = seconds
        self._progress = progress
        self._step = max(2, step)
        self._stopped = threading.Event()
        self._helpers: list[threading.Thread] = []
        self._since = {victim.name: monotonic() for victim in victims}

    @property
    def share_done(self) -> float:
        """How much of the work may be written by now: ahead of the kills by one."""
        return min(1.0, (self.deaths.total() + 1) / (self._kills + 1)) if self._kills else 1.0

    def stop(self) -> None:
        """End early."""
        self._stopped.set()

    def run(self) -> None:
        try:
            while self.deaths.total() < self._kills and not self._stopped.is_set() and not self.failure:
                self._wait()
                self._bury()
                self._strike()
        except BaseException as failure:
            self.failure = failure
            raise

    def settle(self) -> None:
        """Wait until all that died is back, and let no failpoint be left."""
        for helper in self._helpers:
            helper.join()
        for victim in self._victims:
            if isinstance(victim, ProcessVictim):
                if not victim.child.running():
                    self._note(victim)
                victim.revive(harmless=True)
        if self.failure:
            raise self.failure

    def _wait(self) -> None:
        """For a random time, or for a random point of the progress, whichever the coin says and never for long."""
        longest = 2 * self._seconds
        if self._chance.random() < 0.5:
            self._stopped.wait(self._chance.uniform(0.05, longest))
            return
        point, deadline = self._progress() + self._chance.randrange(1, self._step), monotonic() + longest
        while self._progress() < point and monotonic() < deadline and not self._stopped.is_set():
            self._stopped.wait(POLL_SECONDS)

    def _strike(self) -> None:
        victim = self._choose()
        stalls, length = self._chance.random() < STALL_SHARE, self._chance.uniform(0.2, STALL_SECONDS)
        delay = self._chance.choice((0.0, self._chance.uniform(0, 1)))
        if victim is None or self.deaths.total() >= self._kills or not victim.busy.acquire(blocking=False):
            return
        if stalls and self.deaths[victim.kind] and (go_on := victim.pause()):
            self.stalls[victim.kind] += 1
            self._later(victim, length, go_on)
            return
        try:
            victim.kill()
        except DATABASE_AWAY:
            victim.busy.release()
            return
        self.deaths[victim.kind] += 1
        self._later(victim, delay, victim.revive)

    def _choose(self) -> Victim | None:
        """Each kind once, then by weight."""
        latest = monotonic() - SETTLE_SECONDS
        at_hand = [one for one in self._victims if not one.busy.locked() and self._since[one.name] < latest]
        at_hand = [one for one in at_hand if not self.deaths[one.kind]] or at_hand
        return self._chance.choices(at_hand, [one.weight for one in at_hand])[0] if at_hand else None

    def _bury(self) -> None:
        """Bring back what died at its failpoint or ended though nobody killed it."""
        for victim in self._victims:
            if isinstance(victim, ProcessVictim) and victim.busy.acquire(blocking=False):
                if victim.child.running():
                    victim.busy.release()
                else:
                    self._note(victim)
                    self._later(victim, 0.0, victim.revive)

    def _note(self, victim: ProcessVictim) -> None:
        if victim.died_by_itself():
            self.deaths[f"{victim.kind}@failpoint"] += 1
        elif victim.gave_up():
            self.gave_up.append(f"{victim.name} ended with {victim.child.exit_code}: {victim.child.log_tail()}")

    def _later(self, victim: Victim, seconds: float, act: Callable[[], None]) -> None:
        def help_() -> None:
            try:
                self._stopped.wait(seconds)
                _patiently(act)
            except BaseException as failure:
                self.failure = failure
                raise
            finally:
                self._since[victim.name] = monotonic()
                victim.busy.release()

        helper = threading.Thread(target=help_, daemon=True, name=f"revive-{victim.name}")
        self._helpers = [one for one in self._helpers if one.is_alive()] + [helper]
        helper.start()


def _patiently(act: Callable[[], None]) -> None:
    for left in reversed(range(STARTS)):
        try:
            return act()
        except CannotStart:
            if not left:
                raise
