"""How much a tenant's own shape weighs against what other tenants lend, by the number of outcomes on either side.

Belongs here: that weight, and what is said while nobody has an outcome. What is lent, and what a tenant makes of it, is
`lending`; tenants that opted out neither give nor take.
"""

LEAST = 20  # outcomes below which a tenant's own shape is not tried at all
HALF_WAY = 100.0  # further outcomes at which own shape and a lender's who knows nobody weigh the same
LENT_HALF_WAY = 500.0  # and a lender's who knows many tenants
START_RATE = 0.25  # the rate assumed while nobody has an outcome
_MANY = 5.0  # tenants that lend, at which it is in the middle between both


def own_weight(outcomes: int, lending: int) -> float:
    """The share of the tenant's own shape, where `lending` tenants lend: 0 up to `LEAST`, then rising without a
    jump."""
    beyond = max(0, outcomes - LEAST)
    half_way = HALF_WAY + (LENT_HALF_WAY - HALF_WAY) * lending / (lending + _MANY)
    return beyond / (beyond + half_way)
