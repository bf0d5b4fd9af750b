"""ChatGPT conversations whose tree or messages have another shape than usual."""

import json
import re

import pytest

from lmort_memory.importers.marks import without_marks
from tests.support.imports import read_all, write_json


def message(text, role="user", **fields):
    """Return a message; a field of None is one that the export leaves empty."""
    content = {"content_type": "text", "parts": [text]}
    return {"author": {"role": role}, "content": content, "metadata": {}, **fields}


def conversation(*nodes, times=None, **fields):
    """Return a conversation of (name, parent) pairs, each saying its name at its time."""
    times = times or {}
    mapping = {"root": {"message": None, "parent": None, "children": []}}
    for name, parent in nodes:
        written = message(name, create_time=times.get(name))
        mapping[name] = {"message": written, "parent": parent, "children": []}
        mapping[parent]["children"].append(name)
    return {"id": "c", "title": "T", "create_time": 1.7e9, "mapping": mapping, **fields}


def texts(tmp_path, value):
    """Return the texts that are read of a conversation."""
    return [turn.text for turn in read_all(write_json(tmp_path / "conversations.json", [value]))[0]]


CHAIN = (("q", "root"), ("a", "q"), ("thanks", "a"), ("bye", "thanks"))
AGAIN = (("q", "root"), ("first", "q"), ("again", "q"))


@pytest.mark.parametrize(
    ("nodes", "times", "expected"),
    [
        (CHAIN, {}, ["q", "a", "thanks", "bye"]),
        (CHAIN, {"q": 1.0, "a": 2.0}, ["q", "a", "thanks", "bye"]),
        ((*CHAIN, ("left", "q")), {}, ["q", "a", "thanks", "bye"]),
        ((*CHAIN, ("left", "q")), {"left": 3.0}, ["q", "left"]),
        (AGAIN, {}, ["q", "again"]),
        (AGAIN, {"q": 1.0, "first": 2.0, "again": 2.0}, ["q", "again"]),
        (AGAIN, {"q": 1.0, "first": 3.0, "again": 2.0}, ["q", "first"]),
    ],
)
@pytest.mark.parametrize("marked", [{}, {"current_node": None}, {"current_node": "gone"}])
def test_without_a_current_node_the_newest_branch_is_read_to_its_end(
    tmp_path, nodes, times, expected, marked
):
    """Of equally new branches it is the longest, then the last; messages may lack a time."""
    value = conversation(*nodes, times=times, **marked)
    assert texts(tmp_path, value) == expected


@pytest.mark.parametrize("marked", [{}, {"current_node": "first"}])
def test_a_tree_may_name_children_only(tmp_path, marked):
    """A message without a parent answers the one that has it among its children."""
    value = conversation(*AGAIN, ("more", "first"), **marked)
    for node in value["mapping"].values():
        del node["parent"]
    assert texts(tmp_path, value) == (["q", "first"] if marked else ["q", "first", "more"])


def test_a_circle_without_an_end_is_read_once(tmp_path):
    """A damaged tree in which every message answers another one ends."""
    value = conversation(("a", "root"), ("b", "a"))
    value["mapping"]["a"]["parent"] = "b"
    value["mapping"]["root"]["parent"] = "a"
    assert sorted(texts(tmp_path, value)) == ["a", "b"]


def letter(tmp_path, text, *edits):
    """Return a canvas document after its edits, and the number of edits that were not made."""
    calls = [("create", {"name": "Letter", "type": "document", "content": text})]
    calls += [("update", {"updates": [edit]}) for edit in edits]
    nodes = {}
    for number, (verb, call) in enumerate(calls):
        made = message(json.dumps(call), "assistant", recipient=f"canmore.{verb}_textdoc")
        nodes[str(number)] = {"message": made, "parent": str(number - 1) if number else None}
    value = {"id": "c", "current_node": str(len(calls) - 1), "mapping": nodes}
    turns, left_out = read_all(write_json(tmp_path / "conversations.json", [value]))
    return turns[0].text, left_out.get("canvas edit by a regular expression", 0)


@pytest.mark.parametrize("plain", ["(by the fence)", "is fine.", "costs $5 [or 6]", "hive-body_2"])
@pytest.mark.parametrize("escape", [re.escape, lambda text: re.sub(r"([.()\[\]$])", r"\\\1", text)])
def test_a_canvas_edit_of_escaped_words_is_made(tmp_path, plain, escape):
    """Python escapes spaces and hyphens too, ChatGPT the signs of patterns only."""
    edit = {"pattern": escape(plain), "replacement": "has swarmed"}
    assert letter(tmp_path, f"The hive {plain} today", edit) == ("The hive has swarmed today", 0)


@pytest.mark.parametrize("pattern", [r"hive\w+", "h.ve", r"\(hive|bee\)", r"hive\."])
def test_a_canvas_edit_by_a_pattern_is_counted_and_not_made(tmp_path, pattern):
    """A regular expression of a file is never run, and words that are not there change nothing."""
    edit = {"pattern": pattern, "replacement": "x"}
    assert letter(tmp_path, "The (hive) is", edit) == ("The (hive) is", 1)


def mark(kind, *arguments):
    """Return a mark of ChatGPT's page."""
    return "\ue200" + "\ue202".join((kind, *arguments)) + "\ue201"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (
            mark("products", '{"selections":[["turn0product1","Kettle"],["x2","Pot"]]}'),
            "Kettle, Pot",
        ),
        (mark("genui", '{"math_block_v2":{"content":"E=mc^2"}}'), "E=mc^2"),
        (mark("entity", '["city","Idrija","a town"]'), "Idrija"),
        (mark("navlist", "News", '{"refs":["turn0news1","turn0news2"]}'), "News"),
        (mark("new", "[" * 900 + "]" * 900), ""),
        (mark("new", '{"a":' * 900 + "1" + "}" * 900), ""),
    ],
)
def test_a_mark_keeps_its_label_however_deep_it_stands(text, shown):
    """Titles and formulas inside lists and objects are words of the answer; references are not."""
    assert without_marks(f"Buy{text} now") == f"Buy{shown} now"


@pytest.mark.parametrize(
    "citation",
    [
        ":contentReference[oaicite:3]{index=3}",
        "::contentReference[oaicite:0]",
        "[oai_citation:1‡example.com](https://example.com/a_(b))",
        "[oai_citation_attribution:0‡Bees]",
    ],
)
def test_a_citation_in_plain_characters_goes(citation):
    """It shows a number on the page, and says nothing; other links and brackets stay."""
    text = f"Bees rest {citation}. See [the map](https://example.org) and [oai]."
    assert without_marks(text) == "Bees rest. See [the map](https://example.org) and [oai]."


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (
            'So:\n\n:::writing{id="1"}\nDear Ada,\n\nbye\n:::\n\nOK?',
            "So:\n\nDear Ada,\n\nbye\n\nOK?",
        ),
        ('Here: :::writing{id="1"}\nDear Ada', "Here:\nDear Ada"),
        (":::note\nDear Ada\n:::", ":::note\nDear Ada\n:::"),
    ],
)
def test_a_letter_to_copy_loses_its_frame(text, shown):
    """What was written stays on its lines, and other frames stay as they are."""
    assert without_marks(text) == shown


def test_thoughts_of_a_channel_are_no_answer(tmp_path):
    """The channel `analysis` is where models think; the others are said."""
    nodes = {"q": {"message": message("q"), "parent": None}}
    for name, before in (("analysis", "q"), ("commentary", "analysis"), ("final", "commentary")):
        nodes[name] = {"message": message(name, "assistant", channel=name), "parent": before}
    value = {"id": "c", "current_node": "final", "mapping": nodes}
    turns, left_out = read_all(write_json(tmp_path / "conversations.json", [value]))
    assert [turn.text for turn in turns] == ["q", "commentary", "final"]
    assert left_out == {"thoughts message": 1}


@pytest.mark.parametrize(
    "parts", ["bees rest", ["bees rest"], [["bees rest"], None], [[5, {"text": "bees rest"}]]]
)
def test_parts_of_any_shape_are_read(tmp_path, parts):
    """A bare string, and strings in a list of the list, are what was said."""
    value = conversation(("x", "root"), current_node="x")
    value["mapping"]["x"]["message"]["content"]["parts"] = parts
    assert texts(tmp_path, value) == ["bees rest"]
