"""The session in docs/first-hour.md: what a new user types, and what comes out; made by running it.

    python -m tests.support.first_hour NOTES        (in a fresh clone, after `make chat`)

NOTES is a folder of notes; a copy of it is imported in a home of its own.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "first-hour.md"
WIDTH = 150
COMMANDS = (
    ("doctor", ()),
    ("import notes --dry-run", ()),
    ("import notes", ()),
    ("import notes", ()),
    ('recall "How is a killed import continued?" -k 2', ()),
    ('recall "which layers are good for memory vectors" -k 2', ()),
    ('recall "users lose their database after changing the model" -k 2', ()),
    ("chat", ("My sister Ada keeps bees in Trondheim.", "/quit")),
    ("chat", ("Where does my sister Ada keep bees?", "/why", "/sessions", "/quit")),
    ("status", ()),
)


def shown(command: str, typed: tuple[str, ...], home: Path) -> str:
    """Run a command in a home, say what was typed, and return what came out, paths shortened."""
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(("LMORT_", "XDG_"))}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        f"lmort-mem {command}",
        shell=True,
        cwd=home,
        env={**inherited, "HOME": str(home), "PATH": path, "PYTHONUNBUFFERED": "1"},
        input="".join(f"{line}\n" for line in typed),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    out = done.stdout.replace(str(home), "~").replace(str(ROOT), "~/lmort-memory").rstrip()
    lines = [f"$ lmort-mem {command}", *(f"> {line}" for line in typed), *out.splitlines()]
    return "\n".join(x if len(x) <= WIDTH else f"{x[: WIDTH - 2].rstrip()} …" for x in lines)


def main() -> None:
    """Run the session, and put it where the page has the last one."""
    with tempfile.TemporaryDirectory() as name:
        home = Path(name).resolve()
        shutil.copytree(sys.argv[1], home / "notes")
        session = "\n\n".join(shown(command, typed, home) for command, typed in COMMANDS)
    page = PAGE.read_text(encoding="utf-8")
    block = re.compile(r"^```text\n.*?^```$", re.DOTALL | re.MULTILINE)
    PAGE.write_text(block.sub(lambda _: f"```text\n{session}\n```", page, count=1), "utf-8")


if __name__ == "__main__":
    main()
