"""What can go wrong with duplicates."""

from bevyly.errors import Conflict


class PossibleDuplicate(Conflict):
    """The record is probably there already; the context names the candidates."""

    code = "possible_duplicate"
