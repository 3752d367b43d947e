"""What tenants lend each other: a shape, and how far a tenant may be from it; and what a tenant makes of that.

Belongs here: putting the pool's shape, the distribution between tenants and one tenant's outcomes together. Without
outcomes a tenant has what is common, with all the doubt between tenants; each outcome moves it and lessens the doubt.
Only numbers shared by all marts are lent, never a tenant's words.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from models.directions import Directions, Doubt, directions_of
from models.heads import coded
from models.labels import Labelled
from models.merging import Shape
from models.random_effects import Normal, Outcomes, between_tenants, posterior
from models.splits import forward_folds
from models.tables import mixed

LEAST = 20  # outcomes from which a tenant tells how tenants differ: fewer would make them seem alike
_FOLDED = 5  # outcomes from which some are older than others
MOST, TENANTS = 500, 100  # rows of a tenant that are asked for it, the newest; tenants, those with most outcomes
_LEVEL_SD, _STEEPNESS_SD, _LINE_SD = 1.0, 0.3, 0.25  # assumed between tenants until they tell
_UNKNOWN_SD = 0.8  # of the logits of one tenant's entities, assumed while nobody tells them apart


@dataclass(frozen=True, kw_only=True)
class Lender:
    """A shape of so many `tenants`, directions in which one differs from it, and the distribution of deviations."""

    tenants: int
    shape: Shape
    directions: Directions
    prior: Normal


@dataclass(frozen=True, kw_only=True)
class Personal:
    """What a tenant makes of what it is lent: the shape with its deviations, and the doubt in them.

    forward: logits (rows,) of its labelled rows, each from outcomes of older entities only.
    """

    shape: Shape
    doubt: Doubt
    forward: np.ndarray

    def doubt_on(self, shape: Shape) -> Doubt:
        """The doubt over the bins of `shape`, of which this one is a part.

        Not lessened by that part: an own shape knows no more of the tenant than its outcomes told.
        """
        return replace(self.doubt, directions=self.doubt.directions.on(self.shape, shape))


def lender_of_nobody(shape: Shape) -> Lender:
    """A lender who knows of no tenant: the level is open, and what features are worth is not known at all."""
    prior = Normal(mean=np.zeros(1), covariance=np.array([[_LEVEL_SD**2]]))
    unknown = replace(shape, variance=replace(shape.variance, intercept=_UNKNOWN_SD**2))
    return Lender(tenants=0, shape=unknown, directions=Directions(1, ()), prior=prior)


def lender_of(shape: Shape, tenants: Sequence[Labelled]) -> Lender:
    """The lender of a `shape` learned from `tenants`."""
    recent = [_recent(tenant) for tenant in tenants]
    codes = [coded(shape, shape.encoder.transform(tenant.frame)) for tenant in recent]
    directions = directions_of(shape, np.vstack(codes))
    assumed = np.full(directions.size, _LINE_SD)
    assumed[:2] = _LEVEL_SD, _STEEPNESS_SD
    telling = sorted((tenant for tenant in recent if tenant.entities >= LEAST), key=lambda one: -one.entities)[:TENANTS]
    told = [_outcomes(tenant, shape, directions) for tenant in telling]
    return Lender(tenants=len(told), shape=shape, directions=directions, prior=between_tenants(told, assumed))


def personal(lender: Lender, own: Labelled) -> Personal:
    """What the tenant of `own` makes of what `lender` has."""
    told = _outcomes(own, lender.shape, lender.directions)
    found = posterior(told, lender.prior)
    left = _doubt_left(told.design, lender.prior, found) if lender.tenants else 1.0
    return Personal(
        shape=replace(
            lender.directions.added(lender.shape, found.mean), variance=mixed([(left, lender.shape.variance)])
        ),
        doubt=Doubt(directions=lender.directions, factor=np.linalg.cholesky(found.covariance)),
        forward=_forward(lender, told, own),
    )


def _doubt_left(design: np.ndarray, prior: Normal, found: Normal) -> float:
    """The share of the doubt before any outcome that is left on the tenant's rows, 1 without any.

    What outcomes tell is the sum of shape and deviations: they lessen the doubt in the one as that in the other.
    """
    if not len(design):
        return 1.0
    before, after = (((design @ one.covariance) * design).sum() for one in (prior, found))
    return float(after / before)


def _forward(lender: Lender, told: Outcomes, own: Labelled) -> np.ndarray:
    logit = lender.prior.logit(told)
    if own.entities >= _FOLDED:
        for before, after in forward_folds(own.created, own.entity):
            logit[after] = posterior(told[before], lender.prior).logit(told[after])
    return logit


def _outcomes(own: Labelled, shape: Shape, directions: Directions) -> Outcomes:
    """An entity counts once however many rows it has, for they are not independent."""
    codes = coded(shape, shape.encoder.transform(own.frame))
    repeats = max(len(own.y) / max(own.entities, 1), 1.0)
    return Outcomes(
        offset=shape.tables.logit(codes),
        design=directions.design(codes),
        y=own.y.astype(float),
        weight=np.full(len(own.y), 1.0 / repeats),
    )


def _recent(tenant: Labelled) -> Labelled:
    if len(tenant.y) <= MOST:
        return tenant
    return tenant.where(tenant.created >= np.partition(tenant.created, -MOST)[-MOST])
