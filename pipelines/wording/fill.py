"""The step after publishing: asks for sentences that briefings lack, within budget, and publishes what came of it.

Briefings are out before anything is asked and use only what is kept, so OpenAI may be slow or away. No transaction is
open while it thinks. It never raises what OpenAI raises: it stops, and says why once.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson
import structlog
from openai import APIConnectionError, InternalServerError, OpenAI, OpenAIError
from prometheus_client import Counter

from bevyly.clock import Clock
from bevyly.errors import MissingDependency
from bevyly.integrations.breaker import CircuitBreaker, CircuitOpen
from pipelines.briefing.compose import compose
from pipelines.briefing.inputs import Inputs
from pipelines.briefing.live import recompose
from pipelines.repositories.briefing_inputs import read_inputs
from pipelines.repositories.rankings import left_out_of
from pipelines.repositories.wordings import asked_since, known_facts, reserve, settle, tenants_that_want_it
from pipelines.resources import Warehouse
from pipelines.wording.check import refusal
from pipelines.wording.facts import Facts, facts_of
from pipelines.wording.prompt import PROMPT
from pipelines.wording.write import NoLine, write

LONGEST_RUN = 300.0
"""Seconds after which a run asks nothing more; the next one goes on."""
_log = structlog.get_logger(__name__)
_answers = Counter("bevyly_wordings", "Sentences that a model was asked for, by what became of them", ["outcome"])


@dataclass
class WordingCounts:
    """What a run did; all but `tenants` and `published` count items."""

    tenants: int = 0
    asked: int = 0
    used: int = 0
    refused: int = 0
    failed: int = 0
    published: int = 0
    halted: str | None = None
    """Why it stopped early."""


@dataclass
class Wording:
    """One run; `client` makes the client when there is something to ask, and raises where there cannot be one."""

    warehouse: Warehouse
    client: Callable[[], OpenAI]
    model: str
    daily: int
    clock: Clock
    seconds: Callable[[], float] = time.monotonic

    def __post_init__(self) -> None:
        self.counts = WordingCounts()
        failures = (APIConnectionError, InternalServerError)
        self._breaker = CircuitBreaker("OpenAI", clock=self.clock, failures=failures)
        self._started = self.seconds()

    def run(self, customers: Sequence[str] | None = None) -> WordingCounts:
        """Fill what the briefings of `customers` lack, of all by default; publish where something came of it."""
        with self.warehouse.connect() as connection:
            wanted = tenants_that_want_it(connection, customers)
            inputs = read_inputs(connection, wanted, left_out_of(connection, wanted)) if wanted else None
        self.counts.tenants = len(wanted)
        if inputs is not None:
            self._fill(inputs)
        if self.counts.halted:
            _log.warning("wording.halted", reason=self.counts.halted)
        return self.counts

    def _fill(self, inputs: Inputs) -> None:
        lacking = {customer: self._lacking(customer, items) for customer, items in self._items(inputs)}
        lacking = {customer: facts for customer, facts in lacking.items() if facts}
        if not lacking:
            return
        try:
            client = self.client()
        except MissingDependency as error:
            self.counts.halted = str(error)
            return
        with client:
            for customer, facts in lacking.items():
                for one in facts:
                    if self.counts.halted is None:
                        self._word(client, customer, one)
        if self.counts.used:
            with self.warehouse.connect() as connection:
                self.counts.published = recompose(connection, inputs.users, at=self.clock.now())

    def _items(self, inputs: Inputs) -> Iterator[tuple[str, list[dict[str, Any]]]]:
        """Items of every briefing as they are now, the best of everybody first."""
        now = self.clock.now()
        documents = compose(inputs, as_of=now, generated_at=now)
        for (customer,), own in documents.group_by("customer_id", maintain_order=True):
            items = [item for document in own["document"] for item in orjson.loads(document)["items"]]
            yield str(customer), sorted(items, key=lambda item: (item["rank"], item["recommendation_id"]))

    def _lacking(self, customer: str, items: list[dict[str, Any]]) -> list[Facts]:
        facts = {one.digest: one for one in map(facts_of, items)}
        with self.warehouse.connect() as connection:
            known = known_facts(connection, customer, model=self.model, prompt=PROMPT, midnight=self._midnight())
            left = self.daily - asked_since(connection, customer, midnight=self._midnight())
        return [one for digest, one in facts.items() if digest not in known][: max(left, 0)]

    def _word(self, client: OpenAI, customer: str, facts: Facts) -> None:
        if self.seconds() - self._started > LONGEST_RUN:
            self.counts.halted = f"it took longer than {LONGEST_RUN:.0f} seconds"
            return
        kind, _, entity = facts.item.partition("/")
        row: dict[str, str | datetime] = {
            "customer": customer, "facts": facts.digest, "model": self.model, "prompt": PROMPT, "entity_type": kind,
            "entity_id": entity, "at": self.clock.now(), "midnight": self._midnight(),
        }  # fmt: skip
        with self.warehouse.connect() as connection:
            if not reserve(connection, row):
                return
        self.counts.asked += 1
        try:
            with self._breaker:
                text = write(client, facts, model=self.model)
            reason = refusal(text, facts)
        except NoLine as error:
            text, reason = "", str(error)
        except (OpenAIError, CircuitOpen) as error:
            self._failed(error)
            return
        self._settle(row, None if reason else text, reason)

    def _settle(self, row: dict[str, str | datetime], text: str | None, reason: str | None) -> None:
        with self.warehouse.connect() as connection:
            kept = settle(connection, row, text=text, reason=reason)
        outcome = "used" if kept and text else "refused" if kept else "erased"
        _answers.labels(outcome).inc()
        self.counts.used += outcome == "used"
        self.counts.refused += outcome == "refused"
        if reason and kept:
            _log.info("wording.refused", customer_id=row["customer"], facts=row["facts"], reason=reason)

    def _failed(self, error: Exception) -> None:
        """No answer. What will not get better by asking on ends the run: the third in a row, a limit, a wrong key."""
        self.counts.failed += 1
        _answers.labels("failed").inc()
        if not isinstance(error, APIConnectionError | InternalServerError) or self._breaker.is_open:
            self.counts.halted = f"OpenAI: {type(error).__name__}"

    def _midnight(self) -> datetime:
        return self.clock.now().astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
