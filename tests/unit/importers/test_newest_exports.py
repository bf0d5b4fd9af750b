"""Exports of chats in the shapes that their programs have written since 2025."""

import json

from tests.support.imports import read_all, said, write_json, write_lines


def node(role, parts, **more):
    """Return a message of ChatGPT."""
    author = {"role": role, "name": more.pop("name", None)}
    content = {"content_type": "text", "parts": parts}
    return {"author": author, "content": content, "recipient": "all", "metadata": {}, **more}


def chatgpt(*messages, **more):
    """Return a ChatGPT conversation of messages that follow each other."""
    nodes = {"client-created-root": {"parent": None, "message": None}}
    before = "client-created-root"
    for number, message in enumerate(messages):
        name = f"{message['content']['parts'][0][:20]} {number}"
        nodes[name] = {"parent": before, "message": message}
        before = name
    return {"title": "T", "create_time": 1.7e9, "mapping": nodes, "current_node": before, **more}


def test_a_report_of_deep_research_is_what_the_assistant_said(tmp_path):
    """It stands in the state of a frame, more than once, and never as a message of its own."""
    report = {"content": {"parts": ["# Bees\n\nThey rest.\ue200cite\ue202turn0\ue201"]}}
    state = json.dumps({"status": "completed", "report_message": report})
    hidden = {"is_visually_hidden_from_conversation": True}
    shown = "The latest state of the widget is: "
    conversation = chatgpt(
        node("user", ["How do bees sleep?"]),
        node("tool", [shown + '{"status": "running"}'], metadata=hidden),
        node("tool", [shown + state], metadata=hidden),
        node("assistant", [""], metadata={"chatgpt_sdk": {"widget_state": state}}),
        node("tool", [shown + "no JSON"], metadata=hidden),
    )
    write_json(tmp_path / "conversations.json", [conversation])
    turns, _ = read_all(tmp_path)
    assert said(turns) == [("user", "How do bees sleep?"), ("assistant", "# Bees\n\nThey rest.")]


def test_conversations_without_an_id_of_letters_stay_apart(tmp_path):
    """A number is an id too; without any, a conversation is called after its first message."""
    conversations = [chatgpt(node("user", [text])) for text in ("one", "two")]
    conversations.append(chatgpt(node("user", ["three"]), conversation_id=7))
    write_json(tmp_path / "conversations (1).json", conversations)
    turns, _ = read_all(tmp_path)
    assert len({turn.session for turn in turns}) == 3 and turns[2].session == "chatgpt:7"


def test_text_in_objects_and_times_in_strings(tmp_path):
    """Other exporters write a part of text as an object, and a time as a string."""
    message = node("user", [{"text": "hello"}], create_time="1767225600.5")
    conversation = chatgpt(node("user", ["first"]), current_node="x", conversation_id="c")
    conversation["mapping"]["x"] = {"parent": "first 0", "message": message}
    write_json(tmp_path / "conversations.json", [conversation])
    turns, _ = read_all(tmp_path)
    assert [turn.text for turn in turns] == ["first", "hello"]
    assert turns[1].created_at.year == 2026


def test_files_that_claude_wrote_are_notes_in_their_last_version(tmp_path):
    """Texts are kept with their names; programs are counted, and what stands for them goes."""

    def call(name, **fields):
        return {"type": "tool_use", "name": name, "input": fields}

    shown = "Viewing artifacts created via the Analysis Tool web feature preview isn\u2019t yet"
    content = [
        {"type": "text", "text": f"Look:\n```\n{shown} supported on mobile.\n```\nDone."},
        call("create_file", path="/out/plan.md", file_text="Bees sleep."),
        call("str_replace", path="/out/plan.md", old_str="sleep", new_str="wake"),
        call("create_file", path="/out/hive.py", file_text="print()"),
        call("str_replace", path="/out/other.md", old_str="a", new_str="b"),
    ]
    messages = [
        {"uuid": "a", "sender": "human", "content": "a bare string"},
        {"uuid": "b", "sender": "assistant", "content": content},
    ]
    write_json(tmp_path / "c.json", {"uuid": "u", "name": "N", "chat_messages": messages})
    turns, left_out = read_all(tmp_path)
    assert [turn.text for turn in turns] == ["a bare string", "Look:\n\nDone.", "Bees wake."]
    assert turns[2].metadata["title"] == "plan.md"
    assert left_out == {"program or drawing of an artifact": 1}


def rollout(path, name, *said, **meta):
    """Write a Codex session of events."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [{"type": "session_meta", "payload": {"id": name, **meta}}]
    lines += [{"type": "session_meta", "payload": {"id": "older"}}] if meta else []
    for number, text in enumerate(said):
        kind = "agent_message" if number % 2 else "user_message"
        lines.append({"type": "event_msg", "payload": {"type": kind, "message": text}})
    return write_lines(path, *lines)


def test_a_forked_codex_session_is_stored_from_the_fork_on(tmp_path):
    """The copy that it begins with is passed over where the first session is there to be read."""
    days = tmp_path / "sessions" / "2026" / "05"
    first = rollout(days / "04" / "rollout-a-one.jsonl", "one", "q", "a", "q", "other answer")
    fork = rollout(
        days / "05" / "rollout-b-two.jsonl", "two", "q", "a", "q", "new", "q", "a",
        forked_from_id="one",
    )  # fmt: skip
    turns, left_out = read_all(fork)
    assert [turn.text for turn in turns] == ["new", "q", "a"]
    assert left_out["message of the session that this was forked from"] == 3
    assert {turn.session for turn in turns} == {"codex:two"}
    first.unlink()
    assert len(read_all(fork)[0]) == 6


def test_what_codex_was_asked_about_files_is_what_was_typed(tmp_path):
    """The program's lines above a request, and its marks of images, are not the user's words."""
    mark = "<image name=[Image #1]>\n\n</image>\n"
    path = rollout(
        tmp_path / "rollout-x.jsonl",
        "x",
        "# Files mentioned by the user:\n\n## a.png: /a\n\n## My request for Codex:\nWhat is it?",
        "A bee.",
        "# Context from my IDE setup:\n\n## Open tabs:\n- a\n\n## My request:\nAnd this?\n" + mark,
        "A wasp.",
        "## Plan\nbuild a hive",
    )
    turns, _ = read_all(path)
    asked = [turn.text for turn in turns if turn.role == "user"]
    assert asked == ["What is it?", "And this?", "## Plan\nbuild a hive"]
