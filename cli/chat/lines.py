"""What a line is: words for the model, a command, or a goodbye."""

from __future__ import annotations

import re

__all__ = ["GOODBYES", "is_command", "leaves"]

GOODBYES = {"exit", "quit", "bye", "goodbye"}
_EDITORS = {":q", ":q!", ":wq", ":x"}  # what leaves vi
# "/etc/hosts is wrong" is said to the model; "/" and "/nosuch" are slips.
_COMMAND = re.compile(r"/[^/.]*")
_TAKE_LINES = ("/add", "/correct", "/recall")


def is_command(line: str) -> bool:
    """Return whether a line is a command, or a slip that should have been one."""
    said = line.strip()
    if said == "//":  # with words behind it, it is a line of a program
        return True
    return bool(_COMMAND.fullmatch(said.split(maxsplit=1)[0])) and _can_be_command(line)


def leaves(line: str) -> bool:
    """Return whether a line is a goodbye: "/quit", with anything behind it, or "Exit." alone."""
    said = line.strip().casefold()
    if said.startswith("/"):
        return said.split()[0][1:] in GOODBYES and _can_be_command(line)
    return said in _EDITORS or said.rstrip(".!") in GOODBYES


def _can_be_command(line: str) -> bool:
    """Return whether a line can be a command: a pasted text may begin with a slash."""
    said = line.strip()
    return "\n" not in said or said.split()[0].casefold() in _TAKE_LINES
