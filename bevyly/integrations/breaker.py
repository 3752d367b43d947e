"""A circuit breaker: after several failures in a row, calls are refused at once until the service had time to recover.

Written here because the kept libraries (pybreaker, purgatory) read the machine's clock; ours is given one.
"""

from datetime import datetime, timedelta
from types import TracebackType

from bevyly.clock import Clock
from bevyly.errors import Unavailable


class CircuitOpen(Unavailable):
    """The service failed several times in a row; it is not asked again for a while."""

    code = "circuit_open"


class CircuitBreaker:
    """Guards one service: `with breaker: call()`.

    `threshold` calls in a row that raise one of `failures` open it. After `recovery` one call may try; its success
    closes the circuit, its failure opens it for another `recovery`. Any other error proves that the service answers.
    """

    def __init__(
        self,
        service: str,
        *,
        clock: Clock,
        failures: tuple[type[Exception], ...],
        threshold: int = 3,
        recovery: timedelta = timedelta(seconds=60),
    ) -> None:
        self._service = service
        self._clock = clock
        self._counted = failures
        self._threshold = threshold
        self._recovery = recovery
        self._failures = 0
        self._opened_at: datetime | None = None

    @property
    def is_open(self) -> bool:
        """Whether so many calls in a row have failed that the service is left alone."""
        return self._opened_at is not None

    def __enter__(self) -> None:
        if self._opened_at is None:
            return
        now = self._clock.now()
        if now < self._opened_at + self._recovery:
            raise CircuitOpen(f"{self._service} failed {self._failures} times in a row and is left alone for now")
        # The clock of the open circuit starts again, so that only this one caller tries.
        self._opened_at = now

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if not isinstance(error, self._counted):
            self._failures, self._opened_at = 0, None
            return
        self._failures += 1
        if self._failures >= self._threshold:
            self._opened_at = self._clock.now()
