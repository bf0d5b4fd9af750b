"""A byte scan of all that every command writes beside an encrypted memory."""

import http.client
import json
import os
import signal
import subprocess
import sys
import time
from urllib.parse import urlsplit

import pytest

from lmort_memory.store.encryption import is_encrypted
from tests.suites.serve.conftest import _no_network  # noqa: F401  this machine may be reached
from tests.suites.serve.servers import start
from tests.support.tiny_chat import write_pair

WORD = "Quibdoville"
PASSPHRASE = "correct horse battery staple"


@pytest.fixture
def home(tmp_path, monkeypatch, tmp_path_factory):
    """An LMORT_HOME, a temporary folder and a working folder of its own, all empty."""
    model, tuner = write_pair(tmp_path_factory.mktemp("pair"))
    secret = tmp_path_factory.mktemp("secret") / "passphrase"
    secret.touch(mode=0o600)
    secret.write_text(PASSPHRASE)
    for name, value in (
        ("LMORT_HOME", tmp_path),
        ("LMORT_MODEL", model),
        ("LMORT_TUNER", tuner),
        ("LMORT_PASSPHRASE_FILE", secret),
        ("TMPDIR", tmp_path / "tmp"),
    ):
        monkeypatch.setenv(name, str(value))
    for name in ("tmp", "cwd"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path / "cwd")
    return tmp_path


@pytest.fixture
def notes(tmp_path_factory):
    """A folder of notes, outside."""
    folder = tmp_path_factory.mktemp("notes")
    (folder / "a.md").write_text(f"# {WORD}\n\nThe mayor of {WORD} keeps bees.")
    return folder


def run(*arguments, stdin=""):
    """Run a command and return its exit status."""
    program = [sys.executable, "-m", "lmort_memory.cli", *map(str, arguments)]
    done = subprocess.run(program, input=stdin, capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr, done.stderr
    return done.returncode


def holding(folder):
    """Return the files that hold the word, in any of the encodings that a program writes."""
    needles = [WORD.encode(), WORD.lower().encode(), WORD.encode("utf-16-le")]
    files = [one for one in folder.rglob("*") if one.is_file() and not one.is_symlink()]
    assert files
    return [one.name for one in files if any(n in one.read_bytes() for n in needles)]


def test_no_command_writes_a_text_beside_it(home, notes):
    """Add, edit, import, watch, chat, backup, restore, export, hook, verify: nothing is plain."""
    assert run("add", f"{WORD} lies by a lake.", "--session", WORD) == 0
    assert run("import", notes) == 0
    assert run("chat", "--session", WORD, stdin=f"Where is {WORD}?\n") == 0
    assert run("chat", "--session", WORD, stdin=f"And who lives in {WORD}?\n") == 0  # resumed
    assert run("backup", home / "backup.db") == 0
    assert run("export", home / "export.jsonl") == 1
    assert run("hook", "prompt", stdin=json.dumps({"prompt": WORD, "session_id": WORD})) == 0
    assert run("verify") == run("status") == run("recall", WORD) == 0
    assert run("restore", home / "backup.db", "--yes") == 0
    watch = subprocess.Popen(
        [sys.executable, "-m", "lmort_memory.cli", "watch", str(notes)],
        stderr=subprocess.PIPE,
        text=True,
    )
    time.sleep(3)
    (notes / "b.md").write_text(f"More of {WORD}.")
    time.sleep(3)
    during = holding(home)
    watch.send_signal(signal.SIGINT)
    assert "Traceback" not in watch.communicate(timeout=60)[1]
    assert during == [] and holding(home) == []
    for database in home.rglob("*.db"):
        assert is_encrypted(database)


def test_the_server_writes_no_text(home, notes):
    """Records, uploads, chats and errors over HTTP: not in its log, its token, or any folder."""
    server = start(home)
    place = urlsplit(server.url)
    model = server.model

    def ask(method, path, body=None, kind="application/json"):
        connection = http.client.HTTPConnection(place.hostname, place.port, timeout=60)
        data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        connection.request(method, path, data, {**server.headers, "Content-Type": kind})
        answer = connection.getresponse()
        said = answer.read()
        connection.close()
        return answer.status, said

    try:
        assert ask("POST", "/api/records", {"text": f"{WORD} lies by a lake."})[0] == 201
        assert ask("POST", "/api/search", {"query": WORD})[0] == 200
        messages = [{"role": "user", "content": f"Where is {WORD}?"}]
        body = {"model": f"{model}+memory", "messages": messages, "max_tokens": 4}
        assert ask("POST", "/v1/chat/completions", body)[0] == 200
        note = (notes / "a.md").read_bytes()
        name = f"{WORD}.md"
        status, said = ask("POST", f"/api/imports?name={name}", note, "application/octet-stream")
        assert status == 202, said
        for _ in range(100):
            if json.loads(ask("GET", "/api/imports")[1])["imports"][0]["state"] in (
                "done",
                "failed",
            ):
                break
            time.sleep(0.2)
        ask("GET", f"/api/records/{WORD}")
        ask("POST", "/api/search", b'{"query": "' + WORD.encode() + b'"')
        ask("GET", f"/{WORD}?{WORD}={WORD}")
        during = holding(home)
    finally:
        server.stop()
    assert during == [] and holding(home) == []
    assert not os.listdir(home / "tmp")  # noqa: PTH208
