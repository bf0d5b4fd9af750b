"""Run a function in a child process that may crash."""

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
        answer: Its last line on stdout, parsed as JSON; None if there was none.
        signal: Name of the signal that ended it, or None.
        reason: Why there is no answer, in one sentence; empty if there is one.
    """

    answer: dict[str, Any] | None
    signal: str | None = None
    reason: str = ""


def run_apart(function: str, question: object, *, patience_s: float) -> Ended:
    """Ask a child process a question and wait for its answer.

    Args:
        function: "package.module:name" of the function to call. It reads the question from stdin
            as JSON and prints its answer as one line of JSON.
        question: Any JSON value.
        patience_s: Seconds after which the child is killed.
    """
    module, _, name = function.partition(":")
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
        "PYTHONFAULTHANDLER": "",
    }
    try:
        child = subprocess.run(
            # -P: do not import modules from the working folder
            [sys.executable, "-P", "-c", f"from {module} import {name}; {name}()"],
            input=json.dumps(question),
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            env=environment,
            timeout=patience_s,
        )
    except subprocess.TimeoutExpired:
        return Ended(None, reason=f"it did not finish within {patience_s:.0f} s")
    if child.returncode < 0:
        with suppress(ValueError):
            name = signal.Signals(-child.returncode).name
            return Ended(None, signal=name, reason=f"it was killed by {name}")
    with suppress(ValueError, LookupError):
        answer = json.loads(child.stdout.splitlines()[-1])
        if isinstance(answer, dict):
            return Ended(answer)
    last = (child.stderr.splitlines() or ["nothing on stderr"])[-1]
    return Ended(None, reason=f"it exited with status {child.returncode}: {last}")


def can_run_apart() -> bool:
    """Whether `sys.executable` is Python: in a frozen application it is the application."""
    return bool(sys.executable) and not getattr(sys, "frozen", False)


def leave_no_core() -> None:
    """Prevent a crash of this process from writing a core file."""
    with suppress(ImportError, OSError, ValueError):
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
