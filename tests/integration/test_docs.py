"""The pages of docs/ can be believed: their commands and programs are run, their links exist."""

import re
import shlex
from pathlib import Path

import pytest

from tests.support import api_page
from tests.support.cli import Cli

DOCS = Path(__file__).parents[2] / "docs"
PAGES = sorted(path.name for path in DOCS.glob("*.md"))
BLOCK = re.compile(r"^```(sh|python)\n(.*?)^```", re.DOTALL | re.MULTILINE)


def blocks(name, kind):
    """Return the code blocks of a page."""
    text = (DOCS / name).read_text(encoding="utf-8")
    return [code for language, code in BLOCK.findall(text) if language == kind]


@pytest.fixture
def reader(monkeypatch, tmp_path, tiny):
    """Stand where a reader of the docs stands: a model, a folder of notes, an empty memory."""
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "bees.md").write_text("---\ntags: [garden]\n---\n# Bees\n\nIn winter.\n")
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("name", [name for name in PAGES if blocks(name, "sh")])
def test_commands_of_a_page_work(reader, monkeypatch, capsys, name):
    """Each line of a page's shell blocks, one after the other, ends with status 0."""
    cli = Cli(monkeypatch, capsys)
    for block in blocks(name, "sh"):
        for line in block.splitlines():
            program, *arguments = shlex.split(line, comments=True)
            assert program == "lmort-mem"
            assert cli(*arguments).status == 0, line


@pytest.mark.parametrize("name", [name for name in PAGES if blocks(name, "python")])
def test_programs_of_a_page_run(reader, pair, home, name):
    """A page's Python blocks run one after the other, as a reader would type them."""
    (home / "data" / "tuners").mkdir(parents=True)
    (home / "data" / "tuners" / "tiny.gguf").write_bytes(pair[1].read_bytes())
    names: dict[str, object] = {}
    for block in blocks(name, "python"):
        exec(compile(block, name, "exec"), names)


def test_the_reference_is_current():
    """After a change of a public docstring: python -m tests.support.api_page."""
    assert api_page.PAGE.read_text(encoding="utf-8") == api_page.page()


@pytest.mark.parametrize("name", PAGES)
def test_links_of_a_page_lead_somewhere(name):
    """A link to a file of the project leads to one."""
    text = (DOCS / name).read_text(encoding="utf-8")
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", text):
        assert (DOCS / target).exists(), target
