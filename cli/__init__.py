"""The command line, `lmort-mem`: parse, call the library once, print.

Exit status: 0 done, 1 failed, 2 wrong usage, 3 partly done, 130 stopped by the user. Results go to
stdout, everything else to stderr. Commands import the library when they run, so that help is
instant.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from lmort_memory.errors import LmortError

from .app import app
from .commands import (  # noqa: F401  each module adds its commands to `app`
    audit,
    bench,
    care,
    chat,
    config,
    copying,
    doctor,
    encryption,
    files,
    hook,
    install,
    keeping,
    mcp,
    model,
    records,
    serve,
    sync,
    tuner,
    tuner_info,
    tuner_make,
    watch,
)
from .terminal.output import note

__all__ = ["app", "main", "run"]

app.add_typer(model.app, name="model")
app.add_typer(tuner.app, name="tuner")


def run(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit status. Our own errors become one line on stderr."""
    arguments = sys.argv[1:] if arguments is None else arguments
    for argument in arguments:
        if not _is_text(argument):
            note(f"lmort-mem: the argument {argument!r} is not UTF-8 text")
            return 2
    try:
        app(args=arguments, prog_name="lmort-mem")
    except SystemExit as done:
        return done.code if isinstance(done.code, int) else int(done.code is not None)
    except LmortError as error:
        return _failed(str(error))
    except BrokenPipeError:
        raise  # the reader closed the pipe: `main` exits quietly
    except OSError as error:
        named = f": {error.filename}" if error.filename else ""
        return _failed(f"{error.strerror or error}{named}")
    return 0


def _failed(text: str) -> int:
    note(f"lmort-mem: {' '.join(text.split())}")
    return 1


def _is_text(argument: str) -> bool:
    try:
        argument.encode()
    except UnicodeEncodeError:
        return False
    return True


def main() -> None:
    """Run `lmort-mem` as the program; what it and its libraries write is for this user alone."""
    os.umask(os.umask(0o077) | 0o077)
    _use_streams()
    try:
        status = run()
        sys.stdout.flush()
    except BrokenPipeError:  # `lmort-mem list | head` closed the pipe
        status = 1
        _drop_output()
    except OSError as error:
        status = _failed(f"cannot write the output: {error.strerror}")
        _drop_output()
    sys.exit(status)


def _use_streams() -> None:
    """Make sure that the standard streams exist and accept every character."""
    for name in ("stdin", "stdout", "stderr"):
        if getattr(sys, name) is None:  # closed by the caller: lmort-mem … >&-
            mode = "r" if name == "stdin" else "w"
            setattr(sys, name, Path(os.devnull).open(mode, encoding="utf-8"))  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # characters that the terminal lacks are not an error
            stream.reconfigure(errors="backslashreplace")
    if isinstance(sys.stdin, io.TextIOWrapper):
        sys.stdin.reconfigure(errors="surrogateescape")  # `read_stdin` replaces and counts them


def _drop_output() -> None:
    """Send what is left to the null device, so that the interpreter's flush cannot fail again."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
