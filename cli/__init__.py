"""The command line, `lmort-mem`: parse, call the library once, print.

Exit status: 0 done, 1 failed, 2 wrong usage, 3 partly done, 130 stopped by the user. Results go to
stdout, everything else to stderr. The library is imported inside the commands, so that help comes
at once.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Sequence

from lmort_memory.errors import LmortError

from .app import app
from .commands import (  # noqa: F401  each module adds its commands to `app`
    bench,
    care,
    chat,
    config,
    doctor,
    files,
    keeping,
    model,
    records,
    tuner,
    tuner_info,
    tuner_make,
)

__all__ = ["app", "main", "run"]

app.add_typer(model.app, name="model")
app.add_typer(tuner.app, name="tuner")


def run(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit status. Errors of ours become one line on stderr."""
    arguments = sys.argv[1:] if arguments is None else arguments
    for argument in arguments:
        if not _is_text(argument):
            print(f"lmort-mem: the argument {argument!r} is no UTF-8 text", file=sys.stderr)
            return 2
    try:
        app(args=arguments, prog_name="lmort-mem")
    except SystemExit as done:
        return done.code if isinstance(done.code, int) else int(done.code is not None)
    except LmortError as error:
        print(f"lmort-mem: {' '.join(str(error).split())}", file=sys.stderr)
        return 1
    return 0


def _is_text(argument: str) -> bool:
    try:
        argument.encode()
    except UnicodeEncodeError:
        return False
    return True


def main() -> None:
    """Run `lmort-mem` as the program."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a terminal of another alphabet is no failure
            stream.reconfigure(errors="backslashreplace")
    sys.exit(run())
