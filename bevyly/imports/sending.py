"""Sending events in batches, again where the API asks for patience, and once more without what refers to nothing."""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Final

import httpx
import orjson

from bevyly.errors import BevylyError, Unavailable
from bevyly.imports.events import Prepared, Problem

PATH: Final = "/api/v1/events"
BATCH: Final = 500
TRIES: Final = 8
_HEADERS: Final = {"content-type": "application/cloudevents-batch+json"}
_PATIENCE: Final = (408, 429, 502, 503, 504)
_REQUIRED: Final = {("opportunity.created", "account_id")}


class Refused(BevylyError):
    """The API takes nothing from us."""

    code, status, title = "import_refused", 502, "The API refuses the import"


@dataclass
class Tally:
    """What became of the events that were sent."""

    statuses: Counter[str] = field(default_factory=Counter)
    types: Counter[str] = field(default_factory=Counter)
    dropped: Counter[str] = field(default_factory=Counter)
    """References to records that are nowhere, by type and field."""
    unknown_owners: Counter[str] = field(default_factory=Counter)
    problems: list[Problem] = field(default_factory=list)


class Sender:
    """Sends events to one API as one tenant."""

    def __init__(
        self, client: httpx.Client, *, source: str, sleep: Callable[[float], None] = time.sleep, batch: int = BATCH
    ) -> None:
        self._client = client
        self._source = source
        self._sleep = sleep
        self._batch = batch
        self.tally = Tally()

    def send(self, events: Iterable[Prepared], *, progress: Callable[[int], object] = lambda _: None) -> Tally:
        """Send all of them in their order; raises `Refused` or `Unavailable` where going on makes no sense."""
        for batch in _batches(events, self._batch):
            noted = [self._note(event, result) for event, result in self._post(batch)]
            for event, result in self._post([event for event in noted if event is not None]):
                self._settle(event, result)
            progress(len(batch))
        return self.tally

    def _note(self, event: Prepared, result: dict[str, Any]) -> Prepared | None:
        """Count a result, or give back the event as it may be sent once more: without what refers to nothing."""
        problem = result.get("problem") or {}
        if problem.get("code") != "reference_not_found":
            self._settle(event, result)
            return None
        fields = {str(one["field"]).removeprefix("data.") for one in problem.get("errors", [])}
        if not fields or any((event.type, name) in _REQUIRED or name not in event.data for name in fields):
            self._settle(event, result)
            return None
        self.tally.dropped.update(f"{event.type} {name}" for name in fields)
        return event.without(*fields)

    def _settle(self, event: Prepared, result: dict[str, Any]) -> None:
        self.tally.statuses[result["status"]] += 1
        self.tally.types[event.type] += 1
        if result.get("warnings"):
            self.tally.unknown_owners[str(event.data.get("owner_id"))] += 1
        problem = result.get("problem")
        if problem is None:
            return
        errors = problem.get("errors") or [{}]
        field = str(errors[0].get("field", "")).removeprefix("data.")
        message = errors[0].get("message") or problem["detail"]
        self.tally.problems.append(Problem(event.file, event.row, field, problem["code"], f"{event.type}: {message}"))

    def _post(self, events: list[Prepared]) -> Iterator[tuple[Prepared, dict[str, Any]]]:
        if not events:
            return
        answer = self._answer(orjson.dumps([event.document(self._source) for event in events]))
        if answer.status_code == 413 and len(events) > 1:
            half = len(events) // 2
            yield from self._post(events[:half])
            yield from self._post(events[half:])
            return
        if answer.status_code != 200:
            raise Refused(f"The API answers {answer.status_code}: {_detail(answer)}")
        yield from zip(events, answer.json()["results"], strict=True)

    def _answer(self, body: bytes) -> httpx.Response:
        said = "no answer"
        for attempt in range(TRIES):
            asked = None
            try:
                answer = self._client.post(PATH, content=body, headers=_HEADERS)
            except httpx.TransportError as error:
                said = f"{type(error).__name__}: {error}"
            else:
                if answer.status_code not in _PATIENCE:
                    return answer
                said, asked = f"{answer.status_code}: {_detail(answer)}", answer.headers.get("retry-after")
            self._sleep(_pause(attempt, asked))
        raise Unavailable(
            f"The API was tried {TRIES} times ({said}). Run the import again: it goes on where it stopped."
        )


def _batches(events: Iterable[Prepared], size: int) -> Iterator[list[Prepared]]:
    stream = iter(events)
    while batch := list(islice(stream, size)):
        yield batch


def _pause(attempt: int, asked: str | None) -> float:
    return float(asked) if asked and asked.isdigit() else min(0.5 * 2**attempt, 20.0)


def _detail(answer: httpx.Response) -> str:
    try:
        return str(answer.json()["detail"])
    except (ValueError, KeyError, TypeError):
        return answer.text[:200]
