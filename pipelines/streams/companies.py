"""What is to be said of a company that grew or shrank: on its open deals, else on itself. Pure.

Not a rule over one event: deals are opened and decided while it is news, and a provider's answer is a change only
beside the one before.
"""

from datetime import datetime, timedelta

from models.signals.detector import dedupe_key
from pipelines.repositories.company_news import Change, News
from pipelines.repositories.detectors import Ear
from pipelines.streams.findings import VERSIONS, Closing, Finding, loudness

NEWS_LIVE_DAYS = 30
NEWS = "account_event"


def tell_news(news: News, ear: Ear) -> tuple[list[Finding], list[Closing]]:
    """What is to be said of a company now, on its open deals and on itself where there are none, and what is over.

    Of a deal that nothing was told of, nor of the company, what was said stands.
    """
    told = {("opportunity", deal): at for deal, at in news.deals.items() if at is not None}
    itself = ("account", news.account_id)
    found = []
    if news.change is not None and abs(news.change.share) >= ear.line.account_change:
        entities = told if news.deals else {itself: news.at}
        found = [_finding(news, news.change, entity, at, ear) for entity, at in entities.items()]
    kept = {(one["entity_type"], one["entity_id"]): one["dedupe_key"] for one in found}
    return found, [_end(news, entity, at, kept.get(entity)) for entity, at in (told | {itself: news.at}).items()]


def _finding(news: News, change: Change, entity: tuple[str, str], at: datetime, ear: Ear) -> Finding:
    growing, far = change.share > 0, abs(change.share)
    strength = round(min(far / ear.line.account_change, 99.0), 4)
    polarity = "+" if growing else "-"
    how = f"{change.kind} {'up' if growing else 'down'} {far * 100:.0f} %"
    return Finding(
        customer_id=news.customer_id,
        entity_type=entity[0],
        entity_id=entity[1],
        signal_type=NEWS,
        polarity=polarity,
        severity=loudness(NEWS, strength, polarity, ear),
        strength=strength,
        title=f"The company is {'growing' if growing else 'shrinking'}: {how}",
        data={"kind": change.kind, "change": round(change.share, 2)},
        evidence=[change.event_id],
        dedupe_key=dedupe_key(NEWS, *entity, change.event_id),
        detector_version=VERSIONS[NEWS],
        seen_at=at,
        expires_at=at + timedelta(days=NEWS_LIVE_DAYS),
    )


def _end(news: News, entity: tuple[str, str], at: datetime, kept: str | None) -> Closing:
    return Closing(
        customer_id=news.customer_id,
        entity_type=entity[0],
        entity_id=entity[1],
        signal_type=NEWS,
        reason="no longer so",
        at=at,
        kept=kept,
    )
