"""What `doctor` looks at: each check says what it found, and the command that mends it."""

from __future__ import annotations

import platform
import re
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Literal

from lmort_memory.errors import LmortError

from ._output import size

if TYPE_CHECKING:
    from lmort_memory.encoder import OpenedEncoder

__all__ = ["Check", "count_connections", "run_checks"]

_PACKAGES = ("llama-cpp-python", "numpy", "hnswlib", "sqlite-utils", "gguf", "jinja2", "rich")
_SENTENCE = "Ada keeps bees in Trondheim."


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at.

    Attributes:
        name: What it is.
        state: "bad" is what must be mended, "note" what may be.
        found: What was found.
        mend: The command that mends it; empty where there is nothing to mend.
    """

    name: str
    state: Literal["good", "note", "bad"]
    found: str
    mend: str = ""


def run_checks(database: Path, model: str | None, tuner: str | None) -> Iterator[Check]:
    """Yield the checks one after the other: the machine, the model, the database."""
    yield _python()
    yield _compiler()
    yield from _packages()
    yield _llama()
    yield _sqlite()
    yield from _model(model, tuner)
    yield from _database(database)


@contextmanager
def count_connections() -> Iterator[list[str]]:
    """Watch this process for network connections: Python's own audit events name each attempt.

    The hook stays for the life of the process, as Python has it, and does nothing afterwards.
    """
    attempts: list[str] = []
    watching = True

    def watch(event: str, arguments: tuple[object, ...]) -> None:
        if watching and event in ("socket.connect", "socket.getaddrinfo", "socket.sendto"):
            attempts.append(f"{event} {arguments[-1]!r}")

    sys.addaudithook(watch)
    try:
        yield attempts
    finally:
        watching = False


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
    for name in _PACKAGES:
        try:
            yield Check(name, "good", version(name))
        except PackageNotFoundError:
            yield Check(name, "bad", "not installed", f"pip install {name}")


def _sqlite() -> Check:
    from lmort_memory.memory import Memory
    from lmort_memory.store import SQLiteStore

    try:
        with (
            TemporaryDirectory() as folder,
            Memory(None, SQLiteStore(Path(folder) / "t")) as memory,
        ):
            memory.add(_SENTENCE)
            found = memory.recall("bees")
    except LmortError as error:
        return Check("sqlite", "bad", str(error), "use a Python whose SQLite has FTS5")
    state: Literal["good", "bad"] = "good" if found else "bad"
    return Check("sqlite", state, "a new database stores, and finds by words")


def _llama() -> Check:
    from lmort_memory.backbone._llama import llama

    info = llama().llama_print_system_info().decode()
    features = re.findall(r"(\w+) = 1\b", info)
    return Check("llama.cpp", "good", f"built for {', '.join(features) or 'a plain processor'}")


def _model(model: str | None, tuner: str | None) -> Iterator[Check]:
    from lmort_memory.encoder import open_encoder

    from .model import runnable_model

    try:
        opened = open_encoder(runnable_model(model), tuner)
    except LmortError as error:
        yield Check("model", "bad", str(error), "lmort-mem doctor --model FILE.gguf")
        return
    try:
        yield from _opened(opened)
    finally:
        opened.close()


def _opened(opened: OpenedEncoder) -> Iterator[Check]:
    facts = opened.backbone.facts
    yield Check(
        "model",
        "good",
        f"{facts.name}: {facts.architecture}, {facts.n_layer} blocks of {facts.n_embd},"
        f" {facts.quantisation}, {size(facts.size_bytes)}, {facts.path}",
    )
    yield _template(facts.chat_template is not None)
    if opened.encoder is None:
        yield Check(
            "tuner", "note", opened.notice or "none", f"lmort-mem tuner make --model {facts.path}"
        )
        return
    (encoded,) = opened.encoder.encode([_SENTENCE])
    norm = float((encoded.vectors**2).sum() ** 0.5)
    state: Literal["good", "bad"] = "good" if abs(norm - 1) < 1e-3 else "bad"
    yield Check("tuner", state, f"{opened.encoder.space}, a vector's norm is {norm:.4f}")


def _template(present: bool) -> Check:
    if present:
        return Check("template", "good", "the model brings its chat template")
    return Check("template", "note", "the model has none; it is talked to in plain paragraphs")


def _database(path: Path) -> Iterator[Check]:
    from lmort_memory.memory import Memory

    if not path.exists():
        yield Check("database", "good", f"{path} will be made at first use")
        return
    try:
        with Memory.open(path, with_model=False) as memory:
            status = memory.status().store
            found = memory.store.verify()
    except LmortError as error:
        yield Check("database", "bad", str(error), "lmort-mem verify")
        return
    if found.problems:
        yield Check("database", "bad", f"{path}: {found.problems[0]}", "lmort-mem verify")
    else:
        yield Check("database", "good", f"{path}: {status.records} records, sound")
    yield _privacy(path)


def _privacy(path: Path) -> Check:
    open_to_others = [p for p in (path, path.parent) if p.stat().st_mode & 0o077]
    if not open_to_others or sys.platform == "win32":
        return Check("privacy", "good", "only you can read the database")
    worst = open_to_others[0]
    return Check("privacy", "note", f"others may read {worst}", f"chmod go= {worst}")
