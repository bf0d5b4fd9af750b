"""Claude's exports: artifacts and thoughts in their older form, attachments, names that repeat."""

from tests.support.imports import read_all, said, write_json

POEM = '<antArtifact identifier="p" type="text/markdown" title="Poem">Bees hum.</antArtifact>'


def message(text, sender="assistant", **fields):
    """Return a message of an export."""
    content = [{"type": "text", "text": text}]
    return {"uuid": text, "sender": sender, "text": text, "content": content, **fields}


def read_messages(folder, *messages):
    """Return what a conversation of these messages gives, and what it leaves out."""
    conversation = {"uuid": "c", "name": "N", "chat_messages": messages}
    return read_all(write_json(folder / "conversations.json", [conversation]))


def test_artifacts_and_thoughts_as_tags(tmp_path):
    """In exports of 2024 they stand in the text: an artifact is a note, a thought is nothing."""
    program = '<antArtifact identifier="s" type="image/svg+xml" title="Hive"><svg/></antArtifact>'
    told = message(f"Here.\n\n<antThinking>secret</antThinking>\n{POEM}\n\n{program} Enjoy.")
    turns, left_out = read_messages(tmp_path, told, message(f"{POEM} is mine", "human"))
    assert said(turns) == [
        ("assistant", "Here.\n\nEnjoy."),
        ("user", f"{POEM} is mine"),
        ("note", "Bees hum."),
    ]
    assert turns[2].metadata["title"] == "Poem" and turns[2].session == "claude:c"
    assert left_out == {"thinking block": 1, "program or drawing of an artifact": 1}


def test_talk_about_tags_is_text(tmp_path):
    """Tags that Claude shows as code are what it said."""
    text = f"`{POEM}` is a tag.\n```\n<antThinking>so</antThinking>\n```\n<antArtifact> too."
    turns, left_out = read_messages(tmp_path, message(text))
    assert said(turns) == [("assistant", text)] and not left_out


def test_a_mermaid_drawing_is_counted(tmp_path):
    """A drawing is no text of Claude's, whatever language draws it."""
    call = {"command": "create", "id": "m", "title": "Flow", "content": "graph TD; A-->B"}
    call["type"] = "application/vnd.ant.mermaid"
    block = {"type": "tool_use", "name": "artifacts", "input": call}
    turns, left_out = read_messages(tmp_path, message("Done.", content=[block]))
    assert said(turns) == [("assistant", "Done.")]
    assert left_out == {"program or drawing of an artifact": 1}


def test_attachments_belong_to_their_conversation(tmp_path):
    """What was pasted is found, and forgotten, with the conversation that it is a part of."""
    pasted = {"file_name": "", "extracted_content": "The bee journal."}
    turns, _ = read_messages(tmp_path, message("See this", "human", attachments=[pasted]))
    assert said(turns) == [("user", "See this"), ("note", "The bee journal.")]
    assert {turn.session for turn in turns} == {"claude:c"}


def test_messages_of_one_name_are_all_kept(tmp_path):
    """A uuid that occurs twice hides no message, and what answers it answers the last of them."""
    root = "00000000-0000-4000-8000-000000000000"
    question = message("q", "human", parent_message_uuid=root)
    answer = {**message("a", parent_message_uuid="q"), "uuid": "q"}
    thanks = message("thanks", "human", parent_message_uuid="q")
    turns, left_out = read_messages(tmp_path, question, answer, thanks)
    assert said(turns) == [("user", "q"), ("assistant", "a"), ("user", "thanks")]
    assert not left_out
