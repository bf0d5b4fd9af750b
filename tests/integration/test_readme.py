"""The README can be believed: it is short, its links exist, and each of its blocks is run."""

import re
import shlex
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

from tests.support.cli import Cli, write_tiny_pair

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")
FENCED = re.compile(r"^```(\w+)\n(.*?)^```", re.DOTALL | re.MULTILINE)
BLOCKS = FENCED.findall(TEXT)


@pytest.fixture
def reader(monkeypatch, tmp_path, home):
    """Stand where a reader stands: the packaged model, some notes, another model at home."""
    model, tuner = write_tiny_pair(tmp_path)
    (tmp_path / "models").mkdir()
    shutil.copy(model, tmp_path / "models" / "qwen3-4b.gguf")
    (home / "data" / "tuners").mkdir(parents=True)
    shutil.copy(tuner, home / "data" / "tuners")
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "bees.md").write_text("# Bees\n\nIn winter they form a cluster.\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("LMORT_MAX_TOKENS", "4")
    monkeypatch.chdir(tmp_path)


def test_it_is_one_page():
    """At most 150 lines, of at most 100 characters outside its tables."""
    lines = TEXT.splitlines()
    assert len(lines) <= 150
    assert [line for line in lines if len(line) > 100 and not line.startswith("|")] == []


def test_every_block_is_of_a_kind_that_is_run():
    """Nothing is fenced that no test looks at; `text` is the output of the program above it."""
    assert {kind for kind, _ in BLOCKS} <= {"python", "sh", "text"}
    for (kind, _), (before, _) in zip(BLOCKS[1:], BLOCKS, strict=False):
        assert kind != "text" or before == "python"


def test_the_first_commands_are_targets_of_make():
    """The two commands at the top are what make knows."""
    named = re.findall(r"^    make (\w+)", TEXT, re.MULTILINE)
    assert named == ["chat", "test"]
    subprocess.run(["make", "--dry-run", *named], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)


def test_what_pip_is_told_to_install_exists():
    """The extras that are named are the project's."""
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"][
        "optional-dependencies"
    ]
    named = re.findall(r"install '\.\[(\w+)\]'", TEXT)
    assert named
    assert set(named) <= set(extras)


def test_programs_print_what_is_said(reader, capsys):
    """The Python blocks run in order with the packaged model, and print the block below them."""
    names: dict[str, object] = {}
    outputs = [*BLOCKS[1:], ("", "")]
    for (kind, code), (next_kind, expected) in zip(BLOCKS, outputs, strict=True):
        if kind == "python":
            code = code.replace("Chat(memory)", "Chat(memory, options=_short)")
            exec(compile(code, "README.md", "exec"), names | {"_short": _short()})
            shown = capsys.readouterr().out
            assert next_kind != "text" or shown == expected


def _short():
    from lmort_memory import ChatOptions

    return ChatOptions(max_tokens=4)


def test_commands_work(reader, monkeypatch, capsys):
    """Each line of a shell block ends with status 0; of those that train, the options exist."""
    cli = Cli(monkeypatch, capsys)
    for block in (code for kind, code in BLOCKS if kind == "sh"):
        for line in block.splitlines():
            program, *arguments = shlex.split(line, comments=True)
            assert program == "lmort-mem"
            arguments = [str(Path(a).expanduser()) if a[0] == "~" else a for a in arguments]
            if arguments[0] == "tuner":
                arguments.append("--help")
            assert cli(*arguments).status == 0, line


@pytest.mark.parametrize("target", re.findall(r"\]\((?!https?:)([^)#]+)", TEXT))
def test_links_lead_somewhere(target):
    """A link to a file of the project leads to one."""
    assert (ROOT / target).exists()
