"""Writes the files of this folder: `python make.py` (versions: README.md). One table in every format, and three snapshots."""

import gzip
import io
import sys

import h5py
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from astropy import units as u
from astropy.io import fits
from astropy.table import MaskedColumn, Table

IDS = np.array([1, 2**53 + 1, -7, 5853498713190525696, 12], dtype="i8")
NAMES = ["GD-1", "Pal 5", "Boötes III", "", "C-19"]
X = np.array([8.122, -1 / 3, 1e-300, 12345.678901234567, 0.0])
V = np.array([220.5, -0.1, 1e-3, 300, 7], dtype="f4")
PM = np.array([1.5, np.nan, -2.25, 1e-9, 0.125])
COUNT = np.ma.masked_array(np.array([3, 0, -32000, 7, 1], dtype="i2"), mask=[0, 1, 0, 0, 0])
MASS = np.array([1.0, 2.5, 1e-5, 3.0, 0.1])
GOOD = np.array([True, False, True, True, False])
POSITION = np.arange(15, dtype="f8").reshape(5, 3) / 8


def table(names=True):
    """The table: missing are a name, one `pm` and one `count`."""
    t = Table()
    t["id"] = IDS
    if names:
        t["name"] = NAMES
    t["x"] = X * u.kpc
    t["v"] = V * (u.km / u.s)
    t["v"].description = "a velocity"
    t["pm"] = MaskedColumn(PM, unit=u.mas / u.yr, mask=np.isnan(PM))
    t["count"] = MaskedColumn(COUNT)
    t["mass"] = MASS * u.Unit("1e10 solMass")
    t["good"] = GOOD
    t["position"] = POSITION * u.pc
    return t


def fits_tables():
    t = table()
    t["name"] = [name.replace("ö", "o") for name in NAMES]  # FITS is ASCII.
    t.write("table.fits", overwrite=True)
    with open("table.fits", "rb") as file, gzip.GzipFile("table.fits.gz", "wb", mtime=0) as packed:
        packed.write(file.read())
    # Unsigned and scaled integers, a substitute for null, a vector, a heap, two tables and an image before them.
    columns = [
        fits.Column("u16", "I", bzero=2**15, array=np.array([0, 65535, 7], dtype="u2")),
        fits.Column("u32", "J", bzero=2**31, array=np.array([0, 2**32 - 1, 7], dtype="u4")),
        fits.Column("u64", "K", bzero=2**63, array=np.array([0, 2**64 - 1, 2**53 + 1], dtype="u8")),
        fits.Column("i8", "B", bzero=-128, array=np.array([-128, 127, 0], dtype="i1")),
        fits.Column("scaled", "I", null=-999, unit="km s-1", array=np.array([1, -999, 4], dtype="i2")),
        fits.Column("null", "J", null=-999, array=np.array([1, -999, 3])),
        fits.Column("covariance", "4E", array=np.arange(12, dtype="f4").reshape(3, 4)),
        fits.Column("list", "PD()", array=np.array([np.array([1.0]), np.array([1.0, 2.0]), np.array([])], dtype=object)),
        fits.Column("bits", "10X", array=np.ones((3, 10), dtype=bool)),
        fits.Column("complex", "C", array=np.array([1j, 2, 3], dtype="c8")),
        fits.Column("text", "8A", array=np.array(["a", "bc d", ""])),
    ]
    image = fits.PrimaryHDU(np.zeros((7, 11), dtype="f4"))
    first = fits.BinTableHDU.from_columns(columns, name="FIRST")
    second = fits.BinTableHDU.from_columns([fits.Column("x", "D", unit="kpc", array=[1.0, 2.0])], name="SECOND")
    fits.HDUList([image, fits.ImageHDU(np.ones((5, 5), dtype="i2")), first, second]).writeto("kinds.fits", overwrite=True)
    fits.setval("kinds.fits", "TSCAL5", value=0.5, ext=2)
    fits.setval("kinds.fits", "TZERO5", value=100.0, ext=2)


def votables():
    from astropy.io.votable import from_table, writeto

    for kind in ["tabledata", "binary", "binary2"]:
        t = table()
        t["name"] = MaskedColumn(NAMES)
        votable = from_table(t, table_id="stars")
        votable.get_first_table().get_field_by_id("count").values.null = -32768
        writeto(votable, f"{kind}.vot", tabledata_format=kind)


def texts():
    t = table()
    t.remove_column("position")
    t.write("table.ecsv", overwrite=True)
    t.write("commas.ecsv", format="ascii.ecsv", delimiter=",", overwrite=True)
    frame = t.to_pandas()
    frame.to_csv("pandas.csv", index=False)
    frame.to_csv("latin1.csv", index=False, encoding="latin-1")
    frame.to_csv("utf16.csv", index=False, encoding="utf-16")
    with gzip.GzipFile("pandas.csv.gz", "wb", mtime=0) as packed:
        packed.write(frame.to_csv(index=False).encode())


def parquets():
    t = table()
    t.remove_column("position")
    t.write("astropy.parquet", overwrite=True)
    frame = t.to_pandas()
    frame.to_parquet("pandas.parquet")
    units = {"x": "kpc", "v": "km/s", "pm": "mas/yr", "mass": "1e10 Msun"}
    schema = pa.Schema.from_pandas(frame, preserve_index=False).remove_metadata()
    schema = pa.schema([f.with_metadata({"unit": units[f.name]}) if f.name in units else f for f in schema])
    pq.write_table(pa.Table.from_pandas(frame, schema=schema, preserve_index=False), "pyarrow.parquet")


def hdf5_tables():
    t = table()
    t["name"] = [name.encode() for name in NAMES]
    t.write("astropy.hdf5", path="stars", serialize_meta=True, overwrite=True)
    frame = table().to_pandas() if False else pd.DataFrame({"id": IDS, "x": X, "v": V, "pm": PM, "mass": MASS})
    frame.to_hdf("pandas_table.h5", key="stars", format="table", mode="w")
    frame.to_hdf("pandas_fixed.h5", key="stars", format="fixed", mode="w")
    for file, options in [("columns.hdf5", {}), ("columns_packed.hdf5", {"libver": "latest"})]:
        with h5py.File(file, "w", **options) as f:
            packed = {"chunks": (2,), "compression": "gzip", "shuffle": True, "fletcher32": True} if options else {}
            group = f.create_group("cluster")
            group.create_dataset("id", data=IDS, **packed)
            group.create_dataset("name", data=[name.encode() for name in NAMES], dtype=h5py.string_dtype())
            group.create_dataset("x", data=X, **packed).attrs["unit"] = "kpc"
            group.create_dataset("v", data=V.astype(">f4"), **packed).attrs["units"] = np.bytes_("km/s")
            group.create_dataset("pm", data=PM, **packed).attrs["unit"] = "mas yr-1"
            group.create_dataset("mass", data=MASS, **packed).attrs["unit"] = "1e10 Msun"
            group.create_dataset("position", data=POSITION).attrs["unit"] = "pc"


def snapshots():
    kpc, km, msun = 3.085678e21, 1e5, 1.989e43
    random = np.random.default_rng(1)
    x, v = random.normal(size=(6, 3)) * 8, random.normal(size=(6, 3)) * 100
    ids = np.array([12, 3, 2**40 + 1, 7, 1, 9], dtype="u8")

    def header(f, counts, **more):
        h = f.create_group("Header").attrs
        h["NumPart_ThisFile"] = np.array(counts, dtype="u4")
        h["NumPart_Total"] = np.array(counts, dtype="u4")
        h["MassTable"] = np.zeros(6)
        h["NumFilesPerSnapshot"] = np.int32(1)
        h["Time"], h["Redshift"], h["HubbleParam"] = 0.5, 0.0, 1.0
        for key, value in more.items():
            h[key] = value
        return h

    def particles(f, number, rows, velocity="Velocities", kind="f4"):
        group = f.create_group(f"PartType{number}")
        group["Coordinates"], group[velocity] = x[rows].astype("f8"), v[rows].astype(kind)
        group["ParticleIDs"] = ids[rows]
        group["Masses"] = np.full(len(ids[rows]), 0.001, dtype="f4")

    halo, stars = slice(0, 4), slice(4, 6)
    with h5py.File("gizmo.hdf5", "w") as f:
        header(f, [0, 4, 0, 0, 2, 0], UnitLength_In_CGS=kpc, UnitVelocity_In_CGS=km, UnitMass_In_CGS=msun)
        particles(f, 1, halo)
        particles(f, 4, stars)
    # Comoving, in units of 1/h: positions a/h kpc, velocities √a km/s.
    with h5py.File("arepo.hdf5", "w") as f:
        header(f, [0, 0, 0, 0, 2, 0], UnitLength_in_cm=kpc, UnitVelocity_in_cm_per_s=km, UnitMass_in_g=msun,
               Time=0.5, Redshift=1.0, HubbleParam=0.7, Omega0=0.3, OmegaLambda=0.7)
        f.create_group("Parameters").attrs["ComovingIntegrationOn"] = 1
        particles(f, 4, stars)
    with h5py.File("gadget4.hdf5", "w") as f:
        header(f, [0, 4], NumPart_ThisFile=np.array([0, 4], dtype="u4"), NumPart_Total=np.array([0, 4], dtype="u8"))
        p = f.create_group("Parameters").attrs
        p["UnitLength_in_cm"], p["UnitVelocity_in_cm_per_s"], p["UnitMass_in_g"] = kpc / 1000, km, msun
        p["ComovingIntegrationOn"] = np.int32(0)
        particles(f, 1, halo)
    # In three files, of which the second has stars only, and the last none.
    for number, (dark, star) in enumerate([(slice(0, 3), None), (None, stars), (slice(3, 4), None)]):
        with h5py.File(f"part.{number}.hdf5", "w") as f:
            size = lambda rows: 0 if rows is None else rows.stop - rows.start
            header(f, [0, size(dark), 0, 0, size(star), 0], NumFilesPerSnapshot=np.int32(3),
                   NumPart_Total=np.array([0, 4, 0, 0, 2, 0], dtype="u4"),
                   UnitLength_in_cm=kpc, UnitVelocity_in_cm_per_s=km, UnitMass_in_g=msun)
            for kind, rows in [(1, dark), (4, star)]:
                if rows is not None:
                    particles(f, kind, rows)
    np.savetxt("snapshot.csv", np.column_stack([ids.astype("i8"), x, v.astype("f4")]), delimiter=",",
               header="id,x,y,z,vx,vy,vz", comments="", fmt=["%d"] + ["%.17g"] * 6)


for part in [fits_tables, votables, texts, parquets, hdf5_tables, snapshots]:
    part()
print(sys.version.split()[0])
