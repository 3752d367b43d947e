"""The fit score of a lead: does it look like those that were won, judged only by what was known when it was created?"""

from models.contracts import Role
from models.recipe import Recipe

RECIPE = Recipe(
    score_type="fit",
    entity="lead",
    roles=(Role.CREATION, Role.ATTRIBUTES),
    question="Among leads like this one at creation, how many were won?",
)
