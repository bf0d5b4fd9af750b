"""Kill a process that works on a database, at a random instant, and look at what is left.

By hand, for as long as one likes (the child is this very file):

    python -m tests.support.kills 250
"""

import os
import random
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from lmort_memory import Memory, Turn
from lmort_memory.store import Filter, SQLiteStore
from lmort_memory.store.values import SourceState
from lmort_memory.store.vectors import refresh
from lmort_memory.testing import HashEncoder

ENCODER = HashEncoder(16)
GRAPH_FROM = 64
SECRET = "Quibdoville"


def _open(path):
    """Open with numbers so small that a graph is built and saved within a second."""
    refresh.SAVE_LEAST = 8
    refresh.MAX_TAIL = 8
    return Memory(ENCODER, SQLiteStore(path, graph_from=GRAPH_FROM))


def _acknowledge(*words):
    sys.stdout.write(" ".join(map(str, words)) + "\n")
    sys.stdout.flush()


def _add(memory, start):
    for i in range(start, start + 100_000):
        record = memory.add(f"turn {i} about bees", session="s")
        _acknowledge("stored", record.id)


def _import(memory, start):
    for i in range(start, start + 1000):
        turns = [Turn(f"paragraph {j} of edition {i // 3}") for j in range(i % 7 + 600)]
        state = SourceState("file:///book.md", f"edition {i}")
        memory.store.replace_source(state, turns, scope="default")
        _acknowledge("edition", i, len(turns))


def _reencode(memory, start):
    for i in range(start, start + 1000):
        ids = memory.add([f"note {i} {j}" for j in range(40)], defer=True)
        for record in ids:
            _acknowledge("stored", record.id)
        memory.encode_pending(batch_size=7)
        _acknowledge("encoded", ids[0].id)


def _index(memory, start):
    for i in range(start, start + 1000):
        for record in memory.add([f"note {i} {j}" for j in range(80)]):
            _acknowledge("stored", record.id)
        memory.store.build_index()
        memory.recall("note", mode="dense")


def _forget(memory, start):
    memory.add([f"ordinary note {i}" for i in range(GRAPH_FROM)])
    memory.store.build_index()
    for i in range(start, start + 1000):
        record = memory.add(f"{SECRET} {i} is secret")
        memory.recall("secret")
        memory.forget(record.id)
        _acknowledge("forgotten", record.id)


WORK = {"add": _add, "import": _import, "reencode": _reencode, "index": _index, "forget": _forget}


def child(operation, path, start):
    """Work on a database until somebody kills this process."""
    if operation == "create":
        for i in range(1000):
            SQLiteStore(f"{path}.{start}.{i}").close()
            _acknowledge("created", i)
    memory = _open(path)
    _acknowledge("open")
    WORK[operation](memory, start)


def kill_once(operation, path, chance):
    """Run a child, kill it, and return the lines that it had acknowledged by then."""
    command = [sys.executable, "-m", "tests.support.kills", "child", operation, str(path)]
    with subprocess.Popen(
        [*command, str(chance.randrange(10**6))], stdout=subprocess.PIPE, text=True
    ) as process:
        lines = [process.stdout.readline() for _ in range(chance.randint(1, 4))]
        try:
            process.wait(timeout=chance.uniform(0, 0.15))
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
        lines += process.stdout.readlines()
        assert process.wait() == -signal.SIGKILL, "the child ended by itself"
    return [line.split() for line in lines if line.endswith("\n")]


def check(operation, path, lines):
    """Assert that everything acknowledged is there, nothing forgotten is, and all of it works."""
    if operation == "create":
        for file in path.parent.glob(f"{path.name}.*.*"):
            if not file.name.endswith(("-wal", "-shm", "-journal")):
                with SQLiteStore(file) as store:
                    assert store.add([Turn("works", session="s")])[0].new and store.verify().ok
        return
    with _open(path) as memory:
        ids = {record.id for record in memory.records()}
        stored = {words[1] for words in lines if words[0] == "stored"}
        assert stored <= ids, f"lost {stored - ids}"
        assert not {words[1] for words in lines if words[0] == "forgotten"} & ids
        problems = memory.store.verify().problems
        assert problems == (), problems
        marker = memory.add("a marker that nobody else wrote")
        assert marker.id in [hit.record.id for hit in memory.recall("marker nobody wrote")]
        memory.encode_pending()
        assert memory.status().pending == 0
        if operation == "forget":
            secret = {r.id for r in memory.records() if SECRET in r.text}
            if not secret:
                data = b"".join(f.read_bytes() for f in path.parent.rglob("*") if f.is_file())
                assert SECRET.encode() not in data and SECRET[:-1].lower().encode() not in data
        if operation == "import":
            _check_edition(memory, lines)


def _check_edition(memory, lines):
    state = memory.store.source_state("file:///book.md", scope="default")
    told = [words for words in lines if words[0] == "edition"]
    if told:
        assert state is not None and int(state.digest.split()[1]) >= int(told[-1][1])
    if state is not None:
        last = SourceState(state.uri, "edition -1")
        memory.store.replace_source(last, [Turn("the end")], scope="default")
        left = list(memory.store.records(Filter(source=state.uri)))
        assert [record.text for record in left] == ["the end"]


def main(count):
    """Kill twice as often as told, each operation in turn, and say how it goes."""
    chance = random.Random(os.environ.get("SEED", "lmort"))
    operations = ["create", *WORK]
    acknowledged = 0
    for number in range(count):
        operation = operations[number % len(operations)]
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "memory.db"
            for _ in range(2):  # the second child begins where the first was killed
                lines = kill_once(operation, path, chance)
                acknowledged += len(lines)
                check(operation, path, lines)
        if number % 25 == 24:
            sys.stdout.write(f"{2 * number + 2} kills, {acknowledged} acknowledged steps\n")
            sys.stdout.flush()
    sys.stdout.write(f"{2 * count} kills, {acknowledged} acknowledged steps, nothing lost\n")


if __name__ == "__main__":
    if sys.argv[1] == "child":
        child(sys.argv[2], Path(sys.argv[3]), int(sys.argv[4]))
    else:
        main(int(sys.argv[1]))
