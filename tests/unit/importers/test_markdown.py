"""Markdown notes: outline, front matter, pieces, spans."""

import itertools
import os
from collections import Counter
from datetime import UTC, datetime

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from lmort_memory.errors import ImportFileError
from lmort_memory.importers import read, scan
from lmort_memory.importers.front_matter import parse_front_matter
from lmort_memory.importers.markdown_sections import sections
from lmort_memory.importers.split import PIECE_CHARS, pieces
from lmort_memory.text import counted


def turns_of(path, text):
    """Write a note and return its turns."""
    path.write_text(text, encoding="utf-8")
    (file,) = scan([path]).files
    return list(read(file))


def test_each_section_is_a_turn_under_its_heading_path(tmp_path):
    """A section's turn begins with its headings, and its span is the section's own text."""
    text = "# Ada\n\nBees.\n\n## Family\n\nA sister.\n\n### Work\nBaker.\n\n## Home\nTrondheim.\n"
    path = tmp_path / "Ada.md"
    turns = turns_of(path, text)
    assert [turn.text for turn in turns] == [
        "Ada\n\nBees.",
        "Ada > Family\n\nA sister.",
        "Ada > Family > Work\n\nBaker.",
        "Ada > Home\n\nTrondheim.",
    ]
    for turn in turns:
        assert turn.source.uri == str(path)
        assert turn.text.endswith("\n\n" + text[turn.source.start : turn.source.end])
        assert turn.role == "note"
    assert turns[2].metadata["headings"] == ["Family", "Work"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("# Day\n## Work\nBaker.\n", ["Todo > Day > Work\n\nBaker."]),
        (
            "## Buy milk\n## Call Ada\nToday.\n",
            ["Todo > Call Ada\n\n## Buy milk\n## Call Ada\nToday."],
        ),
        ("## Buy milk\n\n## Call Ada\n", ["Todo\n\n## Buy milk\n\n## Call Ada"]),
        (
            "# Day\n## Buy milk\n# Night\nSleep.\n",
            ["Todo > Day > Buy milk", "Todo > Night\n\nSleep."],
        ),
        (
            "## Buy milk\n## Work\n### Bread\nRye.\n",
            ["Todo > Buy milk", "Todo > Work > Bread\n\nRye."],
        ),
        ("# Todo\n", ["Todo"]),
        ("##\n", []),
    ],
)
def test_a_heading_without_text_goes_with_what_follows(text, expected, tmp_path):
    """A bare heading is context of what is below or beside it; alone it is a turn."""
    turns = turns_of(tmp_path / "Todo.md", text)
    assert [turn.text for turn in turns] == expected
    for turn in turns:
        assert turn.text == " > ".join(("Todo", *turn.metadata.get("headings", ()))) or (
            turn.text.endswith("\n\n" + text[turn.source.start : turn.source.end])
        )


def test_many_bare_headings_are_cut_into_pieces(tmp_path):
    """A note of nothing but headings keeps each of them, in turns of readable size."""
    turns = turns_of(tmp_path / "Todo.md", "".join(f"## Task {n}\n\n" for n in range(200)))
    assert all(len(turn.text) <= PIECE_CHARS + 10 for turn in turns)
    found = [line for turn in turns for line in turn.text.splitlines() if line.startswith("##")]
    assert found == [f"## Task {n}" for n in range(200)]


def test_tags_and_links_of_a_heading_belong_to_its_text(tmp_path):
    """What a heading is tagged with is metadata of every piece below it."""
    (turn,) = turns_of(tmp_path / "a.md", "# Hive #bees with [[Ada]]\n\nFull.\n")
    assert (turn.metadata["tags"], turn.metadata["links"]) == (["bees"], ["Ada"])


def test_hashes_in_a_code_fence_are_no_headings():
    """A comment in a code block does not cut the block."""
    text = "# Top\n```sh\n# comment\n~~~\n```\n# Next\n"
    assert [section.headings for section in sections(text)] == [(), ("Top",), ("Next",)]


def test_underlined_headings_are_headings():
    """A line underlined with = or - is a heading; a rule or a list item above dashes is none."""
    text = "Top\n===\n\nSub\n---\n\ntwo\nlines\n---\n\n- item\n---\n\n---\n"
    assert [section.headings for section in sections(text)] == [(), ("Top",), ("Top", "Sub")]


def test_front_matter_tags_links_and_date_become_metadata(tmp_path):
    """What Obsidian knows of a note is there to filter by."""
    text = (
        "---\ntitle: Our hives\ndate: 2024-05-01T10:00:00+02:00\ntags: [bees, 'home/garden']\n"
        "rating: 4\ndone: false\naliases:\n  - Beehives\n  - The hives\nplace:\n  lat: 63.4\n---\n"
        "Ask [[Ada|my sister]] about #honey and [[Trondheim#Weather]], not `#code` or [[]].\n"
    )
    (turn,) = turns_of(tmp_path / "hives.md", text)
    assert turn.created_at == datetime(2024, 5, 1, 8, tzinfo=UTC)
    assert turn.metadata["title"] == "Our hives"
    assert turn.metadata["tags"] == ["bees", "home/garden", "honey"]
    assert turn.metadata["links"] == ["Ada", "Trondheim"]
    assert turn.metadata["rating"] == 4
    assert turn.metadata["done"] is False
    assert turn.metadata["aliases"] == ["Beehives", "The hives"]
    assert turn.metadata["place"] == {"lat": 63.4}
    assert "title:" not in turn.text


@pytest.mark.parametrize(
    ("line", "values"),
    [
        ('key: [a, don\'t, "b, c"]', {"key": ["a", "don't", "b, c"]}),
        ("key: 3.5 # a comment", {"key": 3.5}),
        ("key: 'quoted: #text'", {"key": "quoted: #text"}),
        ("key:", {"key": None}),
        ("key: []", {"key": []}),
        ("key: 007", {"key": "007"}),
        ("key: {a: 1}", {"key": {"a": 1}}),
        ("key: [[a], b]", {"key": [["a"], "b"]}),
        ("key: [[Ada Berg]]", {"key": "[[Ada Berg]]"}),
        ("key: |\n  two\n  lines", {"key": "two\nlines\n"}),
        ("key: >-\n  one\n  line", {"key": "one line"}),
        ('key: "a\\nb"', {"key": "a\nb"}),
        ("key: 'Ada''s log'", {"key": "Ada's log"}),
        ("'key': [a,\n  b]", {"key": ["a", "b"]}),
        ("key: Part 2: the barn", {"key": "Part 2: the barn"}),
        ("key: [a, 'b]", {"key": "[a, 'b]"}),
        ("key: 2024-05-01", {"key": "2024-05-01"}),
        ("key: 12:30", {"key": "12:30"}),
        ("key: yes", {"key": "yes"}),
        ("key: .nan", {"key": ".nan"}),
        ("key: !program value", {"key": "value"}),
        ("key: one\nkey: two", {"key": "two"}),
        ("1: a", {"1": "a"}),
        ("just words", {}),
        ("http://example.org", {}),
    ],
)
def test_front_matter_is_read_strictly(line, values):
    """A line is understood, or the block is text of the note; nothing is guessed or lost."""
    found = parse_front_matter(f"---\n{line}\n---\nBody")
    assert found.values == values
    assert found.unread == [] and (found.end > 0) == bool(values)


def test_front_matter_that_is_partly_broken_keeps_the_rest():
    """One entry that is no YAML costs neither title nor tags."""
    block = 'title: "The mill"\nnote: {{date}}\ntags:\n  - mill\nbad: "open\n'
    found = parse_front_matter(f"---\n{block}---\nBody")
    assert found.values["title"] == "The mill"
    assert found.values["tags"] == ["mill"]
    assert found.values["note"] == "{{date}}"


def test_a_yaml_bomb_is_kept_as_text():
    """Aliases that stand for billions of values are never expanded."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    found = parse_front_matter("---\n" + "\n".join(lines) + "\n---\nBody")
    assert len(str(found.values)) < 10_000


def test_toml_front_matter_is_read():
    """The front matter of Hugo is not text of the note."""
    text = '+++\ntitle = "Kiln"\ndate = 2024-05-02T10:00:00Z\nday = 2024-05-02\n+++\nBody'
    found = parse_front_matter(text)
    assert found.values == {
        "title": "Kiln",
        "date": "2024-05-02T10:00:00+00:00",
        "day": "2024-05-02",
    }
    assert text[found.end :] == "Body"


def test_an_open_front_matter_is_text(tmp_path):
    """A rule at the top of a note does not swallow the note."""
    (turn,) = turns_of(tmp_path / "a.md", "---\nkey: value\n")
    assert turn.text == "a\n\n---\nkey: value"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("20240506091500", "2024-05-06 09:15"),
        ("202405060915", "2024-05-06 09:15"),
        ("2024050609", "2024-05-06 09:00"),
        ("'202405060915'", "2024-05-06 09:15"),
    ],
)
def test_a_moment_in_figures_is_no_count_of_seconds(tmp_path, value, expected):
    """Zettelkasten number their notes so; as milliseconds it was the year 2611."""
    (turn,) = turns_of(tmp_path / "a.md", f"---\ncreated: {value}\n---\nBody\n")
    assert turn.created_at.astimezone().strftime("%Y-%m-%d %H:%M") == expected


def test_the_date_is_in_the_name_or_is_the_time_of_writing(tmp_path):
    """A daily note is of its day, any other of the time when the file was written."""
    (daily,) = turns_of(tmp_path / "2023-11-05 walk.md", "Rain.")
    assert daily.created_at.astimezone().date().isoformat() == "2023-11-05"
    other = tmp_path / "other.md"
    other.write_text("Sun.")
    os.utime(other, (1_000_000_000, 1_000_000_000))
    (turn,) = read(scan([other]).files[0])
    assert turn.created_at == datetime(2001, 9, 9, 1, 46, 40, tzinfo=UTC)


def test_an_empty_note_is_counted(tmp_path):
    """A note without text gives no turn and is not lost from the report."""
    path = tmp_path / "empty.md"
    path.write_text("---\ncssclass: wide\nrating:\n---\n\n")
    left_out = Counter()
    assert list(read(scan([path]).files[0], left_out)) == []
    assert left_out == {"note without text": 1}


@pytest.mark.parametrize(
    ("data", "text", "replaced"),
    [
        (b"caf\xe9 at noon", "caf\ufffd at noon", 1),
        (b"a\0b", "a\ufffdb", 1),
        (b"cut by a crash\0\0\0\0", "cut by a crash", 0),
        ("na\u00efve".encode("utf-16"), "na\u00efve", 0),
        (b"half \xed\xa0\xbd", "half \ufffd\ufffd\ufffd", 3),
    ],
)
def test_bytes_that_are_no_text_are_replaced_and_counted(tmp_path, data, text, replaced):
    """A slip in a note costs its character and not the note."""
    path = tmp_path / "a.md"
    path.write_bytes(data)
    with counted() as found:
        (turn,) = read(scan([path]).files[0])
    assert (turn.text, found.characters) == (f"a\n\n{text}", replaced)


def test_a_binary_file_is_no_note(tmp_path):
    """What is mostly no text is an error that says how much."""
    path = tmp_path / "a.md"
    path.write_bytes(bytes(range(256)) * 4)
    with pytest.raises(ImportFileError, match="of its 1024 characters are not UTF-8"):
        list(read(scan([path]).files[0]))


def test_windows_line_ends_and_a_byte_order_mark_do_not_show(tmp_path):
    """A note written on Windows gives the same turns."""
    path = tmp_path / "a.md"
    path.write_bytes(b"\xef\xbb\xbf# Top\r\n\r\nOne.\r\n")
    (turn,) = read(scan([path]).files[0])
    assert turn.text == "a > Top\n\nOne."


@given(st.text(st.sampled_from("ab .\n#!。\t-"), max_size=400), st.integers(1, 40))
def test_pieces_cover_the_text_once(text, limit):
    """Every character that is not white space is in exactly one piece, and none is too long."""
    spans = list(pieces(text, 0, len(text), limit=limit))
    assert "".join("".join(text[a:b].split()) for a, b in spans) == "".join(text.split())
    assert all(0 < b - a <= limit and text[a:b] == text[a:b].strip() for a, b in spans)
    assert spans == sorted(spans)


def test_a_long_paragraph_is_cut_after_a_sentence():
    """Pieces of a long paragraph end where a sentence does."""
    text = "One two three. " * 200
    spans = list(pieces(text, 0, len(text)))
    assert all(text[a:b].endswith("three.") and b - a > PIECE_CHARS // 2 for a, b in spans[:-1])


@given(st.text(st.sampled_from("ab\n#=-`~ "), max_size=300))
def test_sections_cover_the_text(text):
    """The sections follow each other without a gap, whatever the text."""
    found = list(sections(text))
    assert found[0].heading_start == 0
    assert found[-1].end == len(text)
    assert all(a.end == b.heading_start for a, b in itertools.pairwise(found))


def test_a_part_of_a_long_line_has_its_own_tags(tmp_path):
    """A tag belongs to the part that it stands in, and not to each in which its word occurs."""
    path = tmp_path / "n.md"
    path.write_text("#bee " + "the bee sleeps " * 150 + "#last")
    (file,) = scan([path]).files
    tags = [turn.metadata.get("tags") for turn in read(file)]
    assert len(tags) > 2 and tags == [["bee"], *[None] * (len(tags) - 2), ["last"]]


def test_brackets_without_end_are_not_given_to_yaml(monkeypatch):
    """A property of thousands of brackets costs itself, and no minute of PyYAML's."""
    loaded = []
    real = yaml.load
    monkeypatch.setattr(
        yaml, "load", lambda text, **more: (loaded.append(text), real(text, **more))[1]
    )
    found = parse_front_matter(f"---\ntitle: T\nodd: {'[{' * 200}\n---\nbody\n")
    assert found.values == {"title": "T", "odd": "[{" * 200}
    assert loaded == ["title: T\n"]
