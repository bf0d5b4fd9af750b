"""`lmort-mem hook` as agents run it: the real program, events on stdin."""

import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lmort_memory import Memory
from tests.support.pages import check_example

WORDS = "The deploy script is tools/ship.sh and needs the staging key."


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Run a hook with a home of its own; returns what it printed, and checks that it said no more.

    The program is this Python's `lmort-mem`.
    """
    monkeypatch.setenv("LMORT_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("LMORT_HOOK_PATIENCE", "60")  # nothing is timed here
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}" + os.environ["PATH"])

    def call(*arguments, event=None, raw=None):
        done = subprocess.run(
            [sys.executable, "-m", "lmort_memory.adapters.hooks", *arguments],
            input=raw if raw is not None else json.dumps(event or {}),
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, "")
        return json.loads(done.stdout)["hookSpecificOutput"] if done.stdout else None

    return call


def _database(tmp_path):
    return Memory.open(tmp_path / "home" / "data" / "memory.db", with_model=False)


def _transcript(path, session, *said, folder="/proj"):
    lines = [
        {
            "sessionId": session,
            "cwd": folder,
            "type": role,
            "uuid": f"{session}-{i}",
            "timestamp": f"2026-11-25T10:00:{i:02}Z",
            "message": {"role": role, "content": [{"type": "text", "text": text}]},
        }
        for i, (role, text) in enumerate(said)
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")


def _wait_for(tmp_path, count):
    for _ in range(200):
        with _database(tmp_path) as memory:
            if memory.status().store.records >= count:
                return
        time.sleep(0.1)
    raise AssertionError("the turns were not stored within 20 s")


def test_the_page(tmp_path, monkeypatch):
    """The page's example prints what the page says."""
    monkeypatch.setenv("LMORT_HOOK_PATIENCE", "60")
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}" + os.environ["PATH"])
    check_example("docs/adapters/hooks.md", tmp_path)


def test_three_sessions(run, tmp_path):
    """What a session said is told to the next, at its start and at a prompt, not to itself."""
    path = tmp_path / "aaa.jsonl"
    _transcript(path, "aaa", ("user", WORDS), ("assistant", "Noted."))
    stop = {"session_id": "aaa", "transcript_path": str(path), "hook_event_name": "Stop"}
    assert run(event=stop) is None
    _wait_for(tmp_path, 2)
    started = run("session-start", event={"session_id": "bbb", "cwd": "/proj"})
    assert started["hookEventName"] == "SessionStart"
    assert "2026-11-25, user said" in started["additionalContext"]
    assert WORDS in started["additionalContext"]
    assert run("session-start", event={"session_id": "bbb", "cwd": "/elsewhere"}) is None
    prompt = {"hook_event_name": "UserPromptSubmit", "prompt": "Which key does deploy need?"}
    assert WORDS in run(event={**prompt, "session_id": "ccc"})["additionalContext"]
    assert run(event={**prompt, "session_id": "aaa"}) is None


def test_stopping_again_and_importing_store_each_turn_once(run, tmp_path):
    """A transcript that grew is stored whole, and no turn of it twice."""
    path = tmp_path / "aaa.jsonl"
    for said in ([("user", WORDS)], [("user", WORDS), ("assistant", "Noted.")]):
        _transcript(path, "aaa", *said)
        assert run("store", event={"session_id": "aaa", "transcript_path": str(path)}) is None
    with _database(tmp_path) as memory:
        assert [one.text for one in memory.records()] == [WORDS, "Noted."]


def test_agents_without_a_known_transcript(run, tmp_path):
    """Where no importer knows the file, what the event itself tells is stored."""
    event = {
        "session_id": "g",
        "cwd": "/proj",
        "hook_event_name": "AfterAgent",
        "prompt": WORDS,
        "prompt_response": "Noted.",
    }
    run("store", event=event)
    with _database(tmp_path) as memory:
        assert [(one.role, one.text) for one in memory.records()] == [
            ("user", WORDS),
            ("assistant", "Noted."),
        ]
    asked = {"prompt": "Which key does the deploy script need?", "session_id": "h"}
    name = run(event={**event, **asked, "hook_event_name": "BeforeAgent"})
    assert name["hookEventName"] == "BeforeAgent"


@pytest.mark.parametrize("prompt", ["thanks!", "ok, go on", "yes please", "", "👍", "hello there"])
def test_small_talk_gets_nothing(run, tmp_path, prompt):
    """Nothing is said where nothing is asked."""
    with _database(tmp_path) as memory:
        memory.add([WORDS, "Thanks for the key.", "Hello, is the hive there?"])
    assert run("prompt", event={"prompt": prompt}) is None


def test_the_settings_are_followed(run, tmp_path, monkeypatch):
    """What is stored has no secrets where the settings say so, and goes where they say."""
    secret = "ghp_" + "aB3dE6gH9" * 4
    config = tmp_path / "config.toml"
    config.write_text('scope = "work"\nredact = true\n', encoding="utf-8")
    monkeypatch.setenv("LMORT_CONFIG", str(config))
    run("store", event={"session_id": "g", "prompt": f"{WORDS} It is {secret}."})
    with _database(tmp_path) as memory:
        [record] = memory.records()
        assert record.text == f"{WORDS} It is [redacted: GitHub token]."
        assert record.scope == "work"
    asked = {"prompt": "Which key does the deploy script need?", "session_id": "h"}
    assert WORDS in run("prompt", event=asked)["additionalContext"]
    assert run("prompt", "--scope", "life", event=asked) is None


def test_notes_are_bounded(run, tmp_path):
    """Long records are cut, and all notes together stay under 1,600 characters."""
    with _database(tmp_path) as memory:
        memory.add([f"deploy script number {i} " + "needs the staging key " * 90 for i in range(9)])
    said = run("prompt", event={"prompt": "What does the deploy script need?"})
    assert 400 < len(said["additionalContext"]) <= 1600


@pytest.mark.parametrize("raw", ["", "not json", "[]", '{"hook_event_name": "Other"}', "\0"])
def test_damaged_input_is_silent(run, raw):
    """Whatever stands on stdin, the hook exits with 0 and says nothing."""
    assert run(raw=raw) is None


def test_a_database_that_cannot_be_opened_is_silent(run, tmp_path):
    """Another program's file under the database's name costs the agent nothing."""
    place = tmp_path / "other.db"
    place.write_text("not a database" * 100, encoding="utf-8")
    prompt = {"prompt": "Which key does the deploy script need?"}
    assert run("prompt", "--db", str(place), event=prompt) is None
    assert run("stop", "--db", str(place), event={"session_id": "x"}) is None


def test_a_server_that_hangs_does_not_hold_up_the_agent(run, tmp_path, monkeypatch):
    """What listens there and never answers is given up after the patience, without a word."""
    monkeypatch.setenv("LMORT_HOOK_PATIENCE", "1")
    place = tmp_path / "home" / "data" / "server.json"
    place.parent.mkdir(mode=0o700, parents=True)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        facts = {"host": "127.0.0.1", "port": port, "token": "x", "pid": 1}
        place.touch(mode=0o600)
        place.write_text(json.dumps({**facts, "model": None, "tuner": None}), encoding="utf-8")
        assert run("prompt", event={"session_id": "b", "prompt": WORDS}) is None


def test_the_running_server_answers(run, tmp_path, monkeypatch):
    """With `lmort-mem serve`, what is stored has its vectors, and the server finds it."""
    program = str(Path(sys.executable).parent / "lmort-mem")
    server = subprocess.Popen(
        [program, "serve", "--port", "0"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        for _ in range(600):
            if (tmp_path / "home" / "data" / "server.json").exists():
                break
            time.sleep(0.1)
        run("store", event={"session_id": "a", "prompt": "Ada keeps bees in Trondheim."})
        asked = {"session_id": "b", "prompt": "Where does Ada keep her bees?"}
        assert "Trondheim" in run("prompt", event=asked)["additionalContext"]
        with _database(tmp_path) as memory:
            assert memory.status().store.spaces[0].pending == 0
    finally:
        server.terminate()
        server.wait(30)
