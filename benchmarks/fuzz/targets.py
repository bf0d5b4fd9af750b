"""What is fuzzed. A target raises nothing but what its own code promises to raise.

Each target is prepared once in a temporary folder and then called with bytes; `seeds` are the
inputs that the fuzzer begins with.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
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
        _write_alone(path, damaged)
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
        _salvage(path)

    return attempt


def graphs(folder: Path) -> Try:
    """The files of an index and their rows, damaged: the nearest record is found, or StoreError.

    Damage to a file is found by its checksum, so that the search is right all the same. A row that
    lies can only be asked not to end the process: what it says is believed.
    """
    from lmort_memory import Memory
    from lmort_memory.errors import LmortError
    from lmort_memory.store import Filter, SQLiteStore
    from lmort_memory.store.vectors import refresh
    from lmort_memory.testing import HashEncoder

    refresh.SAVE_LEAST = 10  # the fuzzer's store is small
    path = folder / "m.db"
    encoder = HashEncoder(16)
    with Memory(encoder, SQLiteStore(path, graph_from=10)) as memory:
        memory.add([f"{word} {i}" for i, word in enumerate(_WORDS)], session="s")
        memory.store.build_index()
    kept = {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()}
    files = [file for file in sorted(kept) if file.suffix in (".graph", ".matrix")]
    assert len(files) == 2, files
    asked = f"{_WORDS[7]} 7"
    wanted = encoder.encode_query(asked)

    def attempt(data: bytes) -> None:
        for file in [file for file in folder.rglob("*") if file.is_file()]:
            if file not in kept:
                file.unlink()
        for file, whole in kept.items():
            file.write_bytes(whole)
        which, damage = (data[0] % 3, data[1:]) if data else (0, b"")
        if which == 2:
            _lie(path, damage)
        else:
            files[which].write_bytes(_damaged(kept[files[which]], damage))
        with suppress(LmortError), SQLiteStore(path, graph_from=10) as store:
            store.build_index()
            found = store.dense(encoder.space, wanted, Filter(), limit=3)
            assert which == 2 or store.get([found[0].id])[found[0].id].text == asked
            store.forget(Filter(ids=(found[-1].id,)) if found else Filter(session="s"))
            store.verify(), store.status()

    return attempt


def _damaged(whole: bytes, damage: bytes) -> bytes:
    """Cut a file after the place that the first four bytes say, then overwrite bytes of it."""
    cut = int.from_bytes(damage[:4], "little") % (2 * len(whole) + 1)
    damaged = bytearray(whole[:cut])
    for at in range(4, len(damage) - 4, 5):
        if damaged:
            damaged[int.from_bytes(damage[at : at + 4], "little") % len(damaged)] = damage[at + 4]
    return bytes(damaged)


def _lie(path: Path, damage: bytes) -> None:
    """Put other values into the rows that describe the files of an index."""
    connection = sqlite3.connect(path)
    with closing(connection), connection:
        for column, value in zip(damage[::2], damage[1::2], strict=False):
            name = _COLUMNS[column % len(_COLUMNS)]
            odd = _ODD[value % len(_ODD)]
            with suppress(sqlite3.Error):  # what the table itself refuses
                connection.execute(f"UPDATE caches SET {name} = ?", (odd,))


def rows(folder: Path) -> Try:
    """Values of other types and sizes in any row: read, searched, verified, or refused."""
    from lmort_memory import Memory, Turn
    from lmort_memory.errors import LmortError
    from lmort_memory.store import Filter, SQLiteStore
    from lmort_memory.testing import HashEncoder

    sound, path, out = folder / "sound.db", folder / "m.db", folder / "out.jsonl"
    encoder = HashEncoder(16, tokens=True)
    with Memory(encoder, SQLiteStore(sound)) as memory:
        memory.add([f"{word} {i}" for i, word in enumerate(_WORDS)], session="s")
        memory.add(Turn(text="Ada keeps bees.", metadata={"speaker": "Ada", "tags": ["x"]}))
        old = memory.add("The hive is green.", session="t")
        new = memory.add("The hive is red.", session="t")
        memory.supersede(old.id, new.id)
        memory.update(new.id, "The hive is blue.")
    whole = sound.read_bytes()
    columns = _columns_of(sound)

    def attempt(data: bytes) -> None:
        _write_alone(path, whole)
        _put(path, columns, data)
        with suppress(LmortError), SQLiteStore(path) as store:
            memory = Memory(encoder, store)
            for use in (
                lambda: memory.recall("bees of the red hive", top_k=5),
                lambda: list(memory.records()),
                lambda: [memory.history(record.id) for record in memory.records()],
                lambda: store.sessions(Filter(), limit=5),
                lambda: memory.export(out),
                memory.status,
                store.verify,
                lambda: store.forget(Filter(session="s")),
            ):
                out.unlink(missing_ok=True)
                with suppress(LmortError):
                    use()
        _salvage(path)

    return attempt


def _write_alone(path: Path, data: bytes) -> None:
    """Write a database, without the logs of the one before."""
    for beside in path.parent.glob(f"{path.name}*"):
        if beside.is_file():
            beside.unlink()
    path.write_bytes(data)


def _salvage(path: Path) -> None:
    """Read what is left of a database, or be refused."""
    from lmort_memory.errors import LmortError
    from lmort_memory.store import SQLiteStore
    from lmort_memory.store.salvage import repaired_copy

    with (
        suppress(LmortError),
        repaired_copy(path) as copy,
        SQLiteStore(copy, read_only=True) as store,
    ):
        list(store.readable_records())


def _columns_of(path: Path) -> list[tuple[str, str]]:
    """Return (table, column) of every table that holds rows of ours."""
    with closing(sqlite3.connect(path)) as connection:
        tables = connection.execute(
            "SELECT name FROM sqlite_master WHERE type = 'table'"
            " AND name NOT LIKE 'sqlite_%' AND name NOT LIKE '%words_%' ORDER BY name"
        ).fetchall()
        return [
            (table, row[1])
            for (table,) in tables
            if connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
            for row in connection.execute(f"PRAGMA table_info({table})")
        ]


def _put(path: Path, columns: list[tuple[str, str]], data: bytes) -> None:
    """Put a value into a column of a row for every three bytes."""
    connection = sqlite3.connect(path)
    with closing(connection), connection:
        for where, what, which in zip(data[::3], data[1::3], data[2::3], strict=False):
            table, column = columns[where % len(columns)]
            with suppress(sqlite3.Error):  # what the table itself refuses
                connection.execute(
                    f"UPDATE {table} SET {column} = ? WHERE rowid IN"
                    f" (SELECT rowid FROM {table} ORDER BY rowid LIMIT 1 OFFSET ?)",
                    (_ODD[what % len(_ODD)], which % 24),
                )


_WORDS = (
    *("bees", "honey", "wax", "clover", "hive", "queen", "drone", "smoke", "veil", "comb"),
    *("river", "bridge", "boat", "oar", "sail", "anchor", "harbour", "tide", "gull", "net"),
)
_COLUMNS = ("kind", "file", "watermark", "items", "deleted", "settings", "s")
_ODD = (
    *(0, 1, -1, 2**31, 2**63 - 1, -(2**63), 0.5, 1e300, float("inf"), None, "", "x", "7", "\0"),
    *("../m.db", ".", b"", b"\xff", b"\xff" * 32, "{", "[]", "{}", "null", "[1]", '{"a": 1}'),
    *("2026-13-45T99:00:00", "9999-12-31T23:59:59.999999", "0000", "graph", "user", "\u200b"),
)


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


def index_damages() -> Iterator[bytes]:
    """Yield damages of the graph, the matrix, and their rows."""
    for number, damage in enumerate(random_places()):
        whole = (2**32 - 1).to_bytes(4, "little") if number % 2 else b""
        yield bytes([number % 3]) + whole + damage


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
    "graphs": Target(graphs, index_damages, "files of an index, and their rows"),
    "rows": Target(rows, random_places, "values of other types in any row of a database"),
    "gguf": Target(gguf, gguf_seeds, "headers of GGUF files"),
    "filters": Target(filters, files_of("filters"), "conditions on metadata, and questions"),
    "http": Target(http, files_of("http"), "requests to the server"),
}
