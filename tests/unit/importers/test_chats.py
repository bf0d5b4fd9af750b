"""Exported chats: ChatGPT, Claude, Claude Code, JSONL of turns."""

import json
import zipfile
from collections import Counter
from datetime import UTC, datetime

import pytest

from lmort_memory.errors import ImportFileError
from lmort_memory.importers import read, scan
from lmort_memory.types import Source


def gpt_node(name, parent, role, text, **message):
    """Return a node of ChatGPT's tree of messages."""
    content = {"content_type": "text", "parts": [text]}
    body = {"id": f"m-{name}", "author": {"role": role}, "content": content, "metadata": {}}
    return name, {"id": name, "parent": parent, "message": {**body, **message}}


def gpt_conversation(*nodes, current, **fields):
    """Return a conversation of a ChatGPT export."""
    mapping = {"root": {"id": "root", "parent": None, "message": None}, **dict(nodes)}
    made = {"id": "c1", "title": "Bees", "create_time": 1700000000.5, "current_node": current}
    return {**made, "mapping": mapping, **fields}


BRANCHED = gpt_conversation(
    gpt_node("s", "root", "system", "You are ChatGPT."),
    gpt_node("u1", "s", "user", "How do bees winter?", create_time=1700000001.0),
    gpt_node("a-old", "u1", "assistant", "They fly south."),
    gpt_node("t", "u1", "tool", "search results"),
    gpt_node("call", "t", "assistant", "search('bees')", recipient="browser"),
    gpt_node("a1", "call", "assistant", "In a cluster. \ue200cite\ue202turn0\ue201"),
    gpt_node("h", "a1", "user", "hidden", metadata={"is_visually_hidden_from_conversation": True}),
    gpt_node("u2", "h", "user", "Thanks!", create_time=None),
    current="u2",
)


def read_all(path):
    """Return the turns of everything below a path, and what was left out."""
    left_out = Counter()
    turns = [turn for file in scan([path]).files for turn in read(file, left_out)]
    return turns, +left_out


def write_json(path, value):
    """Write a JSON file and return its path."""
    path.write_text(json.dumps(value), encoding="utf-8")
    return path


def test_chatgpt_gives_the_branch_that_was_on_the_screen(tmp_path):
    """Only the branch up to current_node is read, without what was never shown as said."""
    turns, left_out = read_all(write_json(tmp_path / "conversations.json", [BRANCHED]))
    assert [(turn.role, turn.text) for turn in turns] == [
        ("user", "How do bees winter?"),
        ("assistant", "In a cluster."),
        ("user", "Thanks!"),
    ]
    assert left_out == {
        "message on a branch that was left": 1,
        "system message": 1,
        "tool message": 1,
        "tool call": 1,
        "hidden message": 1,
    }
    assert turns[0].created_at == datetime(2023, 11, 14, 22, 13, 21, tzinfo=UTC)
    assert turns[2].created_at == turns[1].created_at == turns[0].created_at
    assert turns[0].metadata["title"] == "Bees"
    assert {turn.source for turn in turns} == {Source("chatgpt:c1")}
    assert {turn.session for turn in turns} == {"chatgpt:c1"}


def test_chatgpt_without_a_current_node_gives_the_latest_branch(tmp_path):
    """Where no branch is marked, the one with the newest message is read."""
    conversation = gpt_conversation(
        gpt_node("u", "root", "user", "Hi", create_time=1.0),
        gpt_node("a1", "u", "assistant", "old", create_time=2.0),
        gpt_node("a2", "u", "assistant", "new", create_time=3.0),
        current=None,
    )
    turns, _ = read_all(write_json(tmp_path / "conversations.json", [conversation]))
    assert [turn.text for turn in turns] == ["Hi", "new"]


def test_chatgpt_images_and_voice(tmp_path):
    """Of a message with parts, what was said is kept and what was shown is named."""
    message = {
        "content": {
            "content_type": "multimodal_text",
            "parts": [
                {"content_type": "image_asset_pointer", "asset_pointer": "file://x"},
                {"content_type": "audio_transcription", "text": "What bee is this?"},
            ],
        },
        "metadata": {"attachments": [{"name": "bee.jpg"}]},
    }
    conversation = gpt_conversation(gpt_node("u", "root", "user", "", **message), current="u")
    turns, left_out = read_all(write_json(tmp_path / "conversations.json", [conversation]))
    assert turns[0].text == "What bee is this?"
    assert turns[0].metadata["attachments"] == ["bee.jpg"]
    assert left_out == {"attachment": 1}


def test_chatgpt_damaged_entries_do_not_stop_the_rest(tmp_path):
    """Odd entries are counted, a circle of parents ends, and a vow not to remember is kept."""
    circle = gpt_conversation(
        gpt_node("a", "b", "user", "one"), gpt_node("b", "a", "user", "two"), current="a", id="c2"
    )
    private = {**BRANCHED, "is_do_not_remember": True}
    entries = [BRANCHED, {"no": "conversation"}, circle, private, {**circle, "mapping": {}}]
    turns, left_out = read_all(write_json(tmp_path / "conversations.json", entries))
    assert [turn.text for turn in turns[3:]] == ["two", "one"]
    assert left_out["entry that is not a conversation"] == 1
    assert left_out["conversation marked as not to be remembered"] == 1


def test_a_chatgpt_zip_with_split_files_is_read_whole(tmp_path):
    """Newer exports cut the conversations into numbered files; all are read, in order."""
    path = tmp_path / "export.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(3):
            entry = {**BRANCHED, "id": f"c{number}"}
            archive.writestr(f"conversations-00{number}.json", json.dumps([entry]))
        archive.writestr("__MACOSX/conversations-000.json", b"\0\0")
        archive.writestr("user.json", "{}")
    turns, _ = read_all(path)
    assert list(dict.fromkeys(turn.session for turn in turns)) == [
        "chatgpt:c0",
        "chatgpt:c1",
        "chatgpt:c2",
    ]


def test_the_other_files_of_an_unpacked_export_are_no_problem(tmp_path):
    """What lies beside the conversations is passed over; a stranger is named as unknown."""
    write_json(tmp_path / "conversations.json", [BRANCHED])
    write_json(tmp_path / "user.json", {"id": "me"})
    write_json(tmp_path / "stranger.json", {"id": "me"})
    report = scan([tmp_path])
    assert [file.format.name for file in report.files] == ["chatgpt"]
    reasons = {item.path.rsplit("/", 1)[1]: item.kind for item in report.passed_over}
    assert reasons == {"user.json": "aside", "stranger.json": "unknown"}


CLAUDE = {
    "uuid": "k1",
    "name": "Hives",
    "created_at": "2024-03-01T08:00:00.000000Z",
    "chat_messages": [
        {
            "uuid": "m1",
            "sender": "human",
            "text": "old text",
            "created_at": "2024-03-01T08:00:01.000000Z",
            "content": [{"type": "text", "text": "How many hives?"}],
            "attachments": [{"file_name": "notes.txt", "extracted_content": "Seven hives."}],
            "files": [{"file_name": "photo.png"}],
        },
        {
            "uuid": "m2",
            "sender": "assistant",
            "text": "",
            "content": [
                {"type": "thinking", "thinking": "hm"},
                {"type": "text", "text": "Seven."},
                {"type": "tool_use", "name": "x"},
            ],
        },
        {"uuid": "m3", "sender": "human", "text": "From an old export.", "content": []},
    ],
}


def test_claude_conversations_and_attachments(tmp_path):
    """Text blocks are turns, text that Claude took from files are notes, the rest is counted."""
    turns, left_out = read_all(write_json(tmp_path / "conversations.json", [CLAUDE]))
    assert [(turn.role, turn.text) for turn in turns] == [
        ("user", "How many hives?"),
        ("note", "Seven hives."),
        ("assistant", "Seven."),
        ("user", "From an old export."),
    ]
    assert left_out == {"attachment": 1, "thinking block": 1, "tool_use block": 1}
    assert turns[2].created_at == datetime(2024, 3, 1, 8, tzinfo=UTC)
    assert {turn.source for turn in turns} == {Source("claude:k1")}


def test_claude_projects_are_notes(tmp_path):
    """A project's documents are remembered with their names, and no conversation is tied to it."""
    project = {
        "uuid": "p1",
        "name": "Garden",
        "description": "",
        "prompt_template": "Answer briefly.",
        "created_at": "2024-01-01T00:00:00Z",
        "docs": [{"uuid": "d1", "filename": "plan.md", "content": "Sow in May."}],
    }
    path = tmp_path / "claude.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("conversations.json", json.dumps([CLAUDE]))
        archive.writestr("projects.json", json.dumps([project]))
    turns, left_out = read_all(path)
    notes = [turn for turn in turns if turn.source.uri.startswith("claude-project:")]
    assert [(turn.text, turn.metadata["title"]) for turn in notes] == [
        ("Answer briefly.", "Garden: prompt_template"),
        ("Sow in May.", "Garden: plan.md"),
    ]
    assert left_out["empty project text"] == 1


def code_line(kind, content, name, **fields):
    """Return a line of a Claude Code log."""
    message = {"role": kind, "content": content}
    entry = {"type": kind, "uuid": name, "sessionId": "s1", "message": message, "cwd": "/src"}
    return json.dumps({**entry, "timestamp": "2025-02-03T04:05:06.000Z", **fields})


def test_claude_code_logs(tmp_path):
    """What the user typed and the answers are turns; tools, side chains and commands are not."""
    lines = [
        json.dumps({"type": "summary", "summary": "Fix the bug", "leafUuid": "x"}),
        code_line("user", "Why does it fail?", "1"),
        code_line("user", "Why does it fail?", "1"),
        code_line("user", "<command-name>/clear</command-name>", "2"),
        code_line("assistant", [{"type": "thinking", "thinking": "…"}, {"type": "tool_use"}], "3"),
        code_line("user", [{"type": "tool_result", "content": "ok"}], "4"),
        code_line("assistant", [{"type": "text", "text": "A missing import."}], "5"),
        code_line("assistant", "sub-agent", "6", isSidechain=True),
        code_line("user", "meta", "7", isMeta=True),
        code_line("assistant", "cut off", "8")[:-9],
    ]
    path = tmp_path / "s1.jsonl"
    path.write_text("\n".join(lines))
    turns, left_out = read_all(path)
    assert [(turn.role, turn.text) for turn in turns] == [
        ("user", "Why does it fail?"),
        ("assistant", "A missing import."),
    ]
    assert turns[0].session == "claude-code:s1"
    assert turns[0].metadata["folder"] == "/src"
    assert turns[0].created_at == datetime(2025, 2, 3, 4, 5, 6, tzinfo=UTC)
    assert left_out == {
        "message of the program": 2,
        "thinking block": 1,
        "tool_use block": 1,
        "tool_result block": 1,
        "message of a sub-agent": 1,
    }


def test_jsonl_of_turns(tmp_path):
    """Each line is a turn with the fields it names; the file is their source."""
    path = tmp_path / "turns.jsonl"
    lines = [
        {"text": "One."},
        {"text": " ", "role": "user"},
        {
            "text": "Two.",
            "role": "assistant",
            "session": "s",
            "created_at": "2024-01-01T00:00:00Z",
            "metadata": {"a": [1]},
            "expires_at": "2030-01-01T00:00:00Z",
        },
    ]
    path.write_text("\n\n".join(map(json.dumps, lines)))
    (one, two), left_out = read_all(path)
    assert (one.role, one.session, one.source) == ("user", None, Source(str(path)))
    assert (two.role, two.session, two.metadata) == ("assistant", "s", {"a": [1]})
    assert two.created_at == datetime(2024, 1, 1, tzinfo=UTC)
    assert two.expires_at == datetime(2030, 1, 1, tzinfo=UTC)
    assert left_out == {"turn without text": 1}


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('{"text": "a", "colour": 1}', "colour"),
        ('{"text": 7}', "text is 7"),
        ('{"role": "user"}', "must not be empty"),
        ('{"text": "a", "created_at": "soon"}', "soon"),
        ('{"text": "a", "metadata": 3}', "metadata"),
        ('{"text": "a", "scope": "work"}', "scope"),
        ('{"text": "a"', "cannot be read"),
        ("[1]", "no JSON object"),
        ("\xff", "cannot be read"),
    ],
)
@pytest.mark.parametrize("place", [2, 22])  # the first twenty lines tell the format
def test_a_bad_line_is_named_and_costs_itself(tmp_path, line, reason, place):
    """What cannot be kept truthfully is an error that names the line; the others are read."""
    lines = [b'{"text": "fine"}'] * 22
    lines.insert(place - 1, line.encode("latin-1"))
    path = tmp_path / "turns.jsonl"
    path.write_bytes(b"\n".join(lines))
    turns = []
    with pytest.raises(ImportFileError, match=reason) as caught:
        for turn in read(scan([path]).files[0]):
            turns.append(turn)
    assert f"line {place} " in str(caught.value)
    assert len(turns) == 22


@pytest.mark.parametrize(("cut", "sessions"), [(1, 2), (40, 1), (200, 1)])
def test_a_cut_off_export_is_damaged(tmp_path, cut, sessions):
    """An export that ends too early gives what came before, and then an error with its name."""
    path = tmp_path / "conversations.json"
    path.write_text(json.dumps([BRANCHED, {**BRANCHED, "id": "c2"}])[:-cut])
    turns = read(scan([path]).files[0])
    seen = set()
    with pytest.raises(ImportFileError, match="damaged"):
        for turn in turns:
            seen.add(turn.session)
    assert len(seen) == sessions


def test_a_damaged_zip_is_an_error(tmp_path):
    """A member whose bytes were changed is an error and not a shorter import."""
    path = tmp_path / "export.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("conversations.json", json.dumps([BRANCHED] * 3))
    data = path.read_bytes()
    path.write_bytes(data.replace(b"Thanks!", b"Thanks?", 1))
    with pytest.raises(ImportFileError, match="damaged"):
        read_all(path)
