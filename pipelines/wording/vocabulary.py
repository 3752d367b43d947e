"""Words that decide whether a sentence is English, begins as sentences do, and claims no more than its facts."""


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


COMMON = _words(
    """
    a about acting after again ago all an and are arrange as ask at be been before book bring but by call calling check
    chance close correct do drop each for from get give going has have help here if in is it its keep last let lift look
    make most move no nobody none not now of offer offers on only or out over pick put raise reach record remind reply
    send set silence since so still take talk than that the their them then there they this time to today try turn until
    up very wait was we what when where which while who with worth write writing you your
    """
)
"""English function words, and verbs that a sentence of a briefing may begin with."""
CLAIMS = _words(
    """
    afternoon agreed always approved assure assured bankruptcy best budget buying cancelled certain certainly cheaper
    competitor competitors complained confirmed contract deadline decided definitely discount discounts doubt evening
    expects fired free fully funding guarantee guaranteed guarantees happy ideal ignore immediately instructions insists
    interest interested lawsuit layoffs legal likely loves merger month months morning must never perfect plans promise
    promised promises prompt quarter ready refund rejected resigned satisfied secure signed sure surely system threatens
    today's tomorrow tonight unhappy unlikely urgent urgently wants week weeks will won year years yesterday
    """
)
"""What only the facts may claim, in these very words."""
VAGUE = _words(
    """
    billion couple dozen dozens double doubled eighteen eighty fifteen fifty forty fourteen half halved hundred hundreds
    million millions nineteen ninety once quarter seventeen seventy sixteen sixty thirteen thirty thousand thousands
    thrice triple tripled twentieth twenty twice
    """
)
"""Amounts that no figure says."""
