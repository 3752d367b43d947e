from datetime import UTC, datetime, timedelta

import pytest

from bevyly.clock import FixedClock
from bevyly.integrations.breaker import CircuitBreaker, CircuitOpen

START = datetime(2026, 11, 23, 9, tzinfo=UTC)


class Counted(Exception):
    pass


class Harmless(Exception):
    pass


class Service:
    """Calls through a breaker; `asked` counts those that got through."""

    def __init__(self) -> None:
        self.clock = FixedClock(START)
        self.breaker = CircuitBreaker("the service", clock=self.clock, failures=(Counted,), threshold=3)
        self.asked = 0

    def call(self, error: Exception | None = None) -> None:
        with self.breaker:
            self.asked += 1
            if error:
                raise error

    def fail(self, times: int) -> None:
        for _ in range(times):
            with pytest.raises(Counted):
                self.call(Counted())


def test_opens_after_failures_in_a_row_and_refuses_without_asking() -> None:
    service = Service()
    service.fail(3)
    with pytest.raises(CircuitOpen):
        service.call()
    assert service.asked == 3


@pytest.mark.parametrize("relief", [None, Harmless()])
def test_a_working_call_starts_the_count_again(relief: Exception | None) -> None:
    service = Service()
    service.fail(2)
    if relief is None:
        service.call()
    else:
        with pytest.raises(Harmless):
            service.call(relief)
    service.fail(2)
    service.call()
    assert service.asked == 6


def test_after_recovery_one_call_tries_and_its_success_closes() -> None:
    service = Service()
    service.fail(3)
    service.clock.instant += timedelta(seconds=60)
    service.call()
    service.call()
    assert service.asked == 5


def test_a_failed_trial_opens_for_another_recovery() -> None:
    service = Service()
    service.fail(3)
    service.clock.instant += timedelta(seconds=60)
    service.fail(1)
    service.clock.instant += timedelta(seconds=59)
    with pytest.raises(CircuitOpen):
        service.call()
    service.clock.instant += timedelta(seconds=1)
    service.call()


def test_while_one_call_tries_the_others_are_refused() -> None:
    service = Service()
    service.fail(3)
    service.clock.instant += timedelta(seconds=60)
    with service.breaker, pytest.raises(CircuitOpen), service.breaker:
        pytest.fail("two trials at once")
