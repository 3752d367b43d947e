"""A tenant's own additive model and the pooled one as one function: weighted, over the union of their bins.

Belongs here: that union. It is exact, because both are step functions; so a merged model scores and explains like any
other.
"""

from dataclasses import dataclass

import numpy as np

from models.additive import AdditiveClassifier
from models.binning import MISSING
from models.encoding import FrameEncoder
from models.tables import Tables, mixed


@dataclass(frozen=True, kw_only=True)
class Shape:
    """A raw additive logit over encoded columns, with the variance of its parts."""

    encoder: FrameEncoder
    edges: list[np.ndarray]
    tables: Tables
    variance: Tables


def flat(encoder: FrameEncoder, logit: float) -> Shape:
    """The shape that says `logit` of everything: what is known where nobody has an outcome."""
    sizes = [np.zeros(2) for _ in encoder.features_]
    return Shape(
        encoder=encoder,
        edges=[np.empty(0)] * len(sizes),
        tables=Tables(logit, sizes),
        variance=Tables(0.0, sizes),
    )


def shape_of(encoder: FrameEncoder, model: AdditiveClassifier) -> Shape:
    """The shape of a fitted model."""
    return Shape(encoder=encoder, edges=model.binner_.edges_, tables=model.tables_, variance=model.variance_)


def merged(own: Shape, pooled: Shape, weight: float) -> Shape:
    """weight × own + (1 - weight) × pooled, on the features of `own`; those of `pooled` must be among them.

    So is the variance, which is the most that it can be: both learned from outcomes of the tenant, and err alike.
    """
    places = {j: own.encoder.position(feature.name) for j, feature in enumerate(pooled.encoder.features_)}
    at = {j: place for j, place in places.items() if place is not None}
    edges = list(own.edges)
    for j, place in at.items():
        edges[place] = np.union1d(own.edges[place], pooled.edges[j])
    own_maps = {place: _map(edges[place], own.edges[place]) for place in range(len(edges))}
    pooled_maps = {j: _map(edges[place], pooled.edges[j]) for j, place in at.items()}

    def both(mine: Tables, theirs: Tables, mine_weight: float, theirs_weight: float) -> Tables:
        first = mine.rebinned(own_maps, len(edges), {place: place for place in own_maps})
        return mixed([(mine_weight, first), (theirs_weight, theirs.rebinned(pooled_maps, len(edges), at, like=first))])

    return Shape(
        encoder=own.encoder,
        edges=edges,
        tables=both(own.tables, pooled.tables, weight, 1 - weight),
        variance=both(own.variance, pooled.variance, weight, 1 - weight),
    )


def rebinning(shape: Shape, part: Shape) -> tuple[dict[int, int], dict[int, np.ndarray]]:
    """Of each feature of `part` its place in `shape`, and for each code there the code here; edges of `part` are among
    those of `shape`."""
    names = [feature.name for feature in shape.encoder.features_]
    places = {j: names.index(feature.name) for j, feature in enumerate(part.encoder.features_)}
    return places, {j: _map(shape.edges[place], part.edges[j]) for j, place in places.items()}


def _map(union: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """For each code over `union`, the code over `edges`; a bin is known by its right end."""
    return np.concatenate([[MISSING], np.searchsorted(edges, np.append(union, np.inf), side="left") + 1])
