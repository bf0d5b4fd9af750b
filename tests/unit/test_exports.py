"""The public surface, and what it costs to import it."""

import subprocess
import sys
import tomllib
from pathlib import Path

import lmort_memory

ROOT = Path(__file__).parents[2]


def test_every_public_name_is_there():
    """Each name of `__all__` can be imported and is the object of its home module."""
    for name in lmort_memory.__all__:
        assert getattr(lmort_memory, name).__name__ == name
    assert sorted(lmort_memory.__all__) == lmort_memory.__all__
    assert set(lmort_memory.__all__) == set(lmort_memory._HOME)


def test_the_surface_stays_small():
    """At most 25 public names: the nouns, their values and the errors."""
    assert len(lmort_memory.__all__) <= 25


def _modules_after(code: str) -> set[str]:
    out = subprocess.run(
        [sys.executable, "-c", f"{code}; import sys; print(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    )
    return set(out.stdout.splitlines()[-1].split())


def test_import_loads_nothing_heavy():
    """`import lmort_memory` loads neither numpy nor any of the heavy packages."""
    heavy = {"numpy", "torch", "llama_cpp", "hnswlib", "sqlite_utils", "pandas", "typer", "rich"}
    assert _modules_after("import lmort_memory") & heavy == set()


def test_help_loads_no_model_code():
    """`lmort-mem --help` starts without numpy, llama.cpp or SQL."""
    code = (
        "import sys; sys.argv = ['lmort-mem', '--help']\n"
        "from lmort_memory.cli import main\n"
        "try: main()\nexcept SystemExit: pass\n"
        "0"
    )
    loaded = _modules_after(code)
    assert loaded & {"numpy", "torch", "llama_cpp", "hnswlib", "sqlite_utils"} == set()


def test_the_version_has_one_home():
    """The changelog speaks of the version that pyproject.toml states."""
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert f"## [{version}]" in (ROOT / "CHANGELOG.md").read_text()
