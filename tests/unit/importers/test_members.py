"""Zips of which one member is damaged: the others are read, and the one is named."""

import json
import zipfile

import pytest

from lmort_memory.errors import ImportFileError
from lmort_memory.importers import read, scan
from lmort_memory.importers.members import member_names
from tests.support.imports import read_all, write_zip

LONG = "the middle one " * 40
ID = "0123456789abcdef0123456789abcde"


def slack(text, number):
    """Return a day with one message."""
    message = {"type": "message", "ts": f"170406720{number}.000100", "user": "U", "text": text}
    return json.dumps([message])


def activity(text, number):
    """Return a list with one question to Gemini."""
    return json.dumps(
        [{"header": "Gemini Apps", "title": f"Prompted {text}", "time": f"2026-01-0{number}"}]
    )


def chapter(text, number):
    """Return a page of a book."""
    return f"<p>{text}</p>"


BOOK = {
    "META-INF/container.xml": '<container><rootfile full-path="o.opf"/></container>',
    "o.opf": '<package><item id="1" href="1.html"/><item id="2" href="2.html"/>'
    '<item id="3" href="3.html"/><itemref idref="1"/><itemref idref="2"/><itemref idref="3"/>'
    "</package>",
}


@pytest.mark.parametrize(
    ("file", "member", "made", "besides"),
    [
        ("a.zip", "bees/2024-01-0{}.json", slack, {"users.json": "[]"}),
        ("a.zip", f"Page {ID}{{}}.md", lambda text, number: f"# P\n\n{text}", {}),
        ("a.zip", "Takeout/My Activity/Gemini {}/MyActivity.json", activity, {}),
        ("a.epub", "{}.html", chapter, BOOK),
    ],
)
def test_a_damaged_member_costs_itself(tmp_path, file, member, made, besides):
    """What stands before and behind it is read."""
    names = [member.format(number) for number in (1, 2, 3)]
    said = ("first", LONG, "last")
    parts = {name: made(said[place], place + 1) for place, name in enumerate(names)}
    path = write_zip(tmp_path / file, {**besides, **parts})
    with zipfile.ZipFile(path) as archive:
        info = archive.getinfo(names[1])
    data = bytearray(path.read_bytes())
    start = info.header_offset + 30 + len(names[1])
    for place in range(start + 2, start + info.compress_size - 1):
        data[place] ^= 0x5A
    path.write_bytes(data)

    (found,) = scan([path]).files
    texts = []
    with pytest.raises(ImportFileError, match="the rest was read") as caught:
        for turn in read(found):
            texts.append(turn.text)
    assert names[1] in str(caught.value)
    assert "first" in texts[0] and "last" in texts[-1]
    assert not any("middle" in text for text in texts)


def gpt(text):
    """Return a list with one ChatGPT conversation."""
    message = {"author": {"role": "user"}, "content": {"content_type": "text", "parts": [text]}}
    nodes = {text: {"message": message, "parent": None}}
    return json.dumps([{"id": text, "create_time": 1.7e9, "current_node": text, "mapping": nodes}])


@pytest.mark.parametrize(
    "name",
    [
        "export\\conversations.json",
        "C:\\x\\conversations.json",
        "/conversations.json",
        "../../conversations.json",
        "..\\conversations.json",
    ],
)
def test_a_name_as_other_tools_write_it_is_a_path_inside_the_zip(tmp_path, name):
    """Tools of Windows write backslashes and drives; no name leads out of the zip."""
    path = write_zip(tmp_path / "a.zip", {"folder\\": "", name: gpt("bees")})
    assert [turn.text for turn in read_all(path)[0]] == ["bees"]
    assert all(".." not in one and one[0] != "/" and "\\" not in one for one in member_names(path))


def test_of_two_members_of_one_name_the_last_is_read(tmp_path):
    """Adding to a zip replaces a file so, and unpacking it keeps the last; the other is counted."""
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive, pytest.warns(UserWarning, match="Duplicate name"):
        archive.writestr("conversations.json", gpt("before"))
        archive.writestr("conversations.json", gpt("after"))
    turns, left_out = read_all(path)
    assert [turn.text for turn in turns] == ["after"]
    assert left_out == {"earlier file of the same name in the zip": 1}


def test_an_encrypted_member_is_named_with_what_it_needs(tmp_path):
    """Others beside it are read; the message is a sentence, whatever name the member has."""
    names = ("conversations-0.json", "x\\conversations-1.json")
    path = write_zip(tmp_path / "a.zip", {name: gpt(name) for name in names})
    data = bytearray(path.read_bytes())
    data[6] |= 1
    data[data.find(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(data)
    turns = []
    with pytest.raises(
        ImportFileError, match=r"0\.json: .* it is encrypted, and a password is needed"
    ):
        for turn in read(scan([path]).files[0]):
            turns.append(turn)
    assert [turn.text for turn in turns] == [names[1]]
