"""Tables of results: Parquet files whose columns say their unit, frame and meaning."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import numpy as np

from .errors import ResultsError
from .units import Array

if TYPE_CHECKING:
    import pandas
    import pyarrow
    from astropy.table import QTable

CARTESIAN = ("x", "y", "z", "vx", "vy", "vz")
ACTIONS = ("J_phi", "J_z", "J_r")
ANGLES = ("theta_phi", "theta_z", "theta_r")
FREQUENCIES = ("Omega_phi", "Omega_z", "Omega_r")


class Table:
    """A table; ``table["J_r"]`` is a column as an array. Needs pyarrow."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        import pyarrow.parquet

        self.path = os.fspath(path)
        """The file."""
        try:
            self.arrow: pyarrow.Table = pyarrow.parquet.read_table(self.path)
        except (OSError, pyarrow.ArrowException) as error:
            raise ResultsError(f"{self.path} cannot be read as a Parquet table: {error}") from None

    def __len__(self) -> int:
        return int(self.arrow.num_rows)

    @property
    def columns(self) -> list[str]:
        """Names of the columns."""
        return list(self.arrow.column_names)

    @property
    def units(self) -> dict[str, str]:
        """Units of the columns that have one, as the program writes them."""
        return self._told("unit")

    @property
    def frames(self) -> dict[str, str]:
        """Frames of the columns that have one."""
        return self._told("frame")

    @property
    def descriptions(self) -> dict[str, str]:
        """What the columns are."""
        return self._told("description")

    def _told(self, key: str) -> dict[str, str]:
        said = ((column.name, (column.metadata or {}).get(key.encode(), b"").decode()) for column in self.arrow.schema)
        return {name: text for name, text in said if text}

    def __getitem__(self, name: str) -> np.ndarray[Any, Any]:
        if name not in self.arrow.column_names:
            raise KeyError(f"{self.path} has no column {name}; it has {', '.join(self.columns)}")
        found: np.ndarray[Any, Any] = self.arrow.column(name).to_numpy()
        return found

    def rows(self, *names: str) -> Array:
        """Some columns beside each other, (rows, columns)."""
        return np.stack([np.asarray(self[name], dtype=np.float64) for name in names], axis=-1)

    @property
    def xv(self) -> Array:
        """Positions and velocities, (rows, 6), kpc and km/s."""
        return self.rows(*CARTESIAN)

    @property
    def actions(self) -> Array:
        """Actions, (rows, 3), km/s kpc, in the order φ, z, r."""
        return self.rows(*ACTIONS)

    @property
    def angles(self) -> Array:
        """Angles, (rows, 3), radians, in the order φ, z, r."""
        return self.rows(*ANGLES)

    @property
    def frequencies(self) -> Array:
        """Frequencies, (rows, 3), km/s/kpc, in the order φ, z, r."""
        return self.rows(*FREQUENCIES)

    def to_pandas(self) -> pandas.DataFrame:
        """A data frame; units and descriptions are in its ``attrs``."""
        frame: pandas.DataFrame = self.arrow.to_pandas()
        frame.attrs.update(units=self.units, descriptions=self.descriptions)
        return frame

    def to_qtable(self) -> QTable:
        """An astropy table with units and descriptions; missing numbers are masked."""
        from astropy.table import Column, MaskedColumn, QTable

        table = QTable(meta={"path": self.path})
        units, descriptions = self.units, self.descriptions
        for name, column in zip(self.columns, self.arrow.columns, strict=True):
            values, missing = column.to_numpy(), np.asarray(column.is_null())
            if missing.any() and values.dtype.kind == "O":
                values = np.array(["" if gone else value for value, gone in zip(values, missing, strict=True)])
            made = MaskedColumn(values, mask=missing) if missing.any() else Column(values)
            made.description = descriptions.get(name)
            if name in units:
                made.unit = astropy_unit(units[name])
            table[name] = made
        return table

    def _repr_html_(self) -> str:
        found: str = self.to_pandas().head(10).to_html()
        return found

    def __repr__(self) -> str:
        units = self.units
        columns = ", ".join(f"{name} [{units[name]}]" if name in units else name for name in self.columns)
        return f"Table({len(self)} rows: {columns})"


def astropy_unit(unit: str) -> Any:
    """A unit of the program's tables as astropy has it: after a slash comes one unit, and a space multiplies."""
    from astropy.units import Unit

    found = Unit("")
    for factor in unit.split():
        first, *below = factor.replace("(km/s)", "km_s").split("/")
        found = found * _power(first)
        for part in below:
            found = found / _power(part)
    return found


def _power(factor: str) -> Any:
    from astropy.units import Unit

    name, _, power = factor.partition("^")
    base = Unit("km / s") if name == "km_s" else Unit(name)
    return base ** int(power) if power else base


def read_table(path: str | os.PathLike[str]) -> Table:
    """The table of a Parquet file."""
    return Table(path)
