"""Who and what a simulated tenant consists of, and the truth behind it: fit, interest, chances, outcomes.

Numbers are drawn here and nowhere else are chances decided. `ACTION_EFFECTS` is the true effect of one more action
on the logit of winning (up to `ACTION_CAP` of them): what a model of effects is judged by.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl

from bevyly.datasets.synthetic.calendar import Floats, Ints

ACTION_EFFECTS: Final = {"call": 0.08, "email": 0.02, "meeting": 0.35, "contact": 0.30}
ACTION_CAP: Final = 5
REGIME_EFFECTS: Final = {"steady": 0.0, "silent": -1.6, "ghosted": -1.2, "surge": 0.9}

_REGIMES: Final = list(REGIME_EFFECTS)
_REGIME_SHARES: Final = [0.52, 0.20, 0.14, 0.14]
_INDUSTRIES: Final = {"software": 0.7, "manufacturing": 0.2, "retail": -0.3, "healthcare": 0.1, "logistics": -0.5}
_COUNTRIES: Final = ["Germany", "France", "Netherlands", "United States", "Spain"]
_SENIORITY: Final = ["c_suite", "vp", "director", "manager", "individual"]
_BUYING_ROLES: Final = ["decision_maker", "champion", "influencer", "user"]
_SOURCES: Final = {"referral": 0.6, "web form": 0.2, "event": 0.0, "cold list": -0.6}
_PRODUCTS: Final = {"Starter": 6_000, "Team": 18_000, "Enterprise": 60_000}
_FIRST: Final = ["Ada", "Ben", "Chloe", "David", "Elif", "Farid", "Greta", "Hugo", "Ines", "Jonas", "Kira", "Liam"]
_LAST: Final = ["Arnold", "Bauer", "Costa", "Dubois", "Eriksen", "Fischer", "Garcia", "Hansen", "Ivanov", "Jansen"]
_REPS: Final = 6
# When qualification, proposal and negotiation begin, as shares of a deal's life.
_STAGE_SHARES: Final = [(0.08, 0.22), (0.35, 0.55), (0.65, 0.85)]


@dataclass(frozen=True)
class World:
    """Frames with a row for each rep, account, contact, lead and deal; times and lengths in working days.

    leads: `created`, `life` (until decided), `won`, `interest`, `touched`, `source`; indexes of account, contact, rep.
    deals: `opened`, `life`, `planned_end`, `<stage>_at`, `reached` (last stage before the end, 0–3), `won`, `regime`,
    `turn` (when the regime begins, as a share of life), `interest`, `base_logit`, counts of actions, `logit`,
    `win_probability`; indexes of account, contact, rep, lead.
    """

    reps: pl.DataFrame
    accounts: pl.DataFrame
    contacts: pl.DataFrame
    leads: pl.DataFrame
    deals: pl.DataFrame


def sigmoid(logit: Floats) -> Floats:
    """Probability of a logit."""
    return 1 / (1 + np.exp(-logit))


def draw_world(rng: np.random.Generator, *, months: int, horizon: float) -> World:
    """A tenant with `months` months of work that ends after `horizon` working days."""
    reps = pl.DataFrame({"rep": np.arange(_REPS), "name": _people(rng, _REPS), "skill": rng.normal(0, 0.35, _REPS)})
    accounts = _accounts(rng, 40 * months)
    contacts = _contacts(rng, accounts.height)
    leads = _leads(rng, accounts, contacts, size=50 * months, horizon=horizon)
    deals = _deals(rng, reps=reps, accounts=accounts, contacts=contacts, leads=leads, months=months, horizon=horizon)
    return World(reps, accounts, contacts, leads, deals)


def _hundreds(amounts: Floats) -> Ints:
    return np.round(amounts, -2).astype(np.int64)


def _people(rng: np.random.Generator, size: int) -> list[str]:
    return [f"{rng.choice(_FIRST)} {rng.choice(_LAST)}" for _ in range(size)]


def _accounts(rng: np.random.Generator, size: int) -> pl.DataFrame:
    industries = list(_INDUSTRIES)
    industry = rng.integers(len(industries), size=size)
    employees = np.clip(np.exp(rng.normal(5, 1.3, size)), 5, 50_000).astype(np.int64)
    fit = np.array(list(_INDUSTRIES.values()))[industry] + 0.25 * (np.log(employees) - 5) + rng.normal(0, 0.2, size)
    return pl.DataFrame(
        {
            "account": np.arange(size),
            "industry": np.array(industries)[industry],
            "employee_count": employees,
            "annual_revenue_minor": (employees * np.exp(rng.normal(11.5, 0.4, size))).astype(np.int64) * 100,
            "country": rng.choice(_COUNTRIES, size),
            "fit": fit,
        }
    )


def _contacts(rng: np.random.Generator, accounts: int) -> pl.DataFrame:
    counts = rng.integers(1, 6, accounts)
    account = np.repeat(np.arange(accounts), counts)
    size = len(account)
    return pl.DataFrame(
        {
            "contact": np.arange(size),
            "account": account,
            "first_name": rng.choice(_FIRST, size),
            "last_name": rng.choice(_LAST, size),
            "seniority": rng.choice(_SENIORITY, size, p=[0.1, 0.15, 0.2, 0.3, 0.25]),
            "role": rng.choice(_BUYING_ROLES, size),
        }
    )


def _primary(rng: np.random.Generator, contacts: pl.DataFrame, account: Ints) -> Ints:
    """A contact of each of the accounts."""
    sizes = contacts.group_by("account", maintain_order=True).len()["len"].cast(pl.Int64).to_numpy()
    first = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    chosen: Ints = first[account] + np.floor(rng.random(len(account)) * sizes[account]).astype(np.int64)
    return chosen


def _leads(
    rng: np.random.Generator, accounts: pl.DataFrame, contacts: pl.DataFrame, *, size: int, horizon: float
) -> pl.DataFrame:
    account = rng.integers(accounts.height, size=size)
    sources = list(_SOURCES)
    source = rng.integers(len(sources), size=size)
    interest = rng.normal(0, 1, size)
    touched = rng.random(size) > 0.12
    fit = accounts["fit"].to_numpy()[account]
    logit = -0.9 + 0.8 * fit + 0.9 * interest + np.array(list(_SOURCES.values()))[source] + np.where(touched, 0.4, -3)
    life = rng.gamma(2.5, 4, size) + np.where(touched, 1, 25)
    return pl.DataFrame(
        {
            "lead": np.arange(size),
            "account": account,
            "contact": _primary(rng, contacts, account),
            "rep": rng.integers(_REPS, size=size),
            "source": np.array(sources)[source],
            "created": np.sort(rng.uniform(0, horizon, size)),
            "life": life,
            "interest": interest,
            "touched": touched,
            "value": (rng.choice(list(_PRODUCTS.values()), size, p=[0.5, 0.35, 0.15]) * 100).astype(np.int64),
            "won": rng.random(size) < sigmoid(logit),
        }
    )


def _deals(
    rng: np.random.Generator,
    *,
    reps: pl.DataFrame,
    accounts: pl.DataFrame,
    contacts: pl.DataFrame,
    leads: pl.DataFrame,
    months: int,
    horizon: float,
) -> pl.DataFrame:
    """Deals of converted leads, then others that began without a lead."""
    won = leads.filter("won")
    direct = rng.integers(accounts.height, size=15 * months)
    account = np.concatenate([won["account"].to_numpy(), direct])
    size = len(account)
    seller = np.concatenate([won["rep"].to_numpy(), rng.integers(_REPS, size=len(direct))])
    inherited = np.concatenate([won["interest"].to_numpy() * 0.5, np.zeros(len(direct))])
    interest = inherited + rng.normal(0, 0.8, size)
    life = np.exp(rng.normal(np.log(30), 0.5, size))
    base = -2.5 + 0.6 * accounts["fit"].to_numpy()[account] + 0.9 * interest + 0.5 * reps["skill"].to_numpy()[seller]
    regime = rng.choice(len(_REGIMES), size, p=_REGIME_SHARES)
    turn = rng.uniform(0.3, 0.7, size)
    active = life * np.where(regime == _REGIMES.index("silent"), turn, 1.0)
    rates = {"call": 0.09, "email": 0.22, "meeting": 0.06}
    counts = {name: rng.poisson(rate * active) for name, rate in rates.items()}
    available = np.bincount(contacts["account"].to_numpy(), minlength=accounts.height)[account]
    counts["contact"] = np.where(rng.random(size) < 0.35, 1, np.minimum(available, rng.integers(1, 5, size)))
    extra = sum(effect * np.minimum(counts[name], ACTION_CAP) for name, effect in ACTION_EFFECTS.items())
    logit = base + extra + np.array(list(REGIME_EFFECTS.values()))[regime]
    is_won = rng.random(size) < sigmoid(logit)
    product = rng.integers(len(_PRODUCTS), size=size)
    opened = np.concatenate([(won["created"] + won["life"]).to_numpy(), rng.uniform(0, horizon, len(direct))])
    shares = np.column_stack([rng.uniform(low, high, size) for low, high in _STAGE_SHARES])
    entered = opened[:, None] + shares * life[:, None]
    return pl.DataFrame(
        {
            "deal": np.arange(size),
            "account": account,
            "contact": np.concatenate([won["contact"].to_numpy(), _primary(rng, contacts, direct)]),
            "rep": seller,
            "lead": pl.concat([won["lead"], pl.Series("lead", [None] * len(direct), dtype=won["lead"].dtype)]),
            "opened": opened,
            "planned_end": opened + life * np.exp(rng.normal(-0.15, 0.35, size)),
            "qualification_at": entered[:, 0],
            "proposal_at": entered[:, 1],
            "negotiation_at": entered[:, 2],
            "life": life,
            "won": is_won,
            "reached": np.where(is_won, 3, rng.integers(0, 4, size)),
            "regime": np.array(_REGIMES)[regime],
            "turn": turn,
            "interest": interest,
            "product": np.array(list(_PRODUCTS))[product],
            "value": _hundreds(np.array(list(_PRODUCTS.values()))[product] * np.exp(rng.normal(0, 0.3, size))) * 100,
            "base_logit": base,
            "logit": logit,
            "win_probability": sigmoid(logit),
            **{f"{name}s": values for name, values in counts.items()},
        }
    )
