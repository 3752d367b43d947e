"""Training one score for all tenants: pool, own shapes, calibration, display.

Belongs here: the order of the steps. Each step is a file of its own; what one score is about is its recipe.

Per tenant: the pooled shape of the *other* tenants is the prior; the own shape, chosen by later folds, weighs in with
the number of outcomes; an affine map, fitted to predictions on later rows than taught them, makes it a probability. The
newest rows weigh more than those before only where that foretells the very newest better (`recency`, ADR 34). Tenants
in `opted_out` neither give nor take.
"""

from collections.abc import Collection, Iterable
from dataclasses import asdict, dataclass, replace
from datetime import datetime

import numpy as np
import polars as pl
from joblib import Parallel, delayed
from threadpoolctl import threadpool_limits

from models import bands, display, metrics, pooling, signs
from models.additive import AdditiveClassifier
from models.calibration import AffineCalibrator, sigmoid
from models.contracts import Role, check
from models.encoding import FrameEncoder
from models.heads import Facts, Head, coded
from models.labels import Labelled, label
from models.lending import Lender, Personal, lender_of, lender_of_nobody, personal
from models.merging import Shape, flat, merged, shape_of
from models.recency import recency
from models.recipe import Recipe
from models.schema import RECIPES
from models.scoring import TrainedModel, Window
from models.selection import STURDY, Choice, Rows, choose, fitted

BAGS = 5
_LARGE_SHARE = 0.1  # of the pool: from here on a tenant's prior is refitted without it
_MANY = 5  # tenants of the pool, from which on whole tenants are drawn for the bootstrap
_POOL_CAP = 2000.0  # entities after which a tenant counts no more in the pool
Marts = tuple[pl.DataFrame, pl.DataFrame]
"""Snapshots and outcomes."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What a training run was asked for."""

    recipe: Recipe
    seed: int
    bags: int
    doubtful: bool


def train(
    score_type: str,
    snapshots: pl.DataFrame,
    outcomes: pl.DataFrame,
    *,
    as_of: datetime,
    seed: int = 0,
    opted_out: Collection[str] = (),
    doubtful: bool = False,
    bags: int = BAGS,
) -> TrainedModel:
    """Train `score_type` from the snapshot and outcome marts, as known at `as_of` (aware). Same input, same model.

    doubtful: whether custom fields prefixed `doubtful_` may be read. bags: bootstrap fits behind the intervals.
    Raises LeakingColumns, MissingColumns. Tenants without outcomes, and tenants not seen here, are scored by the prior.
    """
    recipe = RECIPES[score_type]
    check(snapshots, recipe.contract)
    ended = {tenant: rows for (tenant,), rows in outcomes.group_by("customer_id")}
    parts = snapshots.sort("customer_id").group_by("customer_id", maintain_order=True)
    return train_apart(
        score_type,
        (snapshots.filter(~pl.col("customer_id").is_in(list(opted_out))), outcomes),
        ((str(tenant), (seen, ended.get(tenant, outcomes.clear()))) for (tenant,), seen in parts),
        as_of=as_of,
        seed=seed,
        opted_out=opted_out,
        doubtful=doubtful,
        bags=bags,
    )


def train_apart(
    score_type: str,
    pool: Marts,
    tenants: Iterable[tuple[str, Marts]],
    *,
    as_of: datetime,
    seed: int = 0,
    opted_out: Collection[str] = (),
    doubtful: bool = False,
    bags: int = BAGS,
    workers: int = 1,
) -> TrainedModel:
    """As `train`, from what the `pool` may read of all tenants and, one tenant after the other, from its own marts.

    workers: how many tenants are learned from at a time, each in a thread. Nothing is held but the pool and those.
    """
    settings = Settings(recipe=RECIPES[score_type], seed=seed, bags=bags, doubtful=doubtful)
    common = _labelled(pool, settings.recipe, as_of)
    shared = lender_from(common, settings)
    nobody = common.where(np.zeros(len(common.y), dtype=bool))
    window = Window.of(settings.recipe, nobody, as_of=as_of, seed=seed)

    def learn(tenant: str, marts: Marts) -> tuple[str, Head, Window]:
        own = _labelled(marts, settings.recipe, as_of)
        alone = tenant in opted_out
        # many small fits: threads of one fit wait for each other longer than they work; OpenMP asks each thread anew
        with threadpool_limits(limits=1, user_api="openmp"):
            lent = (
                _nobody(shared.shape.encoder, pooling.START_RATE) if alone else _lent(common, tenant, shared, settings)
            )
            head = head_of(own, marts[0], lent, settings)
        return tenant, head, Window.of(settings.recipe, own, as_of=as_of, seed=seed)

    learning = Parallel(n_jobs=workers, prefer="threads", pre_dispatch="n_jobs", return_as="generator")
    heads = {}
    for tenant, head, part in learning(delayed(learn)(tenant, marts) for tenant, marts in tenants):
        heads[tenant] = head
        window += part
    newcomer = head_of(nobody, pool[0].clear(), shared, settings)
    return TrainedModel.of(settings.recipe, heads=heads, newcomer=newcomer, window=window)


def _labelled(marts: Marts, recipe: Recipe, as_of: datetime) -> Labelled:
    snapshots, outcomes = marts
    check(snapshots, recipe.contract)
    return label(recipe, snapshots, outcomes, as_of=as_of)


def _logit(rate: float) -> float:
    return float(np.log(rate / (1 - rate)))


def _encoder(frame: pl.DataFrame, settings: Settings, *, learned: bool) -> FrameEncoder:
    recipe = settings.recipe
    least = max(5, min(20, frame.height // 50))
    encoder = FrameEncoder(recipe.contract, recipe.roles, learned=learned, doubtful=settings.doubtful, min_count=least)
    return encoder.fit(frame)


def _rows(encoder: FrameEncoder, labelled: Labelled, weight: np.ndarray | None = None) -> Rows:
    values = encoder.transform(labelled.frame)
    age = encoder.position("age_days") if Role.CONTEXT in encoder.roles else None
    varies = age is not None and len(np.unique(np.round(values[:, age]))) > 1
    return Rows(
        X=values,
        y=labelled.y,
        entity=labelled.entity,
        created=labelled.created,
        categorical=encoder.categorical,
        context=age if varies else None,
        weight=np.ones(len(labelled.y)) if weight is None else weight,
    )


def _teachable(labelled: Labelled) -> bool:
    return labelled.entities >= pooling.LEAST and np.ptp(labelled.y) > 0


def _nobody(encoder: FrameEncoder, rate: float) -> Lender:
    return lender_of_nobody(flat(encoder, _logit(rate)))


def lender_from(pool: Labelled, settings: Settings) -> Lender:
    """What all tenants of `pool` have in common, on shared columns only, and how they differ."""
    encoder = _encoder(pool.frame, settings, learned=False)
    if not _teachable(pool):
        return _nobody(encoder, float((pool.y.sum() + 4 * pooling.START_RATE) / (len(pool.y) + 4)))
    ids = pool.frame["customer_id"]
    counts = pool.frame.select(pl.len().over("customer_id")).to_series().to_numpy()
    rows = _rows(encoder, pool, np.minimum(1.0, _POOL_CAP / counts))
    if ids.n_unique() >= _MANY:
        rows = replace(rows, entity=ids.rank("dense").to_numpy())
    shape = shape_of(encoder, fitted(STURDY, rows, bags=settings.bags, seed=settings.seed))
    return lender_of(shape, [pool.where((ids == tenant).to_numpy()) for tenant in ids.unique().sort()])


def _lent(pool: Labelled, tenant: str, shared: Lender, settings: Settings) -> Lender:
    """The pool's, made again without `tenant` where that makes much of the pool."""
    its = (pool.frame["customer_id"] == tenant).to_numpy()
    if not its.any() or its.sum() < _LARGE_SHARE * len(its):
        return shared
    return lender_from(pool.where(~its), replace(settings, bags=0))


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """Raw logits to calibrate on, their weights, and which of them were said before their outcome was learned."""

    raw: np.ndarray
    weight: np.ndarray
    later: np.ndarray


def head_of(own: Labelled, seen: pl.DataFrame, lender: Lender, settings: Settings) -> Head:
    """A tenant's head from its labelled rows, all rows `seen` of it, and what the pool lends."""
    lent = personal(lender, own)
    evidence = Evidence(raw=lent.forward, weight=np.ones(len(own.y)), later=np.ones(len(own.y), dtype=bool))
    shape, facts, share = lent.shape, _facts_of_nobody(), 0.0
    if _teachable(own):
        share = pooling.own_weight(own.entities, lender.tenants)
        shape, evidence, name = _own_shape(own, lent, share, settings)
        facts = replace(facts, learner=name, own_weight=share)
    calibrator = _calibrated(evidence, own, share)
    values = shape.encoder.transform(seen)
    if seen.height:
        shape = replace(shape, tables=shape.tables.centred(coded(shape, values), np.ones(seen.height)))
    head = Head(
        shape=shape,
        offset=calibrator.offset_,
        slope=calibrator.slope_,
        # level and steepness are among the directions of what is lent: their doubt is not counted twice
        covariance=calibrator.covariance_ if lender.directions.size == 1 else np.zeros((2, 2)),
        scale=bands.Scale.of(np.empty(0), 0.0),
        norms=_norms(shape.encoder, values),
        seen=_seen(values),
        facts=_judged(facts, calibrator.transform(evidence.raw), evidence.later, own, settings.seed),
        doubt=lent.doubt_on(shape),
    )
    scored = head.apply(values)
    taught = shape.encoder.transform(own.frame)
    return replace(
        head,
        scale=bands.Scale.of(scored.logit, scored.baseline),
        contrary=signs.contrary(settings.recipe.contract, shape.encoder.features_, scored.values, scored.parts, taught),
    )


def _own_shape(own: Labelled, lent: Personal, share: float, settings: Settings) -> tuple[Shape, Evidence, str]:
    """The merged shape, the evidence to calibrate it on, the learner's name."""
    encoder = _encoder(own.frame, settings, learned=True)
    rows = _rows(encoder, own)
    choice = choose(rows, seed=settings.seed)
    model = fitted(choice.name, rows, bags=settings.bags, seed=settings.seed)
    return (
        merged(shape_of(encoder, model), lent.shape, share),
        _evidence(choice, model, lent.forward, share),
        choice.name,
    )


def _evidence(choice: Choice, model: AdditiveClassifier, lent_raw: np.ndarray, share: float) -> Evidence:
    """Logits as they would have been said before the outcome.

    The oldest rows had no such logit; they stand at the own model's mean, and count only for little-known tenants.
    """
    later = ~np.isnan(choice.logit)
    raw = share * np.where(later, choice.logit, model.baseline_) + (1 - share) * lent_raw
    return Evidence(raw=raw, weight=np.where(later, 1.0, 1.0 - share), later=later)


def _calibrated(evidence: Evidence, own: Labelled, share: float) -> AffineCalibrator:
    """The affine map; an entity counts once however many snapshots it has, for they are not independent.

    What is lent is a probability already: the map is as free as the own shape's share.
    """
    repeats = max(len(own.y) / max(own.entities, 1), 1.0)
    calibrator = AffineCalibrator(offset_sd=max(share, 1e-6), slope_sd=max(0.5 * share, 1e-6))
    weight = evidence.weight / repeats
    weight *= recency(calibrator, evidence.raw, own.y, weight=weight, created=own.created, later=evidence.later)
    return calibrator.fit(evidence.raw, own.y, sample_weight=weight)


def _norms(encoder: FrameEncoder, values: np.ndarray) -> np.ndarray:
    """Median of a number, commonest code of a level; NaN where never known."""
    norms = np.full(len(encoder.features_), np.nan)
    for j, feature in enumerate(encoder.features_):
        known = values[~np.isnan(values[:, j]), j]
        if len(known):
            norms[j] = np.median(known) if feature.levels is None else np.bincount(known.astype(int)).argmax()
    return norms


def _seen(values: np.ndarray) -> np.ndarray:
    """Least, lower quartile, median and greatest value of each feature (features, 4); NaN where never known."""
    seen = np.full((values.shape[1], 4), np.nan)
    for j in range(values.shape[1]):
        known = values[~np.isnan(values[:, j]), j]
        if len(known):
            seen[j] = np.quantile(known, (0.0, 0.25, 0.5, 1.0), method="lower")
    return seen


def _facts_of_nobody() -> Facts:
    verdict, reason = display.decide(None)
    return Facts(
        outcomes=0,
        rate=float("nan"),
        own_weight=0.0,
        learner="prior",
        display=verdict,
        display_reason=reason,
        metrics={},
        reliability=[],
    )


def _judged(facts: Facts, logit: np.ndarray, later: np.ndarray, own: Labelled, seed: int) -> Facts:
    """`facts` with metrics on the rows that were predicted before they were learned, and the display they allow."""
    if not later.any():
        return facts
    y, p = own.y[later], sigmoid(logit[later])
    found = metrics.measure(y, p, groups=own.entity[later], seed=seed)
    verdict, reason = display.decide(found)
    return replace(
        facts,
        outcomes=own.entities,
        rate=float(own.y.mean()),
        display=verdict,
        display_reason=reason,
        metrics=_flat(found),
        reliability=metrics.reliability(y, p),
    )


def _flat(found: metrics.Metrics) -> dict[str, float]:
    """Metrics as name → number, with `_low` and `_high` beside each estimate."""
    numbers: dict[str, float] = {}
    for name, value in asdict(found).items():
        if isinstance(value, dict):
            numbers |= {name: value["value"], f"{name}_low": value["low"], f"{name}_high": value["high"]}
        else:
            numbers[name] = float(value)
    return numbers
