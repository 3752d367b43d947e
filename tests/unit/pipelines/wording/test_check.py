"""What a model may write: what the facts say, and nothing else, in whatever form it comes."""

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.wording.check import LONGEST, refusal
from pipelines.wording.facts import facts_of
from pipelines.wording.figures import Figure, figures
from tests.unit.pipelines.wording.items import RATIONALE, item

FACTS = facts_of(item())
WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
KNOWN = {9, 5, 64, 69, 15_000, 1_643, 120, 3_292, 14, 7, 11, 12, 2026}


@pytest.mark.parametrize(
    "text",
    [
        RATIONALE,
        "The offer of EUR 15,000 has been with [NAME] for nine days; they usually reply within 5 days, so call now.",
        "Call [ACCOUNT] about [NAME]: no answer for 9 days, and calling is worth about €1,643.",
        "Nobody has replied since 14 Nov. A call lifts the chance from 64% to 69 %, worth about EUR 1.643k.",
        "No answer to the offer of 15k after nine days. Call by December 7th, it is worth EUR 120 to 3,292.",
    ],
)
def test_what_the_facts_say_may_be_said(text: str) -> None:
    assert refusal(text, FACTS) is None


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("The offer of EUR 15,000 is with them for ten days now, so call.", "count"),
        ("The offer of EUR 15,000 was sent after 9 calls, so call them now.", "count"),
        ("The offer of USD 15,000 is with them for 9 days now, so call.", "money"),
        ("The offer of EUR 1.5k is with them for 9 days now, so call.", "money"),
        ("Call now: there is a chance of 96 % that they take the offer.", "percent"),
        ("Call now: there is a chance of 9 % that they take the offer.", "percent"),
        ("Call now, no answer since 15 Nov and nobody has been in touch.", "date"),
        ("Call now, no answer since 2025-11-14 and nobody has been in touch.", "date"),
        ("This is the third time that they have not replied, so call them.", "place"),
        ("The offer is with them for ½ of the time that they usually take.", "characters"),
        ("The offer is with them for ９ days, so it is time to call them.", "characters"),
        ("Twenty days without an answer to the offer: it is time to call.", "twenty"),
        ("No answer to the offer for 9 days. Microsoft has been in touch, so call.", "name"),
        ("No answer to the offer for 9 days, ask Ada Byron at [ACCOUNT] now.", "name"),
        ("No answer to the offer for 9 days, so call [OWNER] about it now.", "names somebody"),
        ("No answer for 9 days. See https://example.com about the offer.", "characters"),
        ("No answer for 9 days. See example.com about it before you call.", "link"),
        ("No answer for 9 days, but they will sign if you call them now.", "'will'"),
        ("Call them now: it is guaranteed that they take the offer.", "guaranteed"),
        ("Keine Antwort auf das Angebot seit 9 days, bitte jetzt anrufen.", "name"),
        ("il faut appeler maintenant, rien depuis 9 days de leur part.", "English"),
        ("Позвоните им сейчас, потому что ответа нет уже 9 days.", "characters"),
        ("Call them now.\nThe offer is with them for 9 days.", "characters"),
        ("Call now.", "length"),
        ("The offer is with them. " * 20, "length"),
    ],
)
def test_what_they_do_not_say_is_refused_with_the_reason(text: str, why: str) -> None:
    assert why in str(refusal(text, FACTS))


def _forms(number: int) -> list[str]:
    thousands = f"{Decimal(number) / 1000:f}".rstrip("0").rstrip(".") if number else "0"
    forms = ["{n} calls", "{n:,} calls", "EUR {n:,}", "€{n}", "{n} euros", "{k}k", "{n} %", "{n}%", "{n} percent",
             "{n}th", "{n}-call", "${n:,}"]  # fmt: skip
    forms = [form.format(n=number, k=thousands) for form in forms]
    return [*forms, *([f"{WORDS[number]} calls"] if number <= 12 else [])]


@settings(max_examples=300, deadline=None)
@given(number=st.integers(0, 10**7).filter(lambda n: n not in KNOWN), data=st.data())
def test_no_number_that_is_not_in_the_facts_gets_through(number: int, data: st.DataObject) -> None:
    form = data.draw(st.sampled_from(_forms(number)))
    sentence = data.draw(st.sampled_from([
        "They have not replied to the offer, {} since then, so call them now.",
        "{} of the offer are with them, so it is time to call.",
        "The offer is with them for 9 days and it is time to call, after {}",
    ]))  # fmt: skip
    assert refusal(sentence.format(form), FACTS) is not None


@settings(max_examples=150, deadline=None)
@given(name=st.from_regex(r"[A-Z][a-z]{2,9}", fullmatch=True))
def test_no_name_gets_through(name: str) -> None:
    known = {word for text in FACTS.texts for word in text.split()}
    if name not in known and name.upper() != name:
        assert refusal(f"No answer to the offer for 9 days, so talk to {name} about it now.", FACTS) is not None


def test_a_figure_is_read_in_every_form() -> None:
    amount = Figure("money", "1400", "EUR")
    for text in (
        "EUR 1,400",
        "EUR1400",
        "€1.4k",
        "1.4k EUR",
        "1 400 euros",
        "1400 €",
        "EUR 1,400.00",
        "EUR 1.4 thousand",
    ):
        assert list(figures(text)) == [amount], text
    for text in ("nine days", "9 days", "9-day", "Nine days"):
        assert list(figures(text)) == [Figure("count", "9", "day")], text
    for text in ("14 Nov 2026", "14th of November 2026", "November 14, 2026", "2026-11-14"):
        assert list(figures(text)) == [Figure("date", "11-14", "2026")], text
    assert list(figures("the second, the 2nd")) == [Figure("place", "2")] * 2


def test_sentences_fit_a_page() -> None:
    assert LONGEST >= 300
