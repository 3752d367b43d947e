"""Every feature has words, and numbers are written for people."""

import numpy as np
import pytest

from models.contracts import CONTRACTS
from models.encoding import Feature
from models.texts import TEMPLATES, displayed, template_of


def text(name, value, levels=None):
    texts, place = displayed(Feature(name=name, role="x", levels=levels), np.array([value]))
    return texts[int(place[0])]


@pytest.mark.parametrize("entity", ["lead", "opportunity"])
def test_every_number_of_the_contracts_has_a_template(entity):
    numbers = {c.name for c in CONTRACTS[entity].columns if c.dtype == "number"}
    assert numbers <= set(TEMPLATES)


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("days_since_last_inbound", 2.0, "2 days"),
        ("days_since_last_inbound", 0.5, "12 hours"),
        ("days_since_last_inbound", 1.0, "1 day"),
        ("calls_total", 1200.0, "1,200"),
        ("value_minor", 2_000_000.0, "20,000"),
        ("owner_win_rate_180d", 0.254, "25 %"),
        ("call_seconds_total", 600.0, "10 minutes"),
        ("attributes.score", 0.125, "0.12"),
        ("attributes.size", np.nan, None),
        ("days_to_close", -7.2, "over by 7 days"),
    ],
)
def test_values_read_well(name, value, expected):
    assert text(name, value) == expected


def test_levels_are_named_rare_ones_are_other():
    assert [text("source", code, ("ads", "web")) for code in (2.0, 0.0, np.nan)] == ["web", "other", None]


def test_a_custom_field_gets_a_sentence_from_its_key():
    template = template_of(Feature(name="attributes.doubtful_last_activity", role="attributes", levels=("x",)))
    assert template.known == "Last activity: {value} (typical: {norm})"
