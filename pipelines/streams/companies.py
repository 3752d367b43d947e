"""What is to be said of a company that grew or shrank: on its open deals, else on itself. Pure.

Not a rule over one event: deals are opened and decided while it is news, and a provider's answer is a change only
beside the one before.
"""

from datetime import datetime

from pipelines.repositories.company_news import Change, News
from pipelines.repositories.detectors import Ear
from pipelines.streams.findings import Closing, Finding, closing, finding

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
    return found, [
        closing(news.customer_id, entity, NEWS, "no longer so", at=at, kept=kept.get(entity))
        for entity, at in (told | {itself: news.at}).items()
    ]


def _finding(news: News, change: Change, entity: tuple[str, str], at: datetime, ear: Ear) -> Finding:
    growing, far = change.share > 0, abs(change.share)
    how = f"{change.kind} {'up' if growing else 'down'} {far * 100:.0f} %"
    return finding(
        news.customer_id,
        entity,
        NEWS,
        polarity="+" if growing else "-",
        strength=far / ear.line.account_change,
        title=f"The company is {'growing' if growing else 'shrinking'}: {how}",
        data={"kind": change.kind, "change": round(change.share, 2)},
        event_id=change.event_id,
        at=at,
        lives_days=NEWS_LIVE_DAYS,
        ear=ear,
    )
