"""Features that a head weighs against the sign that the contract agrees on: to be told, not hidden.

Belongs here: finding them. A chance pattern of few rows looks like that, and so does a habit of the tenant's that
nobody thought of; the number of rows behind it helps to tell.
"""

import numpy as np

from models.contracts import Contract
from models.encoding import Feature

AGREED = -1  # in place of a number of rows
_LEAST_SPREAD = 0.02  # logits, standard deviation over rows: below it a feature says nothing, either way


def contrary(
    contract: Contract, features: tuple[Feature, ...], values: np.ndarray, parts: np.ndarray, taught: np.ndarray
) -> np.ndarray:
    """int64 (features,): labelled rows with a value, of `taught`, where the sign is contrary; else `AGREED`.

    values, parts: encoded rows and their contributions (rows, features); taught: encoded labelled rows of the tenant.
    """
    signs = {column.name: column.sign for column in contract.columns}
    found = np.full(len(features), AGREED, dtype=np.int64)
    for j, feature in enumerate(features):
        known = ~np.isnan(values[:, j])
        sign = signs.get(feature.name, 0)
        if not sign or not known.any() or np.ptp(values[known, j]) == 0 or np.std(parts[known, j]) < _LEAST_SPREAD:
            continue
        _, rank = np.unique(values[known, j], return_inverse=True)
        if sign * float(np.cov(rank, parts[known, j])[0, 1]) < 0:
            found[j] = int((~np.isnan(taught[:, j])).sum())
    return found
