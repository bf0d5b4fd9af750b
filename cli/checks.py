"""The checks of `doctor`: each says what it found, and the command that fixes it."""

from __future__ import annotations

import json
import platform
import re
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution, version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

from lmort_memory.errors import LmortError
from lmort_memory.paths import chosen_db
from lmort_memory.settings import Setting

from .check import BINDING, SENTENCE, Check, pip_line, prebuilt_line, required
from .computing import check_library, check_model, count_connections
from .passphrase import passphrase_for

__all__ = ["Check", "Named", "count_connections", "run_checks"]


@dataclass(frozen=True, slots=True)
class Named:
    """What to check, and where each name comes from."""

    db: Setting
    model: Setting
    tuner: Setting
    passphrase_file: Path | None = None

    @property
    def database(self) -> Path | str:
        """The database: a file, or a server's URL."""
        return chosen_db(str(self.db.value) if self.db.value else None)

    def undo(self, name: str) -> str:
        """Return the command that undoes the setting."""
        return {
            "option": f"lmort-mem doctor    # without --{name}",
            "environment": f"unset LMORT_{name.upper()}",
            "file": f"lmort-mem config {name} --unset",
        }.get(getattr(self, name).origin, f"lmort-mem config {name} FILE")


def run_checks(named: Named) -> Iterator[Check]:
    """Yield the checks in order: the machine, the model, the database."""
    yield _python()
    yield _compiler()
    packages = list(_packages())
    yield from packages
    if any(check.state == "bad" for check in packages):
        return  # nothing after this can load
    library = list(check_library(named.model))
    yield from library
    yield _capture()
    yield _sqlite()
    if not any(check.state == "bad" for check in library):
        yield from check_model(named.model, named.tuner, undo=named.undo)
    yield from _database(named)


def _python() -> Check:
    return Check("python", "good", f"{platform.python_version()} on {platform.platform()}")


def _compiler() -> Check:
    for name in ("c++", "g++", "clang++", "cl"):
        if path := shutil.which(name):
            return Check("compiler", "good", path)
    return Check(
        "compiler",
        "note",
        "none; needed only to install or upgrade llama.cpp and hnswlib",
        {"darwin": "xcode-select --install", "linux": "sudo apt install build-essential"}.get(
            sys.platform, "install the C++ build tools of Visual Studio"
        ),
    )


def _packages() -> Iterator[Check]:
    for wanted in required():
        name = re.split(r"[<>=!~\s\[]", wanted, maxsplit=1)[0]
        mend = prebuilt_line() if name == BINDING else pip_line(f"install '{wanted}'")
        try:
            found = version(name)
        except PackageNotFoundError:
            yield Check(name, "bad", "not installed", mend)
            continue
        pinned = wanted.partition("==")[2]
        if pinned and found != pinned:  # its structures are mirrored, so the version must match
            yield Check(name, "bad", f"{found}, expected {pinned}", mend)
        else:
            yield Check(name, "good", found)
    yield _index()


def _index() -> Check:
    try:
        return Check("hnswlib", "good", version("hnswlib"))
    except PackageNotFoundError:
        found = "not installed: every search is exact; from 20,000 notes an index is faster"
        return Check("hnswlib", "note", found, pip_line("install --no-cache-dir hnswlib"))


def _sqlite() -> Check:
    from lmort_memory.memory import Memory
    from lmort_memory.store import SQLiteStore

    try:
        with (
            TemporaryDirectory() as folder,
            Memory(None, SQLiteStore(Path(folder) / "t")) as memory,
        ):
            memory.add(SENTENCE)
            found = memory.recall("bees")
    except LmortError as error:
        return Check("sqlite", "bad", str(error), "use a Python whose SQLite has FTS5")
    state: Literal["good", "bad"] = "good" if found else "bad"
    return Check("sqlite", state, "a new database stores records and finds them by words")


def _capture() -> Check:
    try:
        from lmort_memory.backbone import fastcapture  # noqa: F401
    except ImportError:
        found = "in Python, which is slower: no compiler was found at installation"
        again = pip_line(
            f"install --force-reinstall --no-deps --no-cache-dir '{_installed_from()}'"
        )
        return Check("capture", "note", found, again)
    return Check("capture", "good", "compiled")


def _installed_from() -> str:
    """Return what pip installed from: a folder or file, else the package name."""
    told = distribution("lmort-memory").read_text("direct_url.json")
    return str(json.loads(told)["url"]) if told else "lmort-memory"


def _database(named: Named) -> Iterator[Check]:
    from lmort_memory.memory import Memory
    from lmort_memory.memory.canaries import drifts

    try:
        path = named.database
    except LmortError as error:  # a name that can be none
        yield Check("database", "bad", str(error), named.undo("db"))
        return
    if isinstance(path, str):
        yield from _server(path, named)
        return
    if not path.exists():
        yield Check("database", "good", f"{path} will be created on first use")
        return
    try:
        passphrase = passphrase_for(path, named.passphrase_file)
        with Memory.open(path, with_model=False, passphrase=passphrase) as memory:
            status = memory.status().store
            found = memory.store.verify()
            drifted = drifts(memory.store) if found.ok else []
    except LmortError as error:
        yield Check("database", "bad", str(error), named.undo("db"))
        return
    if found.problems:
        yield Check(
            "database",
            "bad",
            f"{path}: {found.problems[0]}; {found.readable} records can be read",
            f"lmort-mem export saved.jsonl --salvage --db '{path}' &&"
            f" lmort-mem import saved.jsonl --db '{path}.new'",
        )
    else:
        yield Check("database", "good", f"{path}: sound, records: {status.records}")
    for drift in drifted:
        yield Check("drift", "note", drift.describe().partition("; run: ")[0], "lmort-mem reencode")
    yield _privacy(path)


def _server(url: str, named: Named) -> Iterator[Check]:
    from lmort_memory.memory import Memory

    try:
        with Memory.open(url, with_model=False) as memory:
            status = memory.status().store
            found = memory.store.verify()
    except LmortError as error:
        yield Check("database", "bad", str(error), named.undo("db"))
        return
    if found.problems:
        yield Check("database", "bad", f"{status.place}: {found.problems[0]}", "lmort-mem verify")
    else:
        yield Check("database", "good", f"{status.place}: sound, records: {status.records}")
    yield Check(
        "privacy", "note", "the records are on a server: whoever administers it can read them"
    )


def _privacy(path: Path) -> Check:
    open_to_others = [p for p in (path, path.parent) if p.stat().st_mode & 0o077]
    if not open_to_others or sys.platform == "win32":
        return Check("privacy", "good", "only you can read the database")
    worst = open_to_others[0]
    return Check("privacy", "note", f"others may read {worst}", f"chmod go= {worst}")
