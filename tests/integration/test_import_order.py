"""Exports of one thing from different days: the later one counts, in whatever order they come."""

import json
import os
import zipfile

import pytest

from lmort_memory import Memory
from lmort_memory.importers import scan
from lmort_memory.importing import import_files
from lmort_memory.store import SQLiteStore

PAGE = "Page 0123456789abcdef0123456789abcdef.md"


@pytest.fixture
def memory(tmp_path):
    """Give a memory without a model, outside of the imported folders."""
    with Memory(None, SQLiteStore(tmp_path / "memory.db")) as opened:
        yield opened


def write(path, data, month):
    """Write a file, or a zip of the members of a dict, as an export of a month."""
    path.parent.mkdir(exist_ok=True)
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w") as archive:
            for name, text in data.items():
                archive.writestr(zipfile.ZipInfo(name, (2026, month, 1, 0, 0, 0)), text)
    else:
        path.write_text(data if isinstance(data, str) else json.dumps(data))
        os.utime(path, (1_767_225_600 + month * 2_592_000,) * 2)
    return path


def mem0(text, month):
    """Return a dump with one memory."""
    entry = {"id": "1", "memory": text, "user_id": "u", "created_at": "2025-01-01T00:00:00Z"}
    return {"results": [{**entry, "updated_at": f"2026-0{month}-01T00:00:00Z"}]}


def evernote(text, month):
    """Return an export with one note."""
    return (
        "<en-export><note><title>T</title><created>20250101T000000Z</created>"
        f"<updated>20260{month}01T000000Z</updated>"
        f"<content><![CDATA[<en-note>{text}</en-note>]]></content></note></en-export>"
    )


def project(text, month, *others):
    """Return a Claude project whose last document has this text."""
    docs = [{"uuid": one, "filename": f"{one}.md", "content": one} for one in others]
    docs.append({"uuid": "last", "filename": "last.md", "content": text})
    updated = f"2026-0{month}-01T00:00:00Z"
    return [{"uuid": "p", "name": "P", "prompt_template": "", "docs": docs, "updated_at": updated}]


def memories(text, month):
    """Return what Claude remembers, which has no date."""
    return [{"conversations_memory": text, "account_uuid": "a"}]


def notion(text, month):
    """Return a zip with one page."""
    return {PAGE: f"# Page\n\nCreated: May 1, 2024 9:00 AM\n\n{text}\n"}


@pytest.mark.parametrize(
    ("name", "made"),
    [
        ("dump.json", mem0),
        ("Notes.enex", evernote),
        ("projects.json", project),
        ("memories.json", memories),
        ("Export.zip", notion),
    ],
)
@pytest.mark.parametrize("months", [(1, 2), (2, 1), (2, 1, 2)])
def test_the_later_export_counts_in_any_order(memory, tmp_path, name, made, months):
    """An older export is passed over and counted; what a newer one changed is changed."""
    for number, month in enumerate(months):
        text = "lives in Oslo" if month == 2 else "lives in Bergen"
        path = write(tmp_path / str(number) / name, made(text, month), month)
        done = import_files(memory, scan([path]))
        assert done.complete
        older = done.left_out.get("conversation or note that is stored from a later export", 0)
        assert older == (1 if month == 1 and number else 0)
    stored = " ".join(record.text for record in memory.records())
    assert stored.count("lives in") == 1 and "lives in Oslo" in stored


def test_a_project_loses_what_was_taken_out_of_it(memory, tmp_path):
    """A document that was removed, or stands in another place, leaves no copy behind."""
    first = write(tmp_path / "1" / "projects.json", project("end", 1, "one", "two"), 1)
    import_files(memory, scan([first]))
    ids = {record.text: record.id for record in memory.records()}
    second = write(tmp_path / "2" / "projects.json", project("end", 2, "two"), 2)
    import_files(memory, scan([second]))
    assert {record.text: record.id for record in memory.records()} == {
        text: ids[text] for text in ("two", "end")
    }


def chatgpt(name, month, *said):
    """Return a ChatGPT conversation that was last changed in a month, None being unknown."""
    nodes = {"root": {"parent": None, "message": None}}
    before = "root"
    for text in said:
        content = {"content_type": "text", "parts": [text]}
        message = {"author": {"role": "user"}, "content": content, "create_time": 1.7e9}
        nodes[text] = {"parent": before, "message": message}
        before = text
    changed = month and 1.75e9 + month * 2_592_000
    made = {"id": name, "create_time": 1.7e9, "current_node": before, "update_time": changed}
    return {**made, "mapping": nodes}


def claude(name, month, *said):
    """Return a Claude conversation that was last changed in a month."""
    messages = [
        {"uuid": text, "sender": "human", "text": text, "created_at": "2025-01-01T00:00:00Z"}
        for text in said
    ]
    updated = f"2026-0{month}-01T00:00:00Z"
    return {"uuid": name, "name": "C", "updated_at": updated, "chat_messages": messages}


@pytest.mark.parametrize("made", [chatgpt, claude])
@pytest.mark.parametrize("months", [(1, 2), (2, 1)])
@pytest.mark.parametrize("between", [(), ("other",)])
@pytest.mark.parametrize("size", [1, 300_000])  # small files are read another way
def test_of_two_copies_in_one_export_the_later_one_counts(
    memory, tmp_path, made, months, between, size
):
    """Each copy keeps its own date, next to the other one or apart from it."""
    said = {1: ("one", "taken back"), 2: ("one", "two")}
    copies = [made("c", month, *said[month]) for month in months]
    others = [made(name, 1, "o" * size) for name in between or ("last",)]
    listed = [copies[0], *others, copies[1]] if between else [*copies, *others]
    path = write(tmp_path / "conversations.json", listed, 1)
    done = import_files(memory, scan([path]))
    assert done.complete
    assert {record.text[:10] for record in memory.records()} == {"one", "two", "o" * min(size, 10)}
    assert done.left_out.get("conversation or note that is stored from a later export", 0) == (
        months == (2, 1)
    )
    assert import_files(memory, scan([path])).unchanged == 1


def test_two_copies_in_two_members_of_a_zip_are_told_apart(memory, tmp_path):
    """An export in parts may hold the older state in the first and the newer one in the next."""
    parts = {
        "conversations-000.json": json.dumps([chatgpt("c", 1, "one")]),
        "conversations-001.json": json.dumps([chatgpt("c", 2, "one", "two")]),
    }
    import_files(memory, scan([write(tmp_path / "export.zip", parts, 1)]))
    assert sorted(record.text for record in memory.records()) == ["one", "two"]


def test_copies_without_a_date_are_not_joined(memory, tmp_path):
    """Where the export does not say when they were changed, the last one of two alike counts."""
    copies = [chatgpt("c", None, "one", "taken back"), chatgpt("c", None, "one", "two")]
    import_files(memory, scan([write(tmp_path / "conversations.json", copies, 1)]))
    assert sorted(record.text for record in memory.records()) == ["one", "two"]
