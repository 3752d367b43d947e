"""Errors of approval policies."""

from bevyly.errors import Conflict


class TooManyPolicies(Conflict):
    """The tenant has as many policies in force as it may have."""

    code = "too_many_approval_policies"
