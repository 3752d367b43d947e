"""Two step functions as one: exact on every row."""

import numpy as np
import pytest

from models.additive import AdditiveClassifier
from models.contracts import LEAD, Role
from models.encoding import FrameEncoder
from models.heads import coded
from models.merging import flat, merged, shape_of

ROLES = (Role.CONTEXT, Role.CREATION, Role.ENGAGEMENT, Role.ATTRIBUTES)


@pytest.mark.parametrize("weight", [0.0, 0.3, 1.0])
def test_merged_is_the_weighted_sum_of_both(marts, weight):
    (mine, ended), (theirs, theirs_ended) = marts(moments=(0, 7)), marts(tenant="t2", seed=2, moments=(0, 3))
    own, shared = FrameEncoder(LEAD, ROLES).fit(mine), FrameEncoder(LEAD, ROLES, learned=False).fit(theirs)
    shapes = []
    for encoder, frame, outcomes in ((own, mine, ended), (shared, theirs, theirs_ended)):
        y = (frame.join(outcomes, on="lead_id", how="left", maintain_order="left")["outcome"] == "won").to_numpy()
        model = AdditiveClassifier(
            categorical=encoder.categorical, context=encoder.position("age_days"), learner="spline", bags=2
        )
        shapes.append(shape_of(encoder, model.fit(encoder.transform(frame), y.astype(int))))
    one = merged(shapes[0], shapes[1], weight)
    separate = [shape.tables.logit(coded(shape, shape.encoder.transform(mine))) for shape in shapes]
    together = one.tables.logit(coded(one, own.transform(mine)))
    np.testing.assert_allclose(together, weight * separate[0] + (1 - weight) * separate[1], rtol=0, atol=1e-12)
    doubts = [shape.variance.logit(coded(shape, shape.encoder.transform(mine))) for shape in shapes]
    doubt = one.variance.logit(coded(one, own.transform(mine)))
    # the most that it can be, however far both err alike
    np.testing.assert_allclose(doubt, weight * doubts[0] + (1 - weight) * doubts[1], rtol=0, atol=1e-12)


def test_flat_says_one_thing_of_everything(marts):
    frame, _ = marts(n=20)
    shape = flat(FrameEncoder(LEAD, ROLES).fit(frame), -1.5)
    assert set(shape.tables.logit(coded(shape, shape.encoder.transform(frame)))) == {-1.5}
