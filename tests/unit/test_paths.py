"""Files that take another's place."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from lmort_memory.paths import replacing


def test_a_file_is_replaced_whole_and_private(tmp_path: Path) -> None:
    """The new contents are there under the name, mode 0600, and no other file is left."""
    path = tmp_path / "settings"
    path.write_text("old")
    with replacing(path) as fresh:
        fresh.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_a_failure_leaves_the_old_file(tmp_path: Path) -> None:
    """What raises in the block changes nothing, and leaves nothing behind."""
    path = tmp_path / "settings"
    path.write_text("old")
    with pytest.raises(RuntimeError), replacing(path) as fresh:
        fresh.write_text("half")
        raise RuntimeError
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
def test_a_kill_leaves_the_old_file(tmp_path: Path) -> None:
    """A process killed while it writes leaves the old contents under the name."""
    path = tmp_path / "settings"
    path.write_text("old")
    killed = subprocess.run(
        [
            sys.executable,
            "-c",
            "import os, pathlib, signal, sys\n"
            "from lmort_memory.paths import replacing\n"
            "with replacing(pathlib.Path(sys.argv[1])) as fresh:\n"
            "    fresh.write_text('half')\n"
            "    os.kill(os.getpid(), signal.SIGKILL)\n",
            str(path),
        ],
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL
    assert path.read_text() == "old"


def test_a_hook_has_time_to_load_it() -> None:
    """Every hook imports this module, so nothing that makes random names or archives is loaded."""
    slow = subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys, lmort_memory.paths\n"
            "print(*{'secrets', 'tempfile', 'random', 'shutil'} & set(sys.modules))",
        ],
        check=True,
        capture_output=True,
        text=True,
    )
    assert slow.stdout.strip() == ""
