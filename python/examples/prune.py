"""Leaves of the small run's results what Python reads: the last entry of every stage, without reports and records."""

import json
import shutil
from pathlib import Path

RESULTS = Path(__file__).parent / "results"
NEEDED = ("manifest.json", ".parquet", ".safetensors")

state = json.loads((RESULTS / "small" / "state.json").read_text())
kept = {RESULTS / "cache" / "v1" / last["kind"] / last["hash"] for last in state["stages"].values()}
for folder in (RESULTS / "cache").iterdir():
    if folder.name != "v1":
        shutil.rmtree(folder)
for entry in (RESULTS / "cache" / "v1").glob("*/*"):
    if entry not in kept:
        shutil.rmtree(entry)
for file in [*RESULTS.rglob("*")]:
    if file.is_file() and file.name != "state.json" and not file.name.endswith(NEEDED):
        file.unlink()
for name in ("checkpoints",):
    shutil.rmtree(RESULTS / name, ignore_errors=True)
