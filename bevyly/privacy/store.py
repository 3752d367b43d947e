"""A store: one table, and where in it a person can be. What each table is belongs into `catalogue`."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class Store:
    """Where a table can hold somebody, and what an erasure makes of it. SQL names the row `t`.

    Parameters of all SQL: `ids` (records that are the person, and activities with nobody but them), `persons` (those
    that are contacts and leads), `near` (`ids`, and activities in which they only took part), `emails`, `marks`, and
    the patterns `mention` and `loose`.
    """

    table: str
    nothing: str = ""
    """Why nobody can be in it. Everything else stays empty then."""
    about: tuple[str, ...] = ()
    """Expressions with one id each: where it is one of `ids`, the row is about the person."""
    named: tuple[str, ...] = ()
    """Columns that hold one e-mail address: where it is theirs, the row is about the person."""
    match: str = ""
    """Any other condition under which a row is about the person."""
    whole: bool = False
    """Whether a row that mentions the person in `texts` is about them, all of it."""
    near: tuple[str, ...] = ()
    """Expressions with one id each: where it is one of `near`, the row belongs in an export, and is redacted."""
    texts: tuple[str, ...] = ()
    """Columns (text, JSON, bytes, arrays of text) in which the person can be mentioned: mentions are redacted."""
    becomes: Mapping[str, str] = field(default_factory=dict)
    """What a row about the person becomes, by column; without it the row is deleted."""
    bump: Mapping[str, str] = field(default_factory=dict)
    """What changes along with a redaction."""
    cut: tuple[str, ...] = ()
    """Columns (an id, or ids) out of which ids of the person are taken. Foreign keys are cut without being named."""
    spare: str = ""
    """A condition under which a row is left alone, whatever it says."""
    secret: tuple[str, ...] = ()
    """Columns that no export shows: secrets of ours, or other people's data."""
    function: str = ""
    """The function that erases, where no role may: it takes tenant, pattern and hints of `patterns`, and counts."""
