"""What makes one score: whose, from which columns, for which outcome. The four recipes are in files of their own names.

Belongs here: the shape of a recipe, and finding one by score type.
"""

from dataclasses import dataclass

from models.contracts import CONTRACTS, Contract, Role


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """One score. `horizon_days` None: the label is how the entity ended; else whether it was won within that many
    days.
    """

    score_type: str
    entity: str
    roles: tuple[Role, ...]
    question: str
    horizon_days: float | None = None

    @property
    def contract(self) -> Contract:
        return CONTRACTS[self.entity]
