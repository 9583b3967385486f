"""What fails: rows, by their numbers and reasons."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

Errors = Literal["nan", "raise"]
"""What comes of rows without an answer: ``"nan"`` in their place and a reason each, or ``"raise"`` for a `RowError`."""


class RowError(ValueError):
    """Rows have no answer; ``reasons`` says of each, by its number, why."""

    def __init__(self, what: str, rows: int, reasons: Mapping[int, str]) -> None:
        self.reasons = dict(reasons)
        first = min(self.reasons)
        subject = "the star has" if rows == 1 else f"{len(self.reasons)} of {rows} rows have"
        where = "" if rows == 1 else f"row {first}: "
        super().__init__(f"{subject} no {what}; {where}{self.reasons[first]}")


class DefinitionError(ValueError):
    """A potential is written down wrongly; the message says where."""


class ResultsError(OSError):
    """A run, a stage, an output or a file of the results is not there, or is not what it should be."""


def told(what: str, rows: int, reasons: Sequence[tuple[int, str]], errors: Errors) -> dict[int, str]:
    """The reasons by row; raises them if that is asked for."""
    if errors not in ("nan", "raise"):
        raise ValueError(f'errors must be "nan" or "raise", not {errors!r}')
    found = dict(reasons)
    if found and errors == "raise":
        raise RowError(what, rows, found)
    return found
