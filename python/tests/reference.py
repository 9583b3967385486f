"""Reference figures of the repository."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

REFERENCE = Path(__file__).parents[2] / "tests" / "reference"


def reference(name: str) -> dict[str, np.ndarray]:
    """Columns of a table of the repository's reference figures."""
    with open(REFERENCE / f"{name}.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    return {column: np.array([float(row[column]) for row in rows]) for column in rows[0]}


def columns(table: dict[str, np.ndarray], *names: str) -> np.ndarray:
    """Some of them beside each other."""
    return np.stack([table[name] for name in names], axis=-1)


def three(table: dict[str, np.ndarray], prefix: str) -> np.ndarray:
    """A vector in the order φ, z, r."""
    return columns(table, *(f"{prefix}_{component}" for component in ("phi", "z", "r")))


def stars_of(table: dict[str, np.ndarray]) -> np.ndarray:
    """Positions and velocities."""
    return columns(table, "x", "y", "z", "vx", "vy", "vz")


def angle_between(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Differences of angles, in [−π, π]."""
    return (a - b + np.pi) % (2 * np.pi) - np.pi
