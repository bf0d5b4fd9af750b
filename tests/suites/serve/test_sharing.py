"""One resident model: commands and MCP processes borrow it, and do without where it is gone."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress

import httpx
import pytest

from lmort_memory import BackboneError, Memory
from lmort_memory.serve.borrowed import BorrowedEncoder, borrow_memory
from lmort_memory.serve.discovery import Server, find_server
from lmort_memory.types import Encoder, TokenEncoder
from tests.suites.serve.servers import environment


def run(home, *arguments, **variables):
    """Run a command of ours and return what it printed."""
    done = subprocess.run(
        [sys.executable, "-m", "lmort_memory.cli", *arguments],
        env=environment(home) | variables, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(
    "answer",
    [b"[]", b"[" * 60_000, b'{"proof": 5}', b"\xff", None],
    ids=["a list", "deep", "a number", "no text", "without an end"],
)
@pytest.mark.parametrize("status", [200, 404])
def test_another_program_on_the_port_is_no_server(answer, status):
    """It may listen where a killed server did: whatever it says, and however long, is not ours."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=_answer, args=(listener, status, answer), daemon=True).start()
        other = Server("127.0.0.1", listener.getsockname()[1], "a token", 1, None, None)
        assert other.proves_itself() is False


def _answer(listener, status, answer):
    connection, _ = listener.accept()
    with connection, suppress(OSError):
        connection.recv(65536)
        connection.sendall(f"HTTP/1.1 {status} Yes\r\nX-Y: z\r\n\r\n".encode())
        connection.sendall(answer or b"")
        while answer is None:  # as a camera's pictures, slowly
            connection.sendall(b" ")
            time.sleep(0.05)


def test_borrowed_vectors_are_the_models_own(fresh_server, tmp_path, monkeypatch):
    """The same texts get the same vectors, and the same space, over HTTP and in this process."""
    from lmort_memory.encoder import open_encoder

    server = fresh_server()
    monkeypatch.setenv("LMORT_HOME", str(server.home))
    borrowed = BorrowedEncoder(find_server())
    assert isinstance(borrowed, Encoder)
    texts = ["Ada keeps bees.", "A long text. " * 100]
    with_server = borrowed.encode(texts)
    opened = open_encoder()
    try:
        assert borrowed.space == opened.encoder.space
        assert borrowed.provenance == opened.encoder.provenance
        for one, other in zip(with_server, opened.encoder.encode(texts), strict=True):
            assert one.spans == other.spans
            assert (abs(one.vectors - other.vectors) < 1e-4).all()
    finally:
        opened.close()


SAID = [
    "Ada keeps bees behind the barn in Trondheim.",
    "The ferry to Ørland leaves at nine, except on Sundays.",
    "We painted the kitchen green, and the hall a pale yellow that nobody likes.",
    "The piano tuner comes on the second Friday of March.",
    "Momo the cat is afraid of the vacuum cleaner. " * 12,
]
ASKED = ["Who keeps bees?", "When is the ferry?", "What is the cat afraid of?", "hall colour"]


def test_a_borrowed_memory_stores_and_finds_what_its_own_would(fresh_server, tmp_path, monkeypatch):
    """Vectors, token codes and every score of a recall are the same with a borrowed model."""
    server = fresh_server()
    monkeypatch.setenv("LMORT_HOME", str(server.home))
    found = []
    for name, opened in (
        ("borrowed", borrow_memory(tmp_path / "borrowed.db", model=None, tuner=None)),
        ("own", Memory.open(tmp_path / "own.db")),
    ):
        with opened as memory:
            records = memory.add(SAID)
            assert isinstance(memory.encoder, TokenEncoder), name
            stored = memory.store.vectors(memory.encoder.space, [one.id for one in records])
            kept = [stored[record.id] for record in records]
            hits = [memory.recall(asked, explain=True) for asked in ASKED]
            found.append((memory.encoder.token_kind, kept, hits))
    (kind, kept, hits), (own_kind, own_kept, own_hits) = found
    assert kind == own_kind is not None
    for one, other in zip(kept, own_kept, strict=True):
        assert one.spans == other.spans
        assert (abs(one.vectors - other.vectors) < 1e-4).all()
        assert one.tokens.kind == other.tokens.kind
        for chunk, own in zip(one.tokens.chunks, other.tokens.chunks, strict=True):
            assert chunk.shape == own.shape
            assert (chunk == own).mean() > 0.99
    for one, other in zip(hits, own_hits, strict=True):
        assert [hit.record.text for hit in one] == [hit.record.text for hit in other]
        assert [hit.score for hit in one] == pytest.approx([hit.score for hit in other], abs=0.01)
        assert all(hit.scores.tokens is not None for hit in one if hit.scores.dense is not None)


def test_a_server_without_token_codes_is_not_borrowed_where_they_are_wanted(
    fresh_server, tmp_path, monkeypatch
):
    """Its records would lack them; a program that wants none may borrow either."""
    monkeypatch.setenv("LMORT_HOME", str(fresh_server().home))
    with borrow_memory(None, model=None, tuner=None, token_codes=False) as memory:
        memory.add("Ada keeps bees.")
        assert memory.encoder.token_kind is None
        assert memory.recall("bees")
    monkeypatch.setenv("LMORT_TOKEN_CODES", "off")
    monkeypatch.setenv("LMORT_HOME", str(fresh_server(home=tmp_path / "off").home))
    assert borrow_memory(None, model=None, tuner=None) is None


def test_commands_use_the_running_server(fresh_server):
    """`add` and `recall` work on the server's model, and their records are the server's too."""
    server = fresh_server()
    id_ = run(server.home, "add", "The ferry leaves at nine.").strip()
    found = json.loads(run(server.home, "recall", "When does the ferry leave?", "--json"))
    assert found["hits"][0]["record"]["id"] == id_
    detail = httpx.get(f"{server.url}/api/records/{id_}", headers=server.headers).json()
    assert detail["vectors"]


def test_a_server_that_ends_is_replaced_by_a_model_of_ones_own(fresh_server, monkeypatch):
    """A memory that borrowed goes on when the server is killed, with a model that it loads.

    The model is freed with the memory.
    """
    server = fresh_server()
    monkeypatch.setenv("LMORT_HOME", str(server.home))
    with borrow_memory(None, model=None, tuner=None) as memory:
        memory.add("The ferry leaves at nine.")
        assert memory.encoder.is_borrowed
        os.kill(server.process.pid, signal.SIGKILL)
        server.process.wait()
        assert memory.recall("ferry")[0].record.text == "The ferry leaves at nine."
        assert not memory.encoder.is_borrowed
    with pytest.raises(BackboneError, match="closed"):
        memory.encoder.encode_query("ferry")
    assert find_server() is None  # its file is left over and leads nowhere
    assert "nine" in run(server.home, "recall", "When does the ferry leave?")


def test_a_clean_end_leaves_nothing_behind(fresh_server):
    """SIGTERM during a reply ends the server in seconds, without its file, with the turn kept."""
    server = fresh_server()
    body = {
        "model": f"{server.model}+memory",
        "messages": [{"role": "user", "content": "Tell a very long story."}],
        "stream": True,
        "max_tokens": 2000,
    }
    url = f"{server.url}/v1/chat/completions"
    with httpx.stream("POST", url, json=body, headers=server.headers, timeout=60) as answer:
        next(answer.iter_lines())
        server.process.terminate()
        assert server.process.wait(30) in (0, -signal.SIGTERM)
    assert not (server.home / "data" / "server.json").exists()
    assert "Tell a very long story." in run(server.home, "list", "--json")


def test_chats_go_before_imports(fresh_server):
    """While a large file is imported, a search and a chat are answered."""
    server = fresh_server()
    lines = "\n\n".join(f"Paragraph {i} about bees, queens and winters. " * 8 for i in range(400))
    with httpx.Client(base_url=server.url, headers=server.headers, timeout=60) as api:
        begun = api.post("/api/imports", params={"name": "big.md"}, content=lines.encode()).json()
        body = {
            "model": server.model,
            "messages": [{"role": "user", "content": "Say hello."}],
            "max_tokens": 4,
        }
        assert api.post("/v1/chat/completions", json=body).status_code == 200
        assert api.post("/api/search", json={"query": "queens"}).json()["hits"]
        state = api.get(f"/api/imports/{begun['id']}").json()["state"]
        assert state in ("reading", "encoding")
        assert api.get("/api/status").json()["queue"]["imports"] == 1
        assert api.post(f"/api/imports/{begun['id']}/cancel").status_code == 200
