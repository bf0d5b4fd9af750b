"""Running something in a process of its own, which may die of what it runs."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

__all__ = ["CRASHES", "Ended", "can_run_apart", "leave_no_core", "run_apart"]

CRASHES: Final = ("SIGILL", "SIGSEGV", "SIGBUS", "SIGFPE", "SIGABRT", "SIGTRAP", "SIGSYS")


@dataclass(frozen=True, slots=True)
class Ended:
    """How a child process ended.

    Attributes:
        answer: What its last line on stdout said, as JSON; None where it said nothing.
        signal: Name of the signal that ended it, or None.
        reason: Where there is no answer: one sentence.
    """

    answer: dict[str, Any] | None
    signal: str | None = None
    reason: str = ""


def run_apart(function: str, question: object, *, patience_s: float) -> Ended:
    """Let a child process answer a question.

    Args:
        function: "package.module:name" of what is called there. It reads the question from stdin,
            as JSON, and prints its answer as one line of JSON.
        question: Any value that JSON has.
        patience_s: After this many seconds the child is ended.
    """
    module, _, name = function.partition(":")
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
        "PYTHONFAULTHANDLER": "",
    }
    try:
        child = subprocess.run(
            # -P: the working folder is not looked into for modules
            [sys.executable, "-P", "-c", f"from {module} import {name}; {name}()"],
            input=json.dumps(question),
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            env=environment,
            timeout=patience_s,
        )
    except subprocess.TimeoutExpired:
        return Ended(None, reason=f"it did not end within {patience_s:.0f} s")
    if child.returncode < 0:
        with suppress(ValueError):
            name = signal.Signals(-child.returncode).name
            return Ended(None, signal=name, reason=f"it was ended by {name}")
    with suppress(ValueError, LookupError):
        answer = json.loads(child.stdout.splitlines()[-1])
        if isinstance(answer, dict):
            return Ended(answer)
    last = (child.stderr.splitlines() or ["nothing on stderr"])[-1]
    return Ended(None, reason=f"it ended with status {child.returncode}: {last}")


def can_run_apart() -> bool:
    """Return whether there is a Python to start: in a frozen application that is itself."""
    return bool(sys.executable) and not getattr(sys, "frozen", False)


def leave_no_core() -> None:
    """Keep a crash of this process from writing a core file into the user's folder."""
    with suppress(ImportError, OSError, ValueError):
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
