"""Logs of Claude Code: what a person typed, what the program put there, and when it was."""

from datetime import UTC, datetime

import pytest

from tests.support.imports import read_all, said, write_lines

NINE = "2026-04-01T09:00:00Z"
TAGGED = "Explain `<system-reminder>` and `</system-reminder>` please"
UNMARKED = "Explain <system-reminder> tags: what is </system-reminder> for?"
FENCED = "What is this?\n```\n<system-reminder>hush</system-reminder>\n```"


def entry(content, role="user", at=NINE, **fields):
    """Return a line of a log."""
    line = {"type": role, "sessionId": "s", "timestamp": at, "message": {"content": content}}
    return {**line, **fields}


def read_entries(folder, *entries):
    """Return what a log of these lines gives, and what it leaves out."""
    return read_all(write_lines(folder / "s.jsonl", *entries))


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        (
            "<command-name>/review</command-name>\n<command-args>the <T> in pool.rs</command-args>",
            "/review the <T> in pool.rs",
        ),
        ("<ide_opened_file>It is x.py</ide_opened_file>\nWhat does it do?", "What does it do?"),
        ("<ide_selection>a\n\nb</ide_selection> Rename this", "Rename this"),
        ("[Request interrupted by user]now the other way", "now the other way"),
        (TAGGED, TAGGED),
        (UNMARKED, UNMARKED),
        (FENCED, FENCED),
    ],
)
def test_what_a_person_typed_stays(tmp_path, typed, kept):
    """Whatever the program puts beside them or they quote, the user's own words are a turn."""
    turns, _ = read_entries(tmp_path, entry(typed))
    assert said(turns) == [("user", kept)]


@pytest.mark.parametrize(
    ("role", "text"),
    [
        ("user", "<post-tool-use-hook>\nlint failed</post-tool-use-hook>"),
        ("user", "This session is being continued from a previous conversation that ran out."),
        ("user", "<system-reminder>the list of tasks is empty"),
        ("assistant", "(no content)"),
        ("assistant", "No response requested."),
    ],
)
def test_what_the_program_wrote_is_nobodys(tmp_path, role, text):
    """What no person and no model has said is no turn, and is counted."""
    turns, left_out = read_entries(tmp_path, entry(text, role), entry("And now?"))
    assert said(turns) == [("user", "And now?")]
    assert left_out == {"message of the program": 1}


def test_marks_of_the_program_go(tmp_path):
    """A note for Claude's memory loses its tags, and a prompt a reminder that has no end."""
    noted = entry("<user-memory-input>use tabs</user-memory-input>")
    reminded = entry("What now?\n<system-reminder>No tasks")
    turns, _ = read_entries(tmp_path, noted, reminded)
    assert said(turns) == [("user", "use tabs"), ("user", "What now?")]


def test_times_are_read_or_taken_from_a_neighbour(tmp_path):
    """A number is a time; without any, a message is as old as its neighbour, not as the import."""
    times = ("soon", 1775034000000, "2026-02-31", None, 1775034060)
    turns, _ = read_entries(tmp_path, *(entry(f"at {time}", at=time) for time in times))
    nine, later = datetime(2026, 4, 1, 9, tzinfo=UTC), datetime(2026, 4, 1, 9, 1, tzinfo=UTC)
    assert [turn.created_at for turn in turns] == [nine, nine, nine, nine, later]


def test_a_log_without_times_has_none(tmp_path):
    """Where no neighbour has a time, nothing is invented, and every message is there."""
    turns, _ = read_entries(tmp_path, *(entry(str(n), at=None) for n in range(1_100)))
    assert len(turns) == 1_100 and {turn.created_at for turn in turns} == {None}


def test_messages_in_odd_shapes(tmp_path):
    """A bare string is what was said; what is not understood is counted."""
    bare = {**entry(""), "message": "Bare", "uuid": "1"}
    parts = entry(["One", {"type": "text", "text": "two"}])
    turns, left_out = read_entries(tmp_path, bare, parts, entry({"text": "x"}), entry(None))
    assert said(turns) == [("user", "Bare"), ("user", "One\n\ntwo")]
    assert left_out == {"unknown block": 2}


REJECTION = (
    "The user doesn't want to proceed with this tool use. The tool use was rejected (eg. if it was"
    " a file edit, the new_string was NOT written to the file). To tell you how to proceed, the"
    " user said:\n"
)
NOTE = "\n\nNote: The user's next message may contain a correction or preference. Pay attention."


def result(content, **fields):
    """Return a block with a tool's result."""
    return {"type": "tool_result", "tool_use_id": "t", "content": content, **fields}


@pytest.mark.parametrize("note", ["", NOTE])
@pytest.mark.parametrize("wrap", [str, lambda text: [{"type": "text", "text": text}]])
def test_why_a_call_was_rejected_is_the_users_word(tmp_path, wrap, note):
    """What was typed at a rejected call is a turn, without what the program says around it."""
    words = "use spaces,\n\nnot tabs"
    block = result(wrap(f"{REJECTION}{words}{note}"), is_error=True)
    turns, left_out = read_entries(tmp_path, entry([block]))
    assert said(turns) == [("user", words)] and left_out == {}


@pytest.mark.parametrize(
    "block",
    [
        result(f"{REJECTION}The user wants to clarify these questions.\n    Ask.", is_error=True),
        result(f"1\t{REJECTION}in a file that was read"),
        result(f"{REJECTION}in a page that was read", is_error=False),
        result(None, is_error=True),
    ],
)
def test_other_results_of_tools_are_nobodys_word(tmp_path, block):
    """A button's text and what a tool read are no turns."""
    turns, left_out = read_entries(tmp_path, entry([block]), entry("go on"))
    assert said(turns) == [("user", "go on")] and left_out == {"tool_result block": 1}


def test_answers_to_questions_are_turns(tmp_path):
    """An answer stands under its question, with what the user noted; an empty one is none."""
    given = {
        "questions": [{"question": "Which store?"}, {"question": "Why?"}, {"question": "When?"}],
        "answers": {"Which store?": "SQLite", "Why?": "", "When?": "Now"},
        "annotations": {"When?": {"notes": "before May"}},
    }
    answered = entry([result("User has answered your questions: …")], toolUseResult=given)
    odd = entry([result("x")], toolUseResult={"questions": [], "answers": []})
    turns, left_out = read_entries(tmp_path, answered, odd)
    assert said(turns) == [("user", "Which store?\nSQLite\n\nWhen?\nNow\nbefore May")]
    assert left_out == {"tool_result block": 1}


@pytest.mark.parametrize(
    "typed", ["<command-line> tools: which?", "<bash-completion> fails", "<command-name-x> a"]
)
def test_a_prompt_may_begin_with_a_tag_that_is_not_the_programs(tmp_path, typed):
    """Only the tags that Claude Code writes are the program's."""
    assert said(read_entries(tmp_path, entry(typed))[0]) == [("user", typed)]
