"""The examples run, and do what their first lines say."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture(autouse=True)
def model(monkeypatch, pair, home):
    """Let the examples find the tiny model and its tuner, as they would find the default ones."""
    monkeypatch.setenv("LMORT_MODEL", str(pair[0]))
    (home / "data" / "tuners").mkdir(parents=True)
    (home / "data" / "tuners" / "tiny.gguf").write_bytes(pair[1].read_bytes())


def load(name):
    """Import an example by its file."""
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_example_is_tested_here():
    """An example that nobody runs is an example that does not run."""
    tested = {"agent_loop", "note_search", "diary"}
    assert {path.stem for path in EXAMPLES.glob("*.py")} == tested


def test_the_agent_learns_once(tmp_path):
    """A lesson of one run is known in the next."""
    example = load("agent_loop")
    first = example.run(["water the tomatoes"], tmp_path / "memory.db")
    assert first == [
        "water the tomatoes: knew 0, learnt The hose leaks at the tap; water with the can."
    ]
    second = example.run(["water the beans"], tmp_path / "memory.db")
    assert second == ["water the beans: knew 1, learnt nothing new"]


def test_notes_are_searched(tmp_path):
    """The place of an answer is given; a second search does not read the notes again."""
    folder = tmp_path / "notes"
    folder.mkdir()
    text = "# Bees\n\nIn winter they form a cluster.\n"
    (folder / "bees.md").write_text(text)
    example = load("note_search")
    for _ in range(2):
        (line,) = example.search(folder, "What do bees do in winter?", tmp_path / "memory.db")
        assert line.startswith(f"{folder / 'bees.md'}, characters 8 to 38: ")
        assert text[8:38] == "In winter they form a cluster."


def test_the_diary_recalls(tmp_path):
    """An earlier entry comes up with a later one that it has to do with."""
    example = load("diary")
    database = tmp_path / "memory.db"
    example.write_entry("Slept badly, too much coffee.", database, max_tokens=4)
    reply = example.write_entry("Coffee again.", database, max_tokens=4)
    assert "Slept badly, too much coffee.)" in reply.splitlines()[0]


def test_an_example_runs_as_a_program():
    """They are started as their first lines say."""
    command = [sys.executable, str(EXAMPLES / "agent_loop.py"), "check the bees"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert "learnt The bees are calm before noon" in done.stdout
