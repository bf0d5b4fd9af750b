"""The help of every command as docs/cli.md; `python -m tests.support.help_pages` writes it."""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Iterator
from pathlib import Path

import typer

from lmort_memory.cli import app, run

PAGE = Path(__file__).parents[2] / "docs" / "cli.md"
HEAD = """# Command line

Results go to stdout, everything else to stderr; without a terminal there is no colour and no
progress. Exit status: 0 done, 1 failed, 2 wrong usage, 3 partly done, 130 stopped by Ctrl-C.

An option wins over the environment (`LMORT_DB`, `LMORT_MODEL`, `LMORT_TUNER`, `LMORT_SCOPE`,
`LMORT_SYSTEM`, `LMORT_MAX_TOKENS`, `LMORT_TEMPERATURE`, `LMORT_GPU_LAYERS`), the environment over
the settings file, that over the default. `LMORT_LLAMA_LIB`, or the setting `llama_lib`, names a
library of llama.cpp ([llama-cpp.md](llama-cpp.md)). `LMORT_HOME` puts database, settings and caches
into one folder; `LMORT_CONFIG` names another settings file. No file of the working folder is ever
read as settings.
`NO_COLOR` is respected. `lmort-mem --install-completion` sets up completion for your shell.

This page is the program's own help, held in step by a test.
"""


def command_names() -> list[tuple[str, ...]]:
    """Return every command, and every command of a group, in the order of the help."""
    return list(_names(typer.main.get_command(app), ()))


def _names(command: object, path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    inner = getattr(command, "commands", None)
    if inner is None:
        yield path
        return
    for name in command.list_commands(None):  # type: ignore[attr-defined]
        yield from _names(inner[name], (*path, name))


def help_of(*names: str) -> str:
    """Return the help of a command as it is printed in 80 columns."""
    out = io.StringIO()
    columns = os.environ.get("COLUMNS")
    os.environ["COLUMNS"] = "80"
    try:
        with contextlib.redirect_stdout(out):
            assert run([*names, "--help"]) == 0
    finally:
        if columns is None:
            del os.environ["COLUMNS"]
        else:
            os.environ["COLUMNS"] = columns
    return "\n".join(line.rstrip() for line in out.getvalue().strip().splitlines())


def page() -> str:
    """Return what docs/cli.md must be."""
    parts = [HEAD, f"```text\n{help_of()}\n```\n"]
    for names in command_names():
        parts.append(f"## {' '.join(names)}\n\n```text\n{help_of(*names)}\n```\n")
    return "\n".join(parts)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
