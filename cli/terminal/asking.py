"""Questions to a person at a terminal."""

from __future__ import annotations

import sys

import typer

from .output import one_line

__all__ = ["confirm"]


def confirm(question: str, *, abort: bool = False) -> bool:
    """Ask a question whose answer is yes or no; Enter is no.

    Args:
        question: It is asked on stderr.
        abort: Whether no ends the command.

    Raises:
        KeyboardInterrupt: Ctrl-C, which typer takes for a no: the exit status would be another.
        Abort: the answer was no, and ends the command; or the input ended.
    """
    try:
        return typer.confirm(one_line(question, sys.maxsize), abort=abort, err=True)
    except typer.Abort as stopped:
        if isinstance(stopped.__context__, KeyboardInterrupt):
            raise KeyboardInterrupt from None
        raise
