"""One line of `doctor`, and the commands that such lines suggest."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from importlib.metadata import requires
from typing import Final, Literal

__all__ = ["BINDING", "SENTENCE", "Check", "compile_line", "pip_line", "prebuilt_line", "required"]

BINDING: Final = "llama-cpp-python"
SENTENCE: Final = "Ada keeps bees in Trondheim."


@dataclass(frozen=True, slots=True)
class Check:
    """The result of one check.

    Attributes:
        name: What it is.
        state: "bad" must be fixed, "note" may be improved, "good" is fine.
        found: What was found.
        mend: The command that fixes it; empty if there is nothing to fix.
    """

    name: str
    state: Literal["good", "note", "bad"]
    found: str
    mend: str = ""


def required(extra: str = "") -> list[str]:
    """Return the project's requirements, or those that an extra adds."""
    parts = [one.partition(";") for one in requires("lmort-memory") or ()]
    return [
        wanted.strip()
        for wanted, _, condition in parts
        if (f'extra == "{extra}"' in condition if extra else "extra ==" not in condition)
    ]


def pip_line(arguments: str) -> str:
    """Return a pip command for this Python."""
    return f"{sys.executable} -m pip {arguments}"


def prebuilt_line() -> str:
    """Return the command that installs llama.cpp from a wheel and the binding without compiling."""
    wanted = [*required("prebuilt"), *(one for one in required() if one.startswith(BINDING))]
    quoted = " ".join(f"'{one}'" for one in wanted)
    return f"SKBUILD_WHEEL_CMAKE=false {pip_line(f'install --no-cache-dir {quoted}')}"


def compile_line() -> str:
    """Return the command that compiles llama.cpp for this processor."""
    (wanted,) = (one for one in required() if one.startswith(BINDING))
    install = pip_line(f"install --force-reinstall --no-deps --no-cache-dir '{wanted}'")
    # GCC would optimise away the stores that fill AMX's tile configuration.
    flags = 'CXXFLAGS="-fno-tree-dse -fno-dse" ' if sys.platform == "linux" else ""
    return f"{flags}{install}"
