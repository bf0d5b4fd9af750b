"""The walks of docs/architecture.md lead through functions that exist."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
PLACES = re.findall(r"`([\w.]+)`\s+(?:in|of)\s+`([\w/]+\.py)`", PAGE)
FILES = re.findall(r"`((?:lmort_memory|cli|tuners)/[\w/]+\.py)`", PAGE)
LONGEST_WALK = 10


def defined(path: Path) -> set[str]:
    """Return the functions and classes of a file, methods as `Class.method`."""
    names: set[str] = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        if isinstance(node, ast.ClassDef):
            methods = (one for one in node.body if isinstance(one, ast.FunctionDef))
            names |= {f"{node.name}.{method.name}" for method in methods}
    return names


@pytest.mark.parametrize(("name", "path"), PLACES)
def test_a_step_of_a_walk_exists(name, path):
    """Each function or class that a step names stands in the file that it names."""
    assert name in defined(ROOT / path)


def test_the_walks_are_short_and_their_files_exist():
    """Two walks of at most ten steps, and no file that is gone."""
    walks = PAGE.split("\n## What happens to ")[1:]
    lengths = [len(re.findall(r"^\d+\. ", walk, re.MULTILINE)) for walk in walks]
    assert len(lengths) == 2 and all(5 <= length <= LONGEST_WALK for length in lengths)
    assert len(PLACES) >= sum(lengths)
    assert [path for path in FILES if not (ROOT / path).is_file()] == []
