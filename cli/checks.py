"""What `doctor` looks at: each check says what it found, and the command that mends it."""

from __future__ import annotations

import json
import platform
import re
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution, requires, version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Literal

from lmort_memory.errors import LmortError, MissingDependencyError, TunerError
from lmort_memory.paths import default_db, expanded

from .commands.tuner_info import tier_text
from .settings import Setting
from .terminal.output import size

if TYPE_CHECKING:
    from lmort_memory.encoder import OpenedEncoder

__all__ = ["Check", "Named", "count_connections", "run_checks"]

_LLAMA = "llama-cpp-python"
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


@dataclass(frozen=True, slots=True)
class Named:
    """What is to be looked at, and where each name comes from."""

    db: Setting
    model: Setting
    tuner: Setting

    @property
    def database(self) -> Path:
        """The database's path."""
        return expanded(str(self.db.value)) if self.db.value else default_db()

    def undo(self, name: str) -> str:
        """Return the command that takes back what was named."""
        return {
            "option": f"lmort-mem doctor    # without --{name}",
            "environment": f"unset LMORT_{name.upper()}",
            "file": f"lmort-mem config {name} --unset",
        }.get(getattr(self, name).origin, f"lmort-mem config {name} FILE")


def run_checks(named: Named) -> Iterator[Check]:
    """Yield the checks one after the other: the machine, the model, the database."""
    yield _python()
    yield _compiler()
    packages = list(_packages())
    yield from packages
    if any(check.state == "bad" for check in packages):
        return  # nothing below can be loaded
    llama = _llama()
    yield llama
    yield _capture()
    yield _sqlite()
    if llama.state != "bad":
        yield from _model(named)
    yield from _database(named)


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
    for wanted in _required():
        name = re.split(r"[<>=!~\s\[]", wanted, maxsplit=1)[0]
        mend = _pip(f"install '{wanted}'")
        try:
            found = version(name)
        except PackageNotFoundError:
            yield Check(name, "bad", "not installed", mend)
            continue
        pinned = wanted.partition("==")[2]
        if pinned and found != pinned:  # its structures are mirrored, so no other will do
            yield Check(name, "bad", f"{found}, and not {pinned}", mend)
        else:
            yield Check(name, "good", found)


def _required(extra: str = "") -> list[str]:
    """Return what the project needs, or what one of its extras adds."""
    parts = [one.partition(";") for one in requires("lmort-memory") or ()]
    return [
        wanted.strip()
        for wanted, _, condition in parts
        if (f'extra == "{extra}"' in condition if extra else "extra ==" not in condition)
    ]


def _pip(arguments: str) -> str:
    return f"{sys.executable} -m pip {arguments}"


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
    from lmort_memory.backbone.library import llama

    anew = _pip(f"install --force-reinstall --no-cache-dir {_LLAMA}=={version(_LLAMA)}")
    try:
        info = llama().llama_print_system_info().decode()
    except (ImportError, OSError, RuntimeError) as error:
        return Check("llama.cpp", "bad", f"does not load: {error}", anew)
    features = re.findall(r"(\w+) = 1\b", info)
    found = f"built for {', '.join(features) or 'a plain processor'}"
    if "AVX2" not in features and "avx2" in _processor_flags():
        return Check("llama.cpp", "note", f"{found}; this processor has AVX2 too", anew)
    return Check("llama.cpp", "good", found)


def _processor_flags() -> set[str]:
    """Return what Linux says that the processor can do; elsewhere nothing is known."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return set()
    return set(next((line for line in text.splitlines() if line.startswith("flags")), "").split())


def _capture() -> Check:
    try:
        from lmort_memory.backbone import fastcapture  # noqa: F401
    except ImportError:
        found = "in Python, which is slower: there was no compiler at installation"
        again = _pip(f"install --force-reinstall --no-deps --no-cache-dir '{_installed_from()}'")
        return Check("capture", "note", found, again)
    return Check("capture", "good", "compiled")


def _installed_from() -> str:
    """Return what pip was given: a folder or file, else the name."""
    told = distribution("lmort-memory").read_text("direct_url.json")
    return str(json.loads(told)["url"]) if told else "lmort-memory"


def _model(named: Named) -> Iterator[Check]:
    from lmort_memory.encoder import open_encoder

    from .commands.model import runnable_model

    model, tuner = (None if s.value is None else str(s.value) for s in (named.model, named.tuner))
    try:
        opened = open_encoder(runnable_model(model), tuner)
    except MissingDependencyError as error:
        yield Check("model", "bad", str(error), _pip(f"install '{_required('smollm2')[0]}'"))
        return
    except LmortError as error:
        what = "tuner" if isinstance(error, TunerError) else "model"
        yield Check(what, "bad", str(error), named.undo(what))
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
    encoder = opened.encoder
    if opened.notice:  # at once, or a tuner of another model lies where this model's would
        make = f"lmort-mem tuner make --model '{facts.path}' && lmort-mem reencode"
        yield Check("tuner", "note", opened.notice, make)
    else:
        yield Check("tuner", "good", f"made for this model, {tier_text(encoder.tier)}")
    (encoded,) = encoder.encode([_SENTENCE])
    norm = float((encoded.vectors**2).sum() ** 0.5)
    state: Literal["good", "bad"] = "good" if abs(norm - 1) < 1e-3 else "bad"
    yield Check("vectors", state, f"of {encoder.dim} numbers, with the norm {norm:.4f}")
    yield Check("space", "good", encoder.space)


def _template(present: bool) -> Check:
    if present:
        return Check("template", "good", "the model brings its chat template")
    return Check("template", "note", "the model has none; it is talked to in plain paragraphs")


def _database(named: Named) -> Iterator[Check]:
    from lmort_memory.memory import Memory

    path = named.database
    if not path.exists():
        yield Check("database", "good", f"{path} will be made at first use")
        return
    try:
        with Memory.open(path, with_model=False) as memory:
            status = memory.status().store
            found = memory.store.verify()
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
    yield _privacy(path)


def _privacy(path: Path) -> Check:
    open_to_others = [p for p in (path, path.parent) if p.stat().st_mode & 0o077]
    if not open_to_others or sys.platform == "win32":
        return Check("privacy", "good", "only you can read the database")
    worst = open_to_others[0]
    return Check("privacy", "note", f"others may read {worst}", f"chmod go= {worst}")
