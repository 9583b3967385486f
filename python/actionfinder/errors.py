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
        others = len(self.reasons) - 1
        if rows == 1:
            subject = "the star has"
        elif others == 0:
            subject = f"row {first} has"
        else:
            subject = f"row {first} and {others} other{'s' * (others > 1)} have"
        super().__init__(f"{subject} no {what}: {self.reasons[first]}")


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
