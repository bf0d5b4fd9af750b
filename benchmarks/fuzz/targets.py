"""What is fuzzed. A target raises nothing but what its own code promises to raise.

Each target is prepared once in a temporary folder and then called with bytes; `seeds` are the
inputs that the fuzzer begins with.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from benchmarks.fuzz.edits import edited, values_of

__all__ = ["TARGETS", "Target"]

CORPUS = Path(__file__).parent / "corpus"
Try = Callable[[bytes], None]


@dataclass(frozen=True, slots=True)
class Target:
    """One thing to fuzz.

    Attributes:
        prepare: Makes the function to call, given an empty folder.
        seeds: The first inputs.
        about: One line.
    """

    prepare: Callable[[Path], Try]
    seeds: Callable[[], Iterator[bytes]]
    about: str


def importers(folder: Path) -> Try:
    """Any file, given to the format that its first byte chooses: turns that can be stored."""
    from lmort_memory.errors import ImportFileError, MissingDependencyError
    from lmort_memory.importers.format import LeftOut
    from lmort_memory.importers.registry import FORMATS
    from lmort_memory.importers.scan import FoundFile, read_file
    from lmort_memory.store.records import rows

    def attempt(data: bytes) -> None:
        if not data:
            return
        form = FORMATS[data[0] % len(FORMATS)]
        path = folder / f"f{form.suffixes[data[0] // len(FORMATS) % len(form.suffixes)]}"
        path.write_bytes(data[1:])
        with suppress(ImportFileError, MissingDependencyError):
            for turn in read_file(FoundFile(path, form, len(data)), LeftOut()):
                assert turn.text.encode() and "\0" not in turn.text
                rows.origin_of(turn), rows.dump_metadata(turn.metadata)

    return attempt


def importer_seeds() -> Iterator[bytes]:
    """Yield each sample behind the byte that chooses its format."""
    from lmort_memory.importers.registry import FORMATS

    by_name = {form.name.replace(" ", "-"): number for number, form in enumerate(FORMATS)}
    for path in sorted((CORPUS / "importers").iterdir()):
        name, _, rest = path.name.rpartition("-")
        form = FORMATS[by_name[name]]
        suffix = rest[8:]
        which = form.suffixes.index(suffix) if suffix in form.suffixes else 0
        if (chosen := by_name[name] + which * len(FORMATS)) < 256:
            yield bytes([chosen]) + path.read_bytes()


def exports(folder: Path) -> Try:
    """An export with any lines, restored: what is stored can be read, searched and verified."""
    from lmort_memory import Memory
    from lmort_memory.errors import LmortError
    from lmort_memory.store import SQLiteStore

    store = SQLiteStore(folder / "m.db")
    memory = Memory(None, store)
    path = folder / "export.jsonl"
    tried = 0

    def attempt(data: bytes) -> None:
        nonlocal tried
        path.write_bytes(data)
        with suppress(LmortError):
            memory.restore(path)
        tried += 1
        if tried % 50 == 0:
            list(memory.records()), memory.recall("bees", mode="lexical"), memory.status()
            found = store.verify()
            assert found.ok, found.problems
            memory.forget([record.id for record in memory.records()] or ["none"])

    return attempt


def states(folder: Path) -> Try:
    """A saved chat state, with the checksum that its bytes ask for: a state, or None."""
    from lmort_memory.backbone import saved_state

    saved_state.build = lambda: "b"  # the fuzzer runs without llama.cpp
    path = folder / "s.state"

    [seed] = [one.partition(b"\n")[0] for one in files_of("states")()]
    headers = [json.loads(seed)]

    def attempt(data: bytes) -> None:
        path.write_bytes(data)
        saved_state.read_state(path, "f")
        edits, _, cells = data.partition(b"\n")
        value = edited(headers, edits)
        with suppress(ValueError, TypeError, LookupError, OverflowError, RecursionError):
            tokens, label = tuple(int(one) for one in value["tokens"]), str(value["label"])
            value["sha256"] = saved_state._checksum(tokens, label, cells)
        header = json.dumps(value).encode()
        path.write_bytes(b"LMORTKV1" + len(header).to_bytes(8, "little") + header + cells)
        saved_state.read_state(path, "f")

    return attempt


def ledgers(folder: Path) -> Try:
    """The payload of a ledger, as a database may hold it: shown or refused with our own error."""
    del folder
    from lmort_memory.chat.ledger import from_entry
    from lmort_memory.errors import LmortError
    from lmort_memory.store.values import LedgerEntry

    payloads = values_of(CORPUS / "ledgers")

    def attempt(data: bytes) -> None:
        payload = edited(payloads, data)
        if isinstance(payload, dict):
            with suppress(LmortError):
                from_entry(LedgerEntry("r", "s", ("a",), payload), {})

    return attempt


def databases(folder: Path) -> Try:
    """A database with bytes overwritten: read, searched, verified and salvaged, or refused."""
    from lmort_memory import Memory
    from lmort_memory.errors import LmortError
    from lmort_memory.store import Filter, SQLiteStore
    from lmort_memory.store.salvage import repaired_copy

    sound = folder / "sound.db"
    with Memory(None, SQLiteStore(sound)) as memory:
        memory.add([f"note {i}: bees and honey" for i in range(20)], session="s")
    whole = sound.read_bytes()
    path = folder / "m.db"

    def attempt(data: bytes) -> None:
        damaged = bytearray(whole)
        for at in range(0, len(data) - 4, 5):
            place = int.from_bytes(data[at : at + 4], "little") % len(damaged)
            damaged[place] = data[at + 4]
        for beside in folder.glob("m.db*"):
            if beside.is_file():
                beside.unlink()
        path.write_bytes(damaged)
        with suppress(LmortError), SQLiteStore(path) as store:
            for use in (
                lambda: list(store.records(Filter())),
                lambda: store.lexical("bees", Filter(), limit=5),
                store.verify,
                store.status,
                lambda: store.forget(Filter(session="s")),
            ):
                with suppress(LmortError):
                    use()
        with (
            suppress(LmortError),
            repaired_copy(path) as copy,
            SQLiteStore(copy, read_only=True) as s,
        ):
            list(s.readable_records())

    return attempt


def gguf(folder: Path) -> Try:
    """A GGUF header: read, or refused with our own error."""
    from lmort_memory.errors import LmortError
    from lmort_memory.modelfile.header import read_header

    path = folder / "m.gguf"

    def attempt(data: bytes) -> None:
        path.write_bytes(data)
        with suppress(LmortError):
            read_header(path)

    return attempt


def gguf_seeds() -> Iterator[bytes]:
    """Yield the header of a tiny model, with a vocabulary cut short."""
    yield (CORPUS / "gguf" / "tiny-header.gguf").read_bytes()
    yield b"GGUF\x03\0\0\0" + bytes(16)


def filters(folder: Path) -> Try:
    """Conditions on metadata, and a question: an answer, or ValueError."""
    from lmort_memory import Memory
    from lmort_memory.store import Filter, SQLiteStore

    memory = Memory(None, SQLiteStore(folder / "m.db"))
    memory.add("Ada keeps bees.", metadata={"a": 1, "tags": ["x"], "t": "bees", "n": None})

    def attempt(data: bytes) -> None:
        text = data.decode("utf-8", "surrogateescape" if len(data) % 2 else "replace")
        memory.recall(text[:200], mode="lexical")
        with suppress(ValueError, RecursionError):
            where = json.loads(text)
            if isinstance(where, dict):
                list(memory.store.records(Filter(where=where)))

    return attempt


def http(folder: Path) -> Try:
    """Requests to the server, in process: never a status of 500 and above, always whole JSON."""
    from starlette.testclient import TestClient

    from benchmarks.fuzz.asgi import running_app

    client = TestClient(
        running_app(folder), base_url="http://127.0.0.1", raise_server_exceptions=True
    )
    client.__enter__()

    def attempt(data: bytes) -> None:
        head, _, body = data.partition(b"\n")
        parts = head.decode("latin-1").split(" ")
        method, path, extra = (*parts, "", "", "")[:3]
        headers = {"Content-Type": "application/json"}
        said = extra.partition("=")[0]
        if name := "".join(c for c in said if c.isascii() and (c.isalnum() or c == "-")):
            value = extra.partition("=")[2]
            headers[name] = "".join(c for c in value if c.isprintable() and c.isascii())
        method = method if method.isalpha() and method.isascii() else "POST"
        place = quote(path.lstrip("/"), safe="/?&=%+", encoding="latin-1")
        with suppress(asyncio.CancelledError):
            answer = client.request(method, f"/{place}", content=body, headers=headers)
            assert answer.status_code < 500, (answer.status_code, answer.text[:300])
            is_json = answer.headers.get("content-type") == "application/json"
            if is_json and answer.request.method != "HEAD":
                json.loads(answer.content)

    return attempt


def files_of(name: str) -> Callable[[], Iterator[bytes]]:
    """Return what yields the files of one folder of the corpus."""

    def seeds() -> Iterator[bytes]:
        for path in sorted((CORPUS / name).iterdir()):
            yield path.read_bytes()

    return seeds


def random_places() -> Iterator[bytes]:
    """Yield a few damages of one to eight bytes."""
    for number in range(24):
        yield hashlib.sha256(bytes([number])).digest()[: 5 * (1 + number % 6)]


TARGETS: dict[str, Target] = {
    "importers": Target(importers, importer_seeds, "files, in every format that is imported"),
    "exports": Target(exports, files_of("exports"), "lines of our own export"),
    "states": Target(states, files_of("states"), "saved states of chats"),
    "ledgers": Target(ledgers, files_of("ledgers"), "ledgers of replies"),
    "databases": Target(databases, random_places, "databases with bytes overwritten"),
    "gguf": Target(gguf, gguf_seeds, "headers of GGUF files"),
    "filters": Target(filters, files_of("filters"), "conditions on metadata, and questions"),
    "http": Target(http, files_of("http"), "requests to the server"),
}
