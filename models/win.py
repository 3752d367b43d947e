"""The win probability of an opportunity: will it end won rather than lost, from all that is known so far?"""

from models.contracts import Role
from models.recipe import Recipe

RECIPE = Recipe(
    score_type="win",
    entity="opportunity",
    roles=(Role.CONTEXT, Role.CREATION, Role.PROGRESS, Role.ENGAGEMENT, Role.OUTREACH, Role.ATTRIBUTES),
    question="Of opportunities in this state, how many end won?",
)
