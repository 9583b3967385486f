"""Opens every table of a pipeline in astropy, pandas, polars and pyarrow, and compares values and units.

python tests/python/open_tables.py target/debug/actionfinder PIPELINE [DIRECTORY]
(needs astropy, pandas, polars and pyarrow; the pipeline must have been run)
"""

import re
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pyarrow.parquet as pq
from astropy import units as u
from astropy.table import QTable

# What the units of our columns mean.
UNITS = {
    "kpc": u.kpc,
    "km s-1": u.km / u.s,
    "km s-1 kpc": u.kpc * u.km / u.s,
    "km s-1 kpc-1": u.km / u.s / u.kpc,
    "km2 s-2": (u.km / u.s) ** 2,
    "km2 s-2 kpc-1": (u.km / u.s) ** 2 / u.kpc,
    "solMass": u.solMass,
    "solMass kpc-2": u.solMass / u.kpc**2,
    "solMass kpc-3": u.solMass / u.kpc**3,
    "solMass km s-1": u.solMass * u.km / u.s,
    "solMass km s-1 kpc": u.solMass * u.km / u.s * u.kpc,
    "solMass km2 s-2": u.solMass * (u.km / u.s) ** 2,
    "mas yr-1": u.mas / u.yr,
    "mas": u.mas,
    "deg": u.deg,
    "rad": u.rad,
    "Gyr": u.Gyr,
    "%": u.percent,
    "": None,
}


def plain(text):
    """A text as FITS has it: no letters beyond ASCII, nothing for a missing one."""
    is_missing = text is None or text is np.ma.masked or text != text
    text = text.decode() if isinstance(text, bytes) else text
    return "" if is_missing else str(text).strip().encode("ascii", "replace").decode()


def same(found, expected):
    """Numbers to the last bit, NaN where one is missing; texts, empty where one is missing."""
    if expected.dtype.kind == "f":
        return np.array_equal(np.asarray(found, dtype=float), expected, equal_nan=True)
    if expected.dtype.kind == "O":
        return [plain(x) for x in found] == [plain(x) for x in expected]
    return np.array_equal(np.asarray(found), expected)


def as_fits_has(values, found):
    """Texts as expected of FITS, which has only ASCII: where one has other signs, what is found, if all the rest stands in it in its order."""
    texts = []
    for value, text in zip(values, np.asarray(found).astype(str), strict=True):
        parts = [re.escape(part) for part in re.split(r"[^\x00-\x7f]+", value)]
        is_spelled = len(parts) > 1 and text.isascii() and re.fullmatch(".+".join(parts), text)
        texts.append(text if is_spelled else value)
    return np.array(texts, dtype=object)


def check(program, pipeline, output, path, folder):
    table = pq.read_table(path)
    expected = {name: table[name].to_pandas().to_numpy() for name in table.column_names}
    texts = {f.name: (f.metadata or {}).get(b"unit", b"").decode() for f in table.schema}
    ours = {name: UNITS[text] for name, text in texts.items()}
    for name, text in texts.items():
        assert not text or u.Unit(text) == ours[name], (output, name, text)
    for ending in ["parquet", "ecsv", "fits", "csv"]:
        file = Path(folder) / f"t.{ending}"
        subprocess.run([program, "export", f"{pipeline}:{output}", "-o", file], check=True, capture_output=True)
        opened = {}
        if ending != "csv":
            opened["astropy"] = QTable.read(file)
            for name, unit in ours.items():
                found = opened["astropy"][name].unit
                assert found == unit, (output, ending, name, found, unit)
        if ending == "csv":
            # Nothing is missing; the word NaN is a word.
            opened["pandas"] = pd.read_csv(file, keep_default_na=False, na_values=[""])
            words = {name: pl.String for name, values in expected.items() if values.dtype.kind == "O"}
            opened["polars"] = pl.read_csv(file, infer_schema_length=None, schema_overrides=words)
        if ending == "parquet":
            opened["pandas"], opened["polars"] = pd.read_parquet(file), pl.read_parquet(file)
            opened["pyarrow"] = pq.read_table(file)
        for reader, found in opened.items():
            for name, values in expected.items():
                column = found[name]
                column = getattr(column, "value", column)
                column = column.to_numpy() if hasattr(column, "to_numpy") else column
                if hasattr(column, "filled"):
                    column = column.filled(np.nan) if column.dtype.kind == "f" else column
                if len(values) == 0:
                    assert len(column) == 0
                    continue
                is_text = all(isinstance(value, str) for value in values)
                if ending == "fits" and is_text:
                    values = as_fits_has(values, column)
                assert same(column, values), (output, ending, reader, name, column[:3], values[:3])
    return table.num_rows


def main():
    program, pipeline = sys.argv[1:3]
    warnings.simplefilter("error", u.UnitsWarning)
    listed = subprocess.run([program, "show", pipeline], check=True, capture_output=True, text=True).stdout
    count = 0
    with tempfile.TemporaryDirectory() as folder:
        for line in listed.splitlines()[1:]:
            words = line.split()
            if words[1] == "table" and words[2].isdigit():
                check(program, pipeline, words[0], words[3], folder)
                count += 1
    assert count > 0, f"no table of {pipeline} has been made: {listed}"
    print(f"{count} tables are the same in four formats, with equal units")


if __name__ == "__main__":
    main()
