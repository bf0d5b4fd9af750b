"""Sessions of Codex and Gemini CLI, and Gemini in Takeout."""

import gzip
from datetime import UTC, datetime

from lmort_memory.importers import scan
from tests.support.imports import read_all, said, write_json, write_lines, write_zip

SESSION = {"id": "s1", "cwd": "/home/ada/hives", "cli_version": "0.150.0", "source": "cli"}


def line(kind, payload, at="2026-08-22T09:00:00Z"):
    """Return a line of a rollout."""
    return {"timestamp": at, "type": kind, "payload": payload}


def item(role, text):
    """Return a message as a response item."""
    kind = "input_text" if role == "user" else "output_text"
    block = {"type": kind, "text": text}
    return line("response_item", {"type": "message", "role": role, "content": [block]})


def completed(kind, text):
    """Return a message as the event that newer versions write."""
    block = {"type": "text" if kind == "UserMessage" else "Text", "text": text}
    return line("event_msg", {"type": "item_completed", "item": {"type": kind, "content": [block]}})


INJECTED = (
    item("user", "# AGENTS.md instructions for /home/ada/hives\n\n<INSTRUCTIONS>Be brief."),
    item("user", "<environment_context>\n<cwd>/home/ada/hives</cwd>\n</environment_context>"),
    item("developer", "<permissions instructions>"),
)
SPOKEN = [("user", "How many hives?"), ("assistant", "Four."), ("user", "yes"), ("user", "yes")]


def test_codex_of_the_older_schema_says_each_thing_once(tmp_path):
    """What stands as an item and as an event is one turn, and what was injected is none."""
    path = write_lines(
        tmp_path / "rollout-2026-01-01T09-00-00-s1.jsonl",
        line("session_meta", SESSION),
        *INJECTED,
        item("user", "How many hives?"),
        line("event_msg", {"type": "user_message", "message": "How many hives?"}),
        line("turn_context", {"model": "gpt-5-codex"}),
        line("response_item", {"type": "reasoning", "summary": []}),
        line("response_item", {"type": "function_call", "name": "shell"}),
        line("event_msg", {"type": "agent_message", "message": "Four."}),
        item("assistant", "Four."),
        line("event_msg", {"type": "user_message", "message": "yes"}),
        item("user", "yes"),
        line("event_msg", {"type": "user_message", "message": "yes"}),
        item("user", "yes"),
    )
    turns, left_out = read_all(path)
    assert said(turns) == SPOKEN
    assert turns[1].metadata == {
        "format": "codex",
        "folder": "/home/ada/hives",
        "version": "0.150.0",
        "model": "gpt-5-codex",
    }
    assert {turn.session for turn in turns} == {"codex:s1"}
    assert left_out == {"message of the program": 3, "reasoning": 1, "tool call": 1}


def test_codex_of_the_newer_schema_says_the_same(tmp_path):
    """Events named item_completed are read, and a session with both schemas repeats nothing."""
    path = write_lines(
        tmp_path / "rollout-x.jsonl",
        line("session_meta", SESSION),
        *INJECTED,
        completed("UserMessage", "How many hives?"),
        line("event_msg", {"type": "user_message", "message": "How many hives?"}),
        completed("AgentMessage", "Four."),
        item("assistant", "Four."),
        completed("UserMessage", "yes"),
        completed("CommandExecution", "ls"),
        completed("UserMessage", "yes"),
    )
    assert said(read_all(path)[0]) == SPOKEN


def test_codex_before_there_were_events(tmp_path):
    """Bare response items are read where a session has no events, and may be gzipped."""
    lines = b"".join(
        [
            b'{"id": "s0", "timestamp": "2025-06-01T09:00:00Z"}\n',
            b'{"type": "message", "role": "user", "content": [{"type": "input_text", "text":'
            b' "<environment_context>here"}]}\n',
            b"not json at all\n",
            b'{"type": "message", "role": "user", "content": [{"type": "input_text", "text":'
            b' "How many hives?"}]}\n',
            b'{"type": "message", "role": "assistant", "content": [{"type": "output_text", "text":'
            b' "Four."}]}\n',
            b'{"type": "message", "role": "us',
        ]
    )
    path = tmp_path / "rollout-old.jsonl.gz"
    path.write_bytes(gzip.compress(lines))
    turns, left_out = read_all(path)
    assert said(turns) == SPOKEN[:2]
    assert left_out == {"message of the program": 1, "damaged line": 1}
    assert {turn.created_at for turn in turns} == {datetime(2025, 6, 1, 9, tzinfo=UTC)}


def test_codex_keeps_sub_agents_and_the_editors_context_out(tmp_path):
    """A sub-agent's session makes no turns; the editor's preamble is cut from a request."""
    agent = {**SESSION, "source": {"subagent": {"thread_spawn": {}}}}
    of_agent = write_lines(
        tmp_path / "rollout-a.jsonl",
        line("session_meta", agent),
        completed("UserMessage", "Count the hives."),
    )
    assert read_all(of_agent) == ([], {"message of a sub-agent": 1})
    context = "# Context from my IDE setup:\n\n## My request for Codex:\nHi"
    in_editor = write_lines(
        tmp_path / "rollout-b.jsonl",
        line("session_meta", SESSION),
        line("event_msg", {"type": "user_message", "message": context}),
    )
    assert said(read_all(in_editor)[0]) == [("user", "Hi")]


def test_gemini_cli_in_both_of_its_forms(tmp_path):
    """One object, or lines of which later ones replace or take back earlier ones."""
    head = {"sessionId": "g1", "projectHash": "ab", "startTime": "2026-01-01T09:00:00Z"}
    messages = [
        {"id": "1", "type": "user", "timestamp": "2026-01-01T09:00:00Z", "content": "Hives?"},
        {"id": "2", "type": "info", "content": "Update available"},
        {
            "id": "3",
            "type": "gemini",
            "content": [{"text": "Four."}, {"text": "hm", "thought": True}],
            "thoughts": [{"subject": "Counting"}],
            "toolCalls": [{"name": "ls"}],
            "model": "gemini-3-pro",
        },
    ]
    whole = write_json(tmp_path / "session-1.json", {**head, "messages": messages})
    turns, left_out = read_all(whole)
    assert said(turns) == [("user", "Hives?"), ("assistant", "Four.")]
    assert turns[1].metadata == {"format": "gemini-cli", "model": "gemini-3-pro"}
    assert turns[1].created_at == turns[0].created_at == datetime(2026, 1, 1, 9, tzinfo=UTC)
    assert left_out == {"info message": 1, "thought": 1, "tool call": 1}
    lines = write_lines(
        tmp_path / "session-2.jsonl",
        {**head, "sessionId": "g2"},
        messages[0],
        {**messages[2], "content": "Fo"},
        messages[2],
        {"id": "4", "type": "user", "content": "no, wait"},
        {"$rewindTo": "4"},
        {"$set": {"summary": "Counting hives"}},
    )
    turns, left_out = read_all(lines)
    assert said(turns) == [("user", "Hives?"), ("assistant", "Four.")]
    assert turns[0].metadata["title"] == "Counting hives"
    assert left_out["message that was taken back"] == 1


def activity(title, at, **fields):
    """Return a record of My Activity."""
    return {
        "header": "Gemini Apps",
        "title": title,
        "time": at,
        "products": ["Gemini Apps"],
        **fields,
    }


def test_gemini_in_takeout_gives_question_and_answer(tmp_path):
    """The verb before a question and the HTML of an answer go; other activities are counted."""
    records = [
        activity(
            "Prompted How do bees winter? Attached 2 files.",
            "2026-03-02T09:15:00Z",
            safeHtmlItem=[{"html": "<p>In a <b>cluster</b>.</p><ul><li>warm</li></ul>"}],
        ),
        activity("Used Gemini Apps", "2026-03-01T09:15:00Z"),
        {"header": "YouTube", "title": "Watched a film", "time": "2026-03-01T09:15:00Z"},
    ]
    path = write_json(tmp_path / "MyActivity.json", records)
    expected = [("user", "How do bees winter?"), ("assistant", "In a cluster.\n\n- warm")]
    turns, left_out = read_all(path)
    assert said(turns) == expected
    assert {turn.session for turn in turns} == {"gemini:2026-03-02T09:15:00Z"}
    assert left_out == {"activity that asks nothing": 1, "activity of another product": 1}
    zipped = write_zip(
        tmp_path / "takeout.zip",
        {
            "Takeout/My Activity/Gemini Apps/MyActivity.json": path.read_text(),
            "Takeout/archive_browser.html": "<html></html>",
        },
    )
    assert said(read_all(zipped)[0]) == expected


def test_takeout_as_html_says_what_to_ask_for(tmp_path):
    """Activities as HTML are not a page of notes, and the reason says what to do."""
    path = tmp_path / "MyActivity.html"
    path.write_text('<html><body><div class="outer-cell mdl-cell">Prompted hi</div></body></html>')
    [passed] = scan([tmp_path]).passed_over
    assert passed.reason.endswith("ask Takeout for JSON")


def test_a_chat_of_telegram_as_a_page_is_refused(tmp_path):
    """As a note it would have no dates, and all speakers in one."""
    path = tmp_path / "messages.html"
    message = '<div class="message default clearfix" id="message2">Ada: Hello</div>'
    path.write_text(f"<!DOCTYPE html><html><body>{message}</body></html>")
    [passed] = scan([tmp_path]).passed_over
    assert passed.reason.endswith("export it as JSON")
