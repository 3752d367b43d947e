"""What is won and what is expected in the periods to come: `won so far + expected = forecast`, by owner or of
everybody.

Belongs here: periods, and adding up deals. Each deal's distribution is made by the pipeline; how sums of them are
made, and why they add up, is `models.forecast.sums`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np

from api.modules.analytics.definitions import Period, Rows, between, equals, filled
from api.query.tree import Expression, Instant
from models.forecast.sums import Deals, expected, interval

AHEAD = {"week": 13, "month": 12, "quarter": 4}
"""How many periods are told, the present one first."""
Document = dict[str, Any]
Group = tuple[str, str | None]  # currency, owner
_SECONDS_A_DAY = 86_400.0


@dataclass(frozen=True)
class Span:
    """A period of the tenant's calendar: its first day, and the first one after it."""

    first: date
    after: date
    zone: ZoneInfo

    @property
    def start(self) -> datetime:
        return datetime.combine(self.first, time(), self.zone).astimezone(UTC)

    @property
    def end(self) -> datetime:
        return datetime.combine(self.after, time(), self.zone).astimezone(UTC)


def spans(unit: str, now: datetime, zone: ZoneInfo, asked: Period) -> list[Span]:
    """The periods that are asked for, from the present one on."""
    today = now.astimezone(zone).date()
    found, first = [], _first(unit, today)
    for _ in range(AHEAD[unit]):
        after = _first(unit, first + timedelta(days={"week": 7, "month": 31, "quarter": 93}[unit]))
        span = Span(first, after, zone)
        late = asked.end is not None and span.start >= asked.end
        early = asked.start is not None and span.end <= asked.start
        if not late and not early:
            found.append(span)
        first = after
    return found


def outlook(
    open_deals: Rows,
    won_deals: Rows,
    periods: list[Span],
    told: list[Document],
    won: list[Document],
    *,
    by_owner: bool,
    now: datetime,
) -> Iterator[Document]:
    """Figures by period, currency and, where asked for, owner.

    told: open deals with their forecasts; won: count and amount of won deals by `start`, `currency` and `owner`.
    """
    groups: dict[Group, list[Document]] = {}
    for deal in told:
        groups.setdefault((deal["currency"], deal["owner_id"] if by_owner else None), []).append(deal)
    done = {(row["start"], row["currency"], row["owner"]): row for row in won}
    for key in sorted({*groups, *((row["currency"], row["owner"]) for row in won)}, key=_order):
        rows = groups.get(key, [])
        deals = _Told.of(rows) if rows else None
        link = open_deals.also(*_whose(key, by_owner=by_owner), filled("forecast_amount_minor")).link
        amount = sum(row["value_minor"] for row in rows)
        for period in periods:
            so_far = done.get((period.first.isoformat(), *key), {"count": 0, "amount": 0})
            yield {
                **_figures(won_deals, period, key, so_far, by_owner=by_owner),
                "open": {"count": len(rows), "amount_minor": amount, "drill": link},
                **_sums(deals, period, so_far["amount"], current=period.start <= now),
            }


def _first(unit: str, day: date) -> date:
    if unit == "week":
        return day - timedelta(days=day.weekday())
    return day.replace(month=day.month if unit == "month" else day.month - (day.month - 1) % 3, day=1)


def _order(key: Group) -> tuple[str, bool, str]:
    return key[0], key[1] is None, key[1] or ""


def _whose(key: Group, *, by_owner: bool) -> list[Expression]:
    return [equals("currency", key[0]), *([equals("owner_id", key[1])] if by_owner else [])]


def _figures(won: Rows, period: Span, key: Group, so_far: Mapping[str, Any], *, by_owner: bool) -> Document:
    closed = between("closed_at", Instant(period.start), Instant(period.end))
    link = won.also(*closed, *_whose(key, by_owner=by_owner)).link
    return {
        "starts_on": period.first.isoformat(),
        "ends_before": period.after.isoformat(),
        "currency": key[0],
        "owner_id": key[1],
        "won": {"count": so_far["count"], "amount_minor": so_far["amount"], "drill": link},
    }


@dataclass(frozen=True)
class _Told:
    """Deals that can be added up, and when each was known so, in seconds since the epoch."""

    deals: Deals
    known: np.ndarray
    dependence: float

    @classmethod
    def of(cls, rows: list[Document]) -> "_Told":
        return cls(
            deals=Deals(
                probability=np.array([row["win_probability"] for row in rows]),
                days=np.array([row["close_days"] for row in rows], dtype=np.float64),
                amounts=np.array([row["amounts_minor"] for row in rows], dtype=np.int64),
            ),
            known=np.array([datetime.fromisoformat(row["as_of"]).timestamp() for row in rows]),
            dependence=max(row["dependence"] for row in rows),
        )

    def days_until(self, instant: datetime) -> np.ndarray:
        return np.asarray((instant.timestamp() - self.known) / _SECONDS_A_DAY)


def _sums(told: _Told | None, period: Span, won: int, *, current: bool) -> Document:
    """What the deals are expected to bring. What was due before the present period is open still: it counts there."""
    total, low, high = 0, 0, 0
    if told is not None:
        end = told.days_until(period.end)
        start = np.full(len(end), -np.inf) if current else told.days_until(period.start)
        total = int(expected(told.deals, start, end).sum())
        low, high = interval(told.deals, start, end, dependence=told.dependence)
    return {
        "expected_minor": total,
        "expected_low_minor": low,
        "expected_high_minor": high,
        "forecast_minor": won + total,
        "forecast_low_minor": won + low,
        "forecast_high_minor": won + high,
    }
