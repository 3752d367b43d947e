"""Cells of files for spreadsheets: a text that a spreadsheet would take for a formula gets an apostrophe before it."""

from typing import TypeVar

RISKY = ("=", "+", "-", "@", "\t", "\r")
"""First characters of what a spreadsheet runs."""
Cell = TypeVar("Cell")


def harmless(cell: Cell) -> Cell | str:
    """`cell` as it may be opened anywhere."""
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(RISKY) else cell
