"""Notes as people have them: links, tags, properties, dates, and what is not language."""

import base64
import json
import os
import random
from datetime import UTC, date, datetime

import pytest

from lmort_memory.importers import LeftOut, read, scan
from lmort_memory.importers.markdown_parser import parse
from lmort_memory.importers.times import from_epoch, from_iso, from_name, from_words
from lmort_memory.times import day_as_time
from tests.support.imports import read_all


def turns_of(path, text, left_out=None):
    """Write a note and return its turns."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    (file,) = scan([path]).files
    return list(read(file, left_out))


def facts(text, kind):
    """Return the tags or links of a text."""
    return [fact.value for fact in parse(text).facts if fact.kind == kind]


@pytest.mark.parametrize(
    ("text", "tags"),
    [
        ("#bees and #home/garden.", ["bees", "home/garden"]),
        ("#2024/goals #_private #🌱seed #naïve", ["2024/goals", "_private", "🌱seed", "naïve"]),
        ("(#one), #two; #three!", ["one", "two", "three"]),
        ("#2024 #12 no#tag a#b C# x/#y", []),
        ("#fff #ff0000 #a1b2c3d4 #1e1", []),
        ("#decade #cafe", ["decade", "cafe"]),
        ("[[#Heading]] [up](#anchor) [x](note.md#part) <https://a.org/#b>", []),
        ("`#code` \\#escaped $#_x$ ``#a`#b``", []),
        ("```\n#code\n```\n\n    #indented\n\n#real", ["real"]),
        ('<span style="color:#abcdef">#in</span>', ["in"]),
        ("<div>\n#block of html\n</div>", []),
        ("| a | b |\n| - | - |\n| #cell | `#no` |", ["cell"]),
        ("> #quoted\n\n- #item\n- [ ] #task", ["quoted", "item", "task"]),
        ("# #heading #more", ["heading", "more"]),
        ("https://a.org/x#y https://a.org/#z", []),
    ],
)
def test_tags_are_those_that_obsidian_shows(text, tags):
    """Anchors, colours, code and formulas are not tags; emoji and nested ones are."""
    assert facts(text, "tag") == tags


@pytest.mark.parametrize(
    ("text", "links"),
    [
        ("[[Note]] [[Note two|alias]] [[Deep/Note#Part|x]] [[N^block]]",
         ["Note", "Note two", "Deep/Note", "N"]),
        ("| a |\n| - |\n| [[Leek rows\\|leeks]] |", ["Leek rows"]),
        ("[[#Here]] [[]] `[[code]]` \\[[no]]", []),
        ("![[picture.png]] ![[Note]] ![a](b.png) [pdf](c.pdf)", ["Note"]),
        ("[a](Other%20note.md) [b](sub/x.md#part) [c](../y) [d](<my note.md>)",
         ["Other note", "sub/x", "y", "my note"]),
        ("[w](https://a.org) [m](mailto:a@b.org) [h](#here) [s](//a.org)", []),
    ],
)  # fmt: skip
def test_links_are_those_to_notes(text, links):
    """Wiki and Markdown links to notes count; pictures, the web and the note itself do not."""
    assert facts(text, "link") == links


def test_links_of_properties_and_names_of_the_users_stay(tmp_path):
    """A property is never overwritten: ours of that name steps aside."""
    text = (
        '---\nformat: hardcover\nheadings: 12\nlinks: [x]\nauthor: "[[Ada Berg|Ada]]"\n'
        "tags: red, blue\ntitle: 7\n---\nSee [[Moon]].\n"
    )
    (turn,) = turns_of(tmp_path / "Book.md", text)
    assert turn.metadata == {
        "format": "hardcover",
        "headings": 12,
        "links": ["x"],
        "author": "[[Ada Berg|Ada]]",
        "title": 7,
        "note_format": "markdown",
        "note_links": ["Moon", "Ada Berg"],
        "tags": ["red", "blue"],
    }
    assert turn.text == "7\n\nSee [[Moon]]."


def test_a_note_of_properties_alone_is_a_turn(tmp_path):
    """What a person filled into a form is remembered, and what is empty is not."""
    text = '---\naliases: [Raumabanen]\nrating: 9\nguide: "[[Solveig Moe]]"\nempty:\n---\n'
    (turn,) = turns_of(tmp_path / "Rauma line.md", text)
    assert turn.text == "Rauma line\n\naliases: Raumabanen\nrating: 9\nguide: Solveig Moe"
    assert turn.metadata["links"] == ["Solveig Moe"]


PICTURE = base64.b64encode(random.Random(1).randbytes(30_000)).decode()


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.md", f"Pump.\n\n![photo](data:image/png;base64,{PICTURE})\n", ["a\n\nPump."]),
        ("a.md", f"Pump.\n\n![img][i]\n\n[i]: <data:image/png;base64,{PICTURE}>\n", ["a\n\nPump."]),
        ("a.md", f"Key:\n\n{PICTURE}\n", ["a\n\nKey:"]),
        (
            "a.md",
            f'Pump <img alt="b" src="data:image/png;base64,{PICTURE}"> on.',
            ["a\n\nPump  on."],
        ),
        ("a.md", f"Pump ![p](data:image/png;base64,{PICTURE}) on.", ["a\n\nPump  on."]),
        (
            "a.md",
            f"Pump\n\n<IMG\n src='data:image/png;base64,{PICTURE}'/>\n\non.",
            ["a\n\nPump\n\non."],
        ),
        ("a.md", f"{'w' * 500}\n\n%%{PICTURE}%%\n\n{'v' * 500}", [f"a\n\n{x * 500}" for x in "wv"]),
        ("a.md", 'Pump <img src="x.png"> on.', ['a\n\nPump <img src="x.png"> on.']),
        ("a.md", "## Where is it?\n\n![[Answer#Part]]\n", []),
        ("a.md", "## Where is it?\n\n![](x.png)\n\n<br>\n", []),
        ("a.md", "![The red barn in snow](x.png)\n", ["a\n\n![The red barn in snow](x.png)"]),
        ("a.md", "# T\n\n```dataview\nTABLE x FROM #y\n```\n", []),
        ("a.md", "Before.\n\n```tasks\nnot done\n```\n\nAfter.", ["a\n\nBefore.\n\nAfter."]),
        ("a.md", "Said %%hidden #x [[y]]%% aloud.", ["a\n\nSaid  aloud."]),
        ("a.md", "50%% of it, no comment", ["a\n\n50%% of it, no comment"]),
        ("a.md", "`%%` and `<!--` are signs", ["a\n\n`%%` and `<!--` are signs"]),
        ("a.md", "One.\n\n<!-- secret\nplan -->\n\nTwo.", ["a\n\nOne.\n\nTwo."]),
        ("a.md", "Do.\n\n%% kanban:settings\n```\n{}\n```\n%%", ["a\n\nDo."]),
        (
            "d.excalidraw.md",
            "---\nexcalidraw-plugin: parsed\ntags: [excalidraw]\n---\n==⚠  Switch ⚠== x\n\n"
            "Mine.\n\n# Excalidraw Data\n## Text Elements\nPump ^a1\n\n%%\n## Drawing\n"
            "```compressed-json\nN4Kg\n```\n%%",
            ["d\n\nMine."],
        ),
        ("t.md", "---\ncreated: {{date}}\n---\n# {{title}}\n\nHow was it?", []),
        ("t.md", "<% tp.file.title %>\n\nAgenda", []),
        ("t.md", "Write `{{title}}` in code.", ["t\n\nWrite `{{title}}` in code."]),
    ],
)
def test_what_is_no_language_makes_no_turns(name, text, said, tmp_path):
    """Inline data, drawings, embeds, queries, comments and templates are left out and counted."""
    left_out = LeftOut()
    assert [turn.text for turn in turns_of(tmp_path / name, text, left_out)] == said
    assert said == [f"{name[0]}\n\n{text}".strip()] or left_out.total()


def test_the_folder_that_a_vault_keeps_its_templates_in_is_no_notes(tmp_path):
    """What the user has set as templates is not remembered, whatever is in it."""
    settings = tmp_path / ".obsidian" / "templates.json"
    settings.parent.mkdir()
    settings.write_text(json.dumps({"folder": "Forms"}))
    left_out = LeftOut()
    assert turns_of(tmp_path / "Forms" / "Meeting.md", "Who was there?", left_out) == []
    assert turns_of(tmp_path / "Notes" / "Meeting.md", "Ada was there.") != []
    assert left_out == {"template": 1}


@pytest.mark.parametrize("sign", ["%%", "<!--", "`", "[[", "![", "$", "#", "> ", "[a", "]]", "*a"])
def test_a_note_of_signs_ends(sign, tmp_path):
    """No run of signs makes the reader go round in circles."""
    turns_of(tmp_path / "a.md", sign * 5_001 + " word")


DAY = datetime(2024, 5, 2, 9, 15, tzinfo=UTC)
LOCAL = datetime(2024, 5, 2, 9, 15).astimezone()


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("2024-05-02T09:15:00.000Z", DAY),
        ("2024-05-02 11:15:00 +0200", DAY),
        ("2024-05-02 09:15:00 UTC", DAY),
        ("2024-05-02", day_as_time(DAY.date())),
        ("2024/5/2", day_as_time(DAY.date())),
        ("20240502", day_as_time(DAY.date())),
        ("May 2, 2024", day_as_time(DAY.date())),
        ("2 May 2024", day_as_time(DAY.date())),
        ("Thursday, May 2nd 2024, 9:15:00 am +0000", None),
        ("soon", None),
        ("2024-13-01", None),
        ("", None),
        (7, None),
    ],
)
def test_dates_as_programs_write_them(value, expected):
    """A day stays a day, a time keeps its zone, and nothing is guessed."""
    assert from_words(value) == expected


def test_figures_that_mean_one_date_are_read():
    """The day is told by points or by a number over 12; 3/4/2024 may be either."""
    for text in ("31.12.2023", "12/31/2023", "31/12/2023", "31-12-23"):
        assert from_words(text) == from_iso("2023-12-31"), text
    assert from_words("12/31/2023 9:05 PM") == datetime(2023, 12, 31, 21, 5).astimezone()
    assert from_words("3.4.2024 21:05") == datetime(2024, 4, 3, 21, 5).astimezone()
    assert from_words("3/4/2024") is None


def test_a_date_in_words_is_local_time():
    """What the linter of Obsidian writes is read."""
    found = from_words("Thursday, May 2nd 2024, 9:15:00 am")
    assert found == LOCAL


@pytest.mark.parametrize(
    ("stem", "expected"),
    [
        ("2024-05-02", day_as_time(DAY.date())),
        ("2024_05_02 walk", day_as_time(DAY.date())),
        ("20240502 walk", day_as_time(DAY.date())),
        ("2024-W18", day_as_time(date(2024, 4, 29))),
        ("20240502T091500--market", LOCAL),
        ("202405020915", LOCAL),
        ("2024-99-99", None),
        ("123456789012345", None),
    ],
)
def test_the_time_in_a_name(stem, expected):
    """Daily, weekly and Denote notes are of the time in their name."""
    assert from_name(stem) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (1714641300, DAY),
        (1714641300000, DAY),
        (1714641300000000, DAY),
        (1714641300000000000, DAY),
        (0, None),
        (float("nan"), None),
        (10**400, None),
        (True, None),
        ("1714641300", DAY),
    ],
)
def test_numbers_that_are_times(value, expected):
    """Seconds and their fractions are told apart by size; 0 is no time."""
    assert from_epoch(value) == expected


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00"])
def test_times_at_the_ends_of_the_calendar_are_read(text):
    """They move inside, so that every zone can show them."""
    found = from_iso(text)
    assert found is not None and abs(found - datetime.fromisoformat(text)).days < 2


@pytest.mark.parametrize(
    "key", ["created", "date created", "createdAt", "Date-Created", "published"]
)
def test_the_many_names_of_a_date(key, tmp_path):
    """Whatever a program calls it, a note is of the day that its properties tell."""
    (turn,) = turns_of(tmp_path / "a.md", f"---\n{key}: 2024-05-02\nupdated: 2025-01-01\n---\nX.")
    assert turn.created_at == day_as_time(DAY.date())


def test_a_time_of_writing_after_2262_is_no_error(tmp_path):
    """A file of the far future is read."""
    path = tmp_path / "a.md"
    path.write_text("Later.")
    os.utime(path, (9_500_000_000, 9_500_000_000))
    (turn,) = read(scan([path]).files[0])
    assert turn.created_at.year == 2271


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1712010900123", None),
        ("1712010900", None),
        ("2024/05/01 09:15", (9, 15)),
        ("2024-5-1 9:15", (9, 15)),
        ("2024-05-01 9:15 PM", (21, 15)),
        ("2024-05-01T12:15:00 a.m.", (0, 15)),
        ("2024-05-01 13:15 PM", None),
        ("2024-05-01T09:15:00+00:00[Europe/London]", (9, 15)),
        ("2024-02-30 09:15", None),
    ],
)
def test_moments_as_people_and_programs_write_them(text, expected):
    """A number is not a date of the Middle Ages, and a missing zero costs no date."""
    when = from_iso(text)
    shown = when and (when.astimezone().hour, when.astimezone().minute)
    assert shown == expected


def test_numbers_in_strings_are_times_where_they_can_be():
    """Seconds and milliseconds since 1970 are known by their digits; a day and a year are none."""
    assert from_epoch("1712010900") == from_epoch("1712010900123.0").replace(microsecond=0)
    assert from_epoch("20240501") is from_epoch("2024") is from_epoch("99999999999") is None
    assert from_words("Wed, 01 May 2024 09:15:00 GMT") == datetime(2024, 5, 1, 9, 15, tzinfo=UTC)


@pytest.mark.parametrize("name", ["Ticket 12340506", "Invoice 99991231", "30000101T101010"])
def test_a_number_in_a_name_is_no_day_of_another_age(name):
    """Eight digits that happen to be a day are one only in our time."""
    assert from_name(name) is None


def test_properties_that_python_or_yaml_would_lose(tmp_path):
    """Keys stay the text that they are, a list without its end is one, a month is a date."""
    (tmp_path / "n.md").write_text("---\n1: num\ntrue: b\ncreated: 2024-05\n---\nText\n")
    (turn,) = read_all(tmp_path / "n.md")[0]
    assert (turn.metadata["1"], turn.metadata["true"]) == ("num", "b")
    assert f"{turn.created_at:%Y-%m-%d}" == "2024-05-01"
    (tmp_path / "n.md").write_text("---\ntitle: Part 2: x\ntags: [a, 'b'\n---\nText\n")
    (turn,) = read_all(tmp_path / "n.md")[0]
    assert turn.metadata["tags"] == ["a", "b"]
