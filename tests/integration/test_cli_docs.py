"""docs/cli.md is the program's own help."""

import re

import pytest

from tests.support.help_pages import PAGE, command_names, help_of, page


def test_the_page_is_current():
    """After a change of the command line: python -m tests.support.help_pages."""
    assert PAGE.read_text(encoding="utf-8") == page()


@pytest.mark.parametrize("group", [[], ["model"], ["tuner"]], ids=" ".join)
def test_no_summary_is_cut_off(group):
    """In the list of commands each is described by a whole sentence."""
    listed = help_of(*group).partition("Commands:\n")[2].splitlines()
    assert len(listed) > 2
    assert [line for line in listed if "..." in line] == []


@pytest.mark.parametrize("names", command_names(), ids=" ".join)
def test_each_command_shows_an_example(names):
    """The help of a command says what it does, and shows how it is called."""
    lines = help_of(*names).splitlines()
    assert lines[2].strip().endswith((".", ":", ";")) or len(lines[2]) > 40
    assert "  Examples:" in lines
    assert lines[lines.index("  Examples:") + 1].strip().startswith(("lmort-mem", "echo"))


def test_values_have_names_of_the_users_language():
    """No help shows a type of Python's: a value is a TEXT, a FILE, a NAME."""
    assert "TEXT" in page()
    assert re.findall(r"<\w+.*?>", page().replace("$LMORT_<NAME>", "")) == []
