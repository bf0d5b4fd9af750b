"""What people's files hold beside the good: each fault costs its item, and the rest is imported."""

import gzip
import itertools
import json
import os
import struct
import zipfile
from datetime import UTC, datetime

import pytest

from lmort_memory import Memory
from lmort_memory.importers import known_formats, scan
from lmort_memory.importers.format import MAX_TEXT_BYTES
from lmort_memory.importing import estimate, import_files
from lmort_memory.store import SQLiteStore
from lmort_memory.types import Turn

BAD = "half \ud83d"
FIXED = "half \ufffd"


@pytest.fixture
def memory(tmp_path):
    """Give a memory without a model, outside of the imported folder."""
    with Memory(None, SQLiteStore(tmp_path / "memory.db")) as opened:
        yield opened


@pytest.fixture
def folder(tmp_path):
    """Give the folder that is imported, with a good note first and last in order of name."""
    path = tmp_path / "in"
    path.mkdir()
    (path / "a.md").write_text("First.")
    (path / "z.md").write_text("Last.")
    return path


def texts(memory):
    """Return every text, in order of storing."""
    return [record.text for record in memory.records()]


def chatgpt(*messages, name="c", updated=100, **more):
    """Return a ChatGPT conversation of messages that follow each other."""
    nodes = {"root": {"parent": None, "children": ["m0"], "message": None}}
    for number, text in enumerate(messages):
        nodes[f"m{number}"] = {
            "parent": f"m{number - 1}" if number else "root",
            "children": [f"m{number + 1}"],
            "message": {
                "id": f"m{number}",
                "author": {"role": "user" if number % 2 == 0 else "assistant"},
                "create_time": 1_700_000_000 + number,
                "content": {"content_type": "text", "parts": [text]},
                "recipient": "all",
            },
        }
    return {
        "conversation_id": name,
        "title": name,
        "create_time": 1_700_000_000,
        "update_time": 1_700_000_000 + updated,
        "current_node": f"m{len(messages) - 1}",
        "mapping": nodes,
        **more,
    }


def claude(*messages, name="c", updated="2026-05-04T11:00:00Z", **more):
    """Return a Claude conversation; a message is (uuid, parent, text) or a text."""
    return {
        "uuid": name,
        "name": name,
        "created_at": "2026-05-04T10:00:00Z",
        "updated_at": updated,
        "chat_messages": [
            {
                "uuid": message[0],
                "parent_message_uuid": message[1],
                "sender": "human" if number % 2 == 0 else "assistant",
                "created_at": f"2026-05-04T10:00:{number:02}Z",
                "content": [{"type": "text", "text": message[2]}],
            }
            for number, message in enumerate(messages)
        ],
        **more,
    }


def code(text, uuid="u1", **more):
    """Return a line of a Claude Code log."""
    return {
        "type": "user",
        "sessionId": "s",
        "uuid": uuid,
        "timestamp": "2026-04-01T10:00:00Z",
        "message": {"role": "user", "content": text},
        **more,
    }


def write_zip(path, **members):
    """Write a zip of JSON files."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, value in members.items():
            archive.writestr(name.replace("__", "/") + ".json", json.dumps(value))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("c.json", json.dumps([chatgpt(BAD, BAD, name=BAD)])),
        ("c.json", json.dumps([claude((BAD, "", BAD), (BAD + "2", BAD, BAD), name=BAD)])),
        ("p.json", json.dumps({"uuid": BAD, "docs": [{"filename": BAD, "content": BAD}]})),
        ("m.json", json.dumps({"conversations_memory": BAD, "project_memories": {BAD: BAD}})),
        ("l.jsonl", json.dumps(code(BAD, BAD, sessionId=BAD, cwd=BAD, gitBranch=BAD))),
        ("t.jsonl", json.dumps({"text": BAD, "role": BAD, "session": BAD, "metadata": {BAD: BAD}})),
        ("n.md", "---\ntitle: \"half \\ud83d\"\n---\nhalf \\ud83d".replace("\\ud83d", "\udced")),
        ("n.txt", "half \udced"),
    ],
)  # fmt: skip
def test_half_a_character_anywhere_costs_itself_alone(name, content, memory, folder):
    """Whatever field of whatever format holds one, everything is imported, and it is counted."""
    (folder / name).write_bytes(content.encode("utf-8", "surrogateescape"))
    done = import_files(memory, scan([folder]))
    assert done.complete
    assert any(FIXED in text for text in texts(memory))
    assert texts(memory)[-1] == "z\n\nLast."
    assert done.left_out["character that is not Unicode, replaced by U+FFFD"] >= 1
    assert import_files(memory, scan([folder])).added == 0


GOOD = '{"text": "good"}'


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('{"text": "x", "metadata": {"a": NaN}}', "nan"),
        ('{"text": "x", "metadata": {"a": -Infinity}}', "inf"),
        ('{"text": "x", "session": ["a"]}', "session"),
        ('{"text": "x", "metadata": ' + "[" * 500 + "]" * 500 + "}", "metadata"),
        ('{"text": "x", "metadata": {"a": ' + "[" * 500 + "]" * 500 + "}}", "deeper than 100"),
        ('{"text": "x", "a": ' + "[" * 100_000 + "]" * 100_000 + "}", "too deep"),
        ('{"text": "x", "created_at": "soon"}', "soon"),
        ("\0\0\0\0", "NUL"),
        ("[]", "no JSON object"),
        ('{"text": "x"', "line 2"),
    ],
)
def test_a_bad_line_costs_itself_alone(line, reason, memory, folder):
    """A line that cannot be kept is named, and what is before and behind it is stored."""
    (folder / "t.jsonl").write_text(f"{GOOD}\n{line}\n{GOOD.replace('good', 'better')}\n")
    done = import_files(memory, scan([folder]))
    assert texts(memory) == ["a\n\nFirst.", "good", "better", "z\n\nLast."]
    (problem,) = done.passed_over
    assert not done.complete and problem.kind == "problem"
    assert "line 2" in problem.reason and reason in problem.reason
    again = import_files(memory, scan([folder]))
    assert (again.added, again.complete) == (0, False)
    (folder / "t.jsonl").write_text(f"{GOOD}\n")
    assert import_files(memory, scan([folder])).removed == 1


def test_a_file_that_vanishes_is_reported(memory, folder):
    """What was there when the folder was looked through may be gone a moment later."""
    found = scan([folder])
    (folder / "a.md").unlink()
    for done in (estimate(memory, found), import_files(memory, found)):
        (problem,) = done.passed_over
        assert (problem.path, problem.kind) == (str(folder / "a.md"), "problem")
    assert texts(memory) == ["z\n\nLast."]


def patched(path, offset_of, at, value):
    """Change bytes of a zip, counted from a signature."""
    data = bytearray(path.read_bytes())
    start = 0
    while (start := data.find(offset_of, start)) >= 0:
        data[start + at : start + at + len(value)] = value
        start += 4
    path.write_bytes(data)


@pytest.mark.parametrize(
    ("offset_of", "at", "value"),
    [
        (b"PK\1\2", 6, struct.pack("<H", 99)),  # needs a later version
        (b"PK\1\2", 8, struct.pack("<H", 1)),  # encrypted
        (b"PK\1\2", 10, struct.pack("<H", 99)),  # another compression
        (b"PK\3\4", 40, b"\0\1\2\3\4"),  # damaged data
        (b"PK\5\6", 0, b"XXXX"),  # cut off
    ],
)
def test_a_damaged_zip_costs_itself_alone(offset_of, at, value, memory, folder):
    """A zip that cannot be read is reported, whatever zipfile raises."""
    write_zip(folder / "export.zip", conversations=[chatgpt("Where?", "There.")])
    patched(folder / "export.zip", offset_of, at, value)
    report = scan([folder])
    done = import_files(memory, report)
    assert [item.path for item in done.passed_over] == [str(folder / "export.zip")]
    assert texts(memory)[0] == "a\n\nFirst." and texts(memory)[-1] == "z\n\nLast."


def test_a_zip_with_a_name_that_is_no_utf8_is_reported(memory, folder):
    """A name of another alphabet is a problem of its zip, and no traceback."""
    write_zip(folder / "export.zip", conversationé=[])
    data = (folder / "export.zip").read_bytes()
    (folder / "export.zip").write_bytes(data.replace("é".encode(), b"\xff\xff"))
    done = import_files(memory, scan([folder]))
    assert [item.path for item in done.passed_over] == [str(folder / "export.zip")]
    assert len(texts(memory)) == 2


@pytest.mark.parametrize("filling", [b" ", b"a", b"["])
def test_a_bomb_is_given_up_with_its_bound(filling, memory, folder):
    """A small zip cannot fill the memory or run without end."""
    begin = json.dumps([chatgpt("Where?")])[:-1].encode() + (b',"' if filling == b"a" else b",")
    with (
        zipfile.ZipFile(folder / "export.zip", "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("conversations.json", "w") as member,
    ):
        member.write(begin)
        for _ in range(80):
            member.write(filling * (1 << 20))
    done = import_files(memory, scan([folder]))
    (problem,) = done.passed_over
    assert any(character.isdigit() for character in problem.reason.partition("export.zip")[2])
    assert "Where?" in texts(memory)


def test_a_file_of_a_terabyte_of_nothing_is_given_up(memory, folder):
    """A sparse file is refused by its size or its beginning; it is not read to its end."""
    names = [f"x{suffix}" for form in known_formats() for suffix in form.suffixes if suffix]
    for name in dict.fromkeys([*names, "rollout-2025-01-01T00-00-00-x.jsonl"]):
        with (folder / name).open("wb") as file:
            file.truncate(1 << 40)
    (folder / "sound.md").write_text("Ada keeps bees.")
    done = import_files(memory, scan([folder]))
    assert "Ada keeps bees." in "".join(texts(memory))
    reasons = {item.path.rpartition("/")[2]: item.reason for item in done.passed_over}
    assert reasons.keys() >= {*names}
    for name in ("x.md", "x.txt", "x.org"):
        assert str(1 << 40) in reasons[name] and str(MAX_TEXT_BYTES) in reasons[name]


def test_a_gzipped_log_cannot_run_without_end(memory, folder):
    """A log of Codex that expands a thousand times is given up with its bound."""
    first = {"type": "session_meta", "payload": {"id": "s"}, "timestamp": "2025-01-01T00:00:00Z"}
    path = folder / "rollout-2025-01-01T00-00-00-s.jsonl.gz"
    with gzip.open(path, "wb") as file:
        file.write(f"{json.dumps(first)}\n".encode() * 30)
        for _ in range(80):
            file.write(b" " * (1 << 20))
    (problem,) = import_files(memory, scan([folder])).passed_over
    assert "100 times its size" in problem.reason


def test_a_zip_says_what_it_left(memory, folder):
    """What a folder would have named is counted in a zip too."""
    with zipfile.ZipFile(folder / "export.zip", "w") as archive:
        archive.writestr("conversations.json", json.dumps([claude(("a", "", "Where?"))]))
        archive.writestr(
            "projects/p.json", json.dumps({"uuid": "p", "docs": [], "prompt_template": "Hi"})
        )
        archive.writestr("users.json", '[{"uuid": "u"}]')
        archive.writestr("files/leaf.png", b"\x89PNG")
    done = import_files(memory, scan([folder]))
    assert done.complete
    assert {"Where?", "Hi"} <= set(texts(memory))
    assert done.left_out["file in the zip (.png)"] == 1
    assert done.left_out["entry of users.json without text to remember"] == 1


OLD_AND_NEW = {
    "chatgpt": (
        chatgpt("Where?", "There."),
        chatgpt("Where?", "There.", "Sure?", "Yes.", updated=200),
    ),
    "claude": (
        claude(("a", "", "Where?"), ("b", "a", "There.")),
        claude(
            ("a", "", "Where?"), ("b", "a", "There."), ("c", "b", "Sure?"),
            updated="2026-06-01T00:00:00Z",
        ),
    ),
}  # fmt: skip


@pytest.mark.parametrize(
    ("maker", "names"), [*itertools.product(OLD_AND_NEW, [("a", "b"), ("b", "a")])]
)
@pytest.mark.parametrize("at_once", [True, False])
def test_the_newer_export_wins_whatever_it_is_called(maker, names, at_once, memory, folder):
    """An older export beside a newer one, or imported after it, removes nothing."""
    old, new = OLD_AND_NEW[maker]
    paths = [folder / f"{name}.zip" for name in names]
    write_zip(paths[0], conversations=[new])
    if not at_once:
        import_files(memory, scan([folder]))
    write_zip(paths[1], conversations=[old])
    import_files(memory, scan([folder]))
    again = import_files(memory, scan([folder]))
    assert (again.added, again.removed) == (0, 0)
    assert "Sure?" in texts(memory)
    assert texts(memory).count("Where?") == 1


def test_an_edited_prompt_leaves_its_first_branch(memory, folder):
    """Of a Claude conversation the branch on the screen is kept, also around a missing message."""
    root = "00000000-0000-4000-8000-000000000000"
    edited = claude(
        ("a", root, "Sheep?"), ("b", "a", "Low."), ("c", root, "Deer?"), ("d", "c", "High.")
    )
    marked = claude(("a", root, "Ask."), ("b", "a", "One."), ("c", "a", "Two."), name="m",
                    current_leaf_message_uuid="b")  # fmt: skip
    holed = claude(("a", root, "Axe?"), ("c", "gone", "Saw?"), name="h")
    (folder / "c.json").write_text(json.dumps([edited, marked, holed]))
    done = import_files(memory, scan([folder]))
    assert texts(memory)[1:-1] == ["Deer?", "High.", "Ask.", "One.", "Axe?", "Saw?"]
    assert done.left_out["message on a branch that was left"] == 3


def test_marks_of_chatgpt_keep_what_they_show(memory, folder):
    """Labels stay where they stood, and citations go."""
    said = (
        'See \ue200entity\ue202["city","Idrija"]\ue201, \ue200url\ue202the map\ue202turn0search1'
        "\ue201 \ue200cite\ue202turn0search3\ue201 and \ue203quoted\ue204 text【4:2†a.pdf】."
        " \ue200cite\ue202tu"
    )
    (folder / "c.json").write_text(json.dumps([chatgpt(said)]))
    import_files(memory, scan([folder]))
    assert texts(memory)[1].startswith("See Idrija, the map and quoted text.")


def test_a_log_is_read_around_its_faults(memory, folder):
    """NULs, other programs' lines, errors of the API and copies cost nothing of what was said."""
    queued = {"type": "queued_command", "commandMode": "prompt", "prompt": "Mind the tide."}
    lines = [
        *({"type": "summary", "summary": f"s{n}", "leafUuid": "l"} for n in range(30)),
        code("Hello."),
        "\0" * 500,
        [1, 2],
        code("Hello.", "u1"),
        code("err", "e", type="assistant", isApiErrorMessage=True),
        code("No.", "f", type="assistant", message={"model": "<synthetic>", "content": "No."}),
        {
            "type": "queue-operation",
            "operation": "enqueue",
            "sessionId": "s",
            "content": "Mind the tide.",
        },
        {"type": "attachment", "uuid": "q", "sessionId": "s", "attachment": queued},
        {
            "type": "queue-operation",
            "operation": "enqueue",
            "sessionId": "s",
            "content": "Never sent.",
        },
    ]
    said = (line if isinstance(line, str) else json.dumps(line) for line in lines)
    (folder / "s.jsonl").write_text("\n".join(said) + '\n{"cut')
    done = import_files(memory, scan([folder]))
    assert texts(memory)[1:-1] == ["Hello.", "Mind the tide.", "Never sent."]
    assert done.complete and done.left_out["line that is not an entry of a log"] == 2


def test_a_fork_stores_only_what_is_new_in_it(memory, folder):
    """What a session shares with the one it was forked from is stored once."""
    origin = {"sessionId": "one", "messageUuid": "u1"}
    (folder / "one.jsonl").write_text(json.dumps(code("Shared.", sessionId="one")) + "\n")
    fork = [
        code("Shared.", sessionId="two", forkedFrom=origin),
        code("New.", "u2", sessionId="two"),
    ]
    (folder / "two.jsonl").write_text("\n".join(map(json.dumps, fork)) + "\n")
    import_files(memory, scan([folder]))
    assert texts(memory)[1:-1] == ["Shared.", "New."]


def test_links_are_not_followed_out_of_the_folder(memory, folder, tmp_path):
    """What lies elsewhere is not imported because a link in the folder leads to it."""
    (tmp_path / "secret.md").write_text("Secret.")
    (folder / "out.md").symlink_to(tmp_path / "secret.md")
    (folder / "in.md").symlink_to(folder / "a.md")
    report = scan([folder])
    assert [item.reason for item in report.passed_over] == ["link to a file outside the folder"]
    import_files(memory, report)
    assert "out\n\nSecret." not in texts(memory)
    assert import_files(memory, scan([folder / "out.md"])).added == 1


def test_a_gzipped_export_comes_back(memory, folder, tmp_path):
    """What `export - | gzip` makes is imported, and a cut one gives what it holds."""
    memory.add([Turn(f"note {n}", created_at=datetime(2024, 1, 1, tzinfo=UTC)) for n in range(600)])
    memory.export(tmp_path / "all.jsonl")
    data = gzip.compress((tmp_path / "all.jsonl").read_bytes())
    for name, part in (("whole", data), ("cut", data[: len(data) // 2])):
        path = tmp_path / name / "all.jsonl.gz"
        path.parent.mkdir()
        path.write_bytes(part)
        with Memory(None, SQLiteStore(tmp_path / name / "memory.db")) as other:
            done = import_files(other, scan([path]))
            assert done.complete == (name == "whole")
            assert done.added == len(texts(other)) > 100
            assert done.complete == (done.added == 600)


def test_a_cut_export_gives_what_it_holds(memory, tmp_path):
    """The records before and behind a broken line come back, and are counted."""
    memory.add([Turn(f"note {n}") for n in range(30)])
    memory.export(tmp_path / "all.jsonl")
    lines = (tmp_path / "all.jsonl").read_text().splitlines()
    lines[10] = lines[10].replace('"session": null', '"session": ["a"]')
    (tmp_path / "cut.jsonl").write_text("\n".join(lines)[:-20])
    with Memory(None, SQLiteStore(tmp_path / "other.db")) as other:
        done = import_files(other, scan([tmp_path / "cut.jsonl"]))
        assert (done.added, done.complete) == (28, False)
        assert "28 records were read" in done.passed_over[0].reason


def test_notes_are_found_by_aliases_and_properties_and_lead_to_those_that_link(memory, folder):
    """A question with a note's other name finds it, and what links to it stands beside it."""
    (folder / "Dovre line.md").write_text(
        "---\naliases: [Dovrebanen]\nwith: Solveig\n---\nA long slow ride.\n"
    )
    (folder / "Trips.md").write_text("In May by [[Dovrebanen|train]].")
    (folder / "Other.md").write_text("A long walk, by no train.")
    import_files(memory, scan([folder]))
    for asked in ("Dovrebanen", "Solveig"):
        hits = {hit.record.text: hit for hit in memory.recall(asked, neighbours=2)}
        hit = hits["Dovre line\n\nA long slow ride."]
        assert [one.text for one in hit.neighbours] == ["Trips\n\nIn May by [[Dovrebanen|train]]."]
    (folder / "Dovre line.md").write_text("---\naliases: [Rørosbanen]\n---\nA long slow ride.\n")
    os.utime(folder / "Dovre line.md", (1, 1))
    import_files(memory, scan([folder]))
    assert memory.recall("Rørosbanen")[0].record.text == "Dovre line\n\nA long slow ride."
    assert not any(hit.record.text.startswith("Dovre") for hit in memory.recall("Solveig"))
