"""Put the CPU part of libtorch into third_party/libtorch, from the pinned wheels of scripts/libtorch.txt.

The torch wheel carries the whole library; only the headers and the shared objects that a CPU build loads are kept.
The folder is written beside its place and renamed into it, so an interrupted set-up leaves nothing half done.
"""

import hashlib
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import zipfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
PLACE = ROOT / "third_party" / "libtorch"
REQUIREMENTS = ROOT / "scripts" / "libtorch.txt"
LIBRARIES = {
    "torch-": ["libtorch_cpu.so", "libc10.so", "libgomp.so.1"],
    "nvidia_cuda_runtime-": ["libcudart.so.13"],
    "nvidia_cuda_cupti-": ["libcupti.so.13"],
}
PLATFORMS = ["manylinux_2_28_x86_64", "manylinux_2_25_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64"]


def stamp() -> str:
    """What the folder was made from: the pins and this script."""
    return hashlib.sha256(REQUIREMENTS.read_bytes() + pathlib.Path(__file__).read_bytes()).hexdigest()


def download(folder: pathlib.Path) -> list[pathlib.Path]:
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "download", "--quiet", "--no-deps"]
    command += ["--require-hashes", "-r", str(REQUIREMENTS), "-d", str(folder), "--only-binary=:all:"]
    command += ["--implementation", "cp", "--python-version", "3.11", "--abi", "cp311", "--abi", "none"]
    for platform in PLATFORMS:
        command += ["--platform", platform]
    if subprocess.run(command).returncode != 0:
        sys.exit("setup: pip could not download libtorch (see its message above); check the network and try again")
    return sorted(folder.glob("*.whl"))


def extract(wheel: pathlib.Path, target: pathlib.Path) -> None:
    wanted = next((names for prefix, names in LIBRARIES.items() if wheel.name.startswith(prefix)), [])
    with zipfile.ZipFile(wheel) as archive:
        for member in archive.namelist():
            name = pathlib.PurePosixPath(member)
            if name.name in wanted and name.parent.name == "lib":
                place = target / "lib" / name.name
            elif member.startswith("torch/include/") and not member.endswith("/"):
                place = target / "include" / name.relative_to("torch/include")
            else:
                continue
            place.parent.mkdir(parents=True, exist_ok=True)
            with archive.open(member) as source, open(place, "wb") as sink:
                shutil.copyfileobj(source, sink, 1 << 20)


def main() -> None:
    # An exported LIBTORCH is the one that the build takes.
    own = os.environ.get("LIBTORCH")
    if own:
        if not (pathlib.Path(own) / "lib").is_dir():
            sys.exit(f"setup: LIBTORCH is {own}, which has no folder `lib`; correct it, or unset it to fetch libtorch")
        return
    mark = PLACE / "stamp"
    if mark.exists() and mark.read_text() == stamp():
        return
    print("setup: fetching libtorch 2.11.0 (CPU, 530 MB download, once)", flush=True)
    PLACE.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=PLACE.parent) as work:
        folder = pathlib.Path(work)
        made = folder / "libtorch"
        for wheel in download(folder):
            extract(wheel, made)
        missing = [n for names in LIBRARIES.values() for n in names if not (made / "lib" / n).exists()]
        if missing:
            sys.exit(f"setup: the wheels lack {', '.join(missing)}")
        (made / "lib" / "libtorch.so").write_text("INPUT ( -ltorch_cpu -lc10 )\n")
        (made / "build-version").write_text("2.11.0\n")
        (made / "stamp").write_text(stamp())
        if PLACE.exists():
            shutil.rmtree(PLACE)
        made.rename(PLACE)


if __name__ == "__main__":
    main()
