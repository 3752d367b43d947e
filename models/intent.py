"""The intent score of a lead: does its engagement, and nothing else, announce a win within thirty days?"""

from models.contracts import Role
from models.recipe import Recipe

RECIPE = Recipe(
    score_type="intent",
    entity="lead",
    roles=(Role.CONTEXT, Role.ENGAGEMENT),
    question="Of leads that engage like this, how many are won within 30 days?",
    horizon_days=30.0,
)
