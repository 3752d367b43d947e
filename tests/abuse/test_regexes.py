"""Regular expressions against texts that are made to make them slow: every one that we have compiled, every type."""

import importlib
import inspect
import pkgutil
import re
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

import api
import bevyly
from api import schemas

LONG = 50_000
SECONDS = 0.05
TEXTS = [
    "a" * LONG,
    "a" * LONG + "!",
    "a." * (LONG // 2) + "!",
    "a-" * (LONG // 2) + ".",
    "-" * LONG,
    "0" * LONG + "x",
    "0x" * (LONG // 2),
    "A" * LONG + "\n",
    " " * LONG + "x",
    "\t \r\n" * (LONG // 4) + "x",
    "https://" + "a" * LONG,
    "https://" + "a." * (LONG // 2) + ":99999",
    "a@" * (LONG // 2),
    "a" * (LONG // 2) + "@" + "b." * (LONG // 4),
    '"' + "\\" * LONG,
    "%" * LONG,
    "0123456789abcdef-" * (LONG // 17),
    "(" * (LONG // 2) + ")" * (LONG // 2),
    "ä" * LONG,
    "=?utf-8?q?" * (LONG // 10),
]


def expressions() -> Iterator[tuple[str, re.Pattern[Any], set[str]]]:
    """Every compiled expression at the top of a module of ours, and in which ways its module asks it."""
    for package in (api, bevyly):
        for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if found.name.endswith("__main__") or ".migrations" in found.name:
                continue
            module = importlib.import_module(found.name)
            source = inspect.getsource(module)
            for name, value in vars(module).items():
                ways = set(re.findall(rf"\b{name}\.(fullmatch|match|search|split|sub|findall|finditer)\(", source))
                if isinstance(value, re.Pattern) and ways:
                    yield f"{found.name}.{name}", value, ways


def ask(expression: re.Pattern[Any], way: str, given: str) -> None:
    subject: Any = given.encode() if isinstance(expression.pattern, bytes) else given
    if way == "sub":
        expression.sub(subject[:0], subject)
    elif way == "finditer":
        list(expression.finditer(subject))
    else:
        getattr(expression, way)(subject)


def quickest(expression: re.Pattern[Any], way: str, given: str) -> float:
    """The best of three times: a machine that is busy is no slow expression."""
    times = []
    for _ in range(3):
        started = time.process_time()
        ask(expression, way, given)
        times.append(time.process_time() - started)
        if times[-1] < SECONDS:
            break
    return min(times)


def test_no_expression_of_ours_is_slow() -> None:
    found = list(expressions())
    assert len(found) >= 8
    for name, expression, ways in found:
        for way in ways:
            for given in TEXTS:
                assert quickest(expression, way, given) < SECONDS, (name, way, given[:20])


def test_a_slow_one_would_be_noticed() -> None:
    """The positive control."""
    started = time.process_time()
    ask(re.compile(r"[^@\s]+@[^@\s]+"), "search", TEXTS[0][:8_000])
    assert time.process_time() - started > SECONDS


@pytest.mark.parametrize(
    "name", ["Id", "Name", "Text100", "Text50", "Subject", "Email", "Domain", "Currency", "Instant", "Day", "Custom"]
)
def test_no_type_of_an_input_is_slow(name: str) -> None:
    adapter: TypeAdapter[Any] = TypeAdapter(getattr(schemas, name))
    for given in TEXTS:
        value: Any = {given[:200]: given} if name == "Custom" else given
        started = time.process_time()
        with suppress(ValidationError):
            adapter.validate_python(value)
        assert time.process_time() - started < SECONDS, given[:20]
