"""Examples run: the notebook, those of the README and of the manual, and those in docstrings."""

from __future__ import annotations

import doctest
import json
from pathlib import Path
from typing import Any

import pytest

from actionfinder import action_angles, sky

EXAMPLES = Path(__file__).parents[1] / "examples"
README = Path(__file__).parents[1] / "README.md"
ROOT = Path(__file__).parents[2]
MANUAL = ROOT / "docs" / "howto" / "python.md"


def blocks(file: Path) -> list[str]:
    """The blocks of Python in a document."""
    parts = file.read_text(encoding="utf-8").split("```python\n")[1:]
    return [part.split("```")[0] for part in parts]


def test_examples_with_answers_give_them() -> None:
    found = doctest.testfile(str(README), module_relative=False)
    assert found.failed == 0 and found.attempted > 8
    for module in (sky, action_angles):
        found = doctest.testmod(module)
        assert found.failed == 0 and found.attempted > 1, module.__name__


def test_examples_that_need_no_results_run() -> None:
    names: dict[str, Any] = {}
    exec(compile(blocks(README)[0], README.name, "exec"), names)
    # The first star rotates with the Galaxy, as the README says of disc stars.
    assert names["J"][0, 0] < 0 and names["seen"].distance.shape == (2,)

    first, second = blocks(MANUAL)[:2]
    names = {}
    exec(compile(first.split("run = ")[0], MANUAL.name, "exec"), names)
    assert names["J"][0, 0] < 0
    lines = second.splitlines()
    exec(compile("\n".join(lines[:2]), MANUAL.name, "exec"), names)
    for line, expected in zip(lines[2:], (-1968, 1968), strict=True):
        actions = eval(line, names)
        assert round(float(actions[0])) == expected and str(abs(expected)) in line


def test_examples_that_need_results_run(monkeypatch: pytest.MonkeyPatch) -> None:
    if not (ROOT / "results" / "quickstart" / "report.html").is_file():
        pytest.skip("quickstart.yaml was not run: make test-python runs it where the program is built")
    for module in ("astropy", "pandas", "yaml"):
        pytest.importorskip(module)
    monkeypatch.chdir(ROOT)
    names: dict[str, Any] = {}
    for source in (blocks(README)[0], blocks(README)[2], blocks(MANUAL)[0]):
        exec(compile(source, README.name, "exec"), names)
    assert len(names["predicted"]["J_r"]) == len(names["predicted"].actions) > 100
    assert names["predicted"].units["J_r"] == "km s-1 kpc"
    assert names["found"].actions.shape == (1, 3)


@pytest.mark.parametrize("notebook", sorted(EXAMPLES.glob("*.ipynb")), ids=lambda path: path.stem)
def test_notebooks_run(notebook: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("astropy")
    pytest.importorskip("pyarrow")
    monkeypatch.chdir(EXAMPLES)
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    assert len(code) > 5
    names: dict[str, object] = {"__name__": "__main__"}
    for number, source in enumerate(code):
        exec(compile(source, f"{notebook.name}, cell {number}", "exec"), names)
