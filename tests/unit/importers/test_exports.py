"""Exports of other programs: Notion, Evernote, tables, mem0, MCP's memory; the table of formats."""

from collections import Counter
from datetime import UTC, datetime

import pytest

from lmort_memory.errors import ImportFileError, LmortError
from lmort_memory.importers import FORMATS, known_formats, read, scan
from lmort_memory.importers.formats.csv_table import Columns, csv_format
from tests.support.imports import read_all, write_json, write_lines, write_zip

PAGE_ID = "0123456789abcdef0123456789abcdef"
TABLE_ID = "fedcba9876543210fedcba9876543210"


def texts(turns):
    """Return the texts of turns."""
    return [turn.text for turn in turns]


NOTION = {
    f"Bees {PAGE_ID}.md": "# Bees\n\nCreated: May 1, 2024 9:30 AM\nTags: garden, hives\n\n"
    "See [the table](Bees%20x/Table.csv) and [a page](https://example.org).\n\n"
    "![](Bees/photo.png)\n\n## Winter\n\nFeed them.\n",
    f"Bees/Tasks {TABLE_ID}.csv": "\ufeffName,Status\nFeed,Done\n",
    f"Bees/Tasks {TABLE_ID}_all.csv": "\ufeffName,Status\nFeed,Done\nA page: of its own,Open\n,\n",
    f"Bees/Tasks {TABLE_ID}/A page of its own {PAGE_ID[::-1]}.md": "# A page: of its own\n\n"
    "Status: Open\n\nCall Bo.\n",
    "Bees/photo.png": b"\x89PNG",
}


@pytest.mark.parametrize("nested", [False, True])
def test_notion_pages_properties_and_tables(tmp_path, nested):
    """Pages are sources under their ids; rows that are pages are not said twice."""
    path = write_zip(tmp_path / "export.zip", NOTION)
    if nested:
        inner = path.read_bytes()
        path = write_zip(
            tmp_path / "outer.zip", {f"Export-{PAGE_ID[:8]}-Part-1.zip": inner, "index.txt": "x"}
        )
    turns, left_out = read_all(path)
    assert texts(turns) == [
        "Bees\n\nCreated: May 1, 2024 9:30 AM\nTags: garden, hives\n\n"
        "See the table and [a page](https://example.org).",
        "Bees > Winter\n\nFeed them.",
        "A page: of its own\n\nStatus: Open\n\nCall Bo.",
        "Tasks\n\nName: Feed\nStatus: Done",
    ]
    assert turns[0].source.uri == f"notion:{PAGE_ID}"
    assert turns[0].metadata["properties"]["Tags"] == "garden, hives"
    assert turns[0].created_at.astimezone().strftime("%Y-%m-%d %H:%M") == "2024-05-01 09:30"
    assert turns[2].metadata["parents"] == ["Tasks"]
    assert left_out["row of a table that is a page too"] == 1
    assert left_out["picture"] == left_out["row without text"] == 1
    assert left_out["file in the zip (.png)"] == 1


ENEX = """<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE en-export SYSTEM "http://xml.evernote.com/pub/evernote-export4.dtd">
<en-export application="Evernote"><note><title>Hives</title><created>20240501T073000Z</created>
<tag>bees</tag><note-attributes><source-url>https://example.org</source-url></note-attributes>
<task><title>Feed</title><taskStatus>open</taskStatus></task>
<content><![CDATA[<?xml version="1.0"?><!DOCTYPE en-note SYSTEM "enml2.dtd">
<en-note><div>Four&nbsp;hives.</div><div><en-todo checked="true"/>paint</div>
<div style="--en-task-group:true; color:#868686"><div>Content not supported</div>
<div>This block is a placeholder for Tasks.</div></div>
<en-crypt>abc</en-crypt><en-media hash="x" type="image/png"/></en-note>]]></content>
<resource><data encoding="base64">AAAA</data></resource></note>
<note><title>Empty</title><content><![CDATA[<en-note></en-note>]]></content></note></en-export>
"""


def test_evernote_notes_with_tasks_and_tags(tmp_path):
    """A note has its own source, date and tags; what has no text is counted.

    Evernote's notice to versions that know no tasks is not of the note's author.
    """
    path = tmp_path / "Garden.enex"
    path.write_text(ENEX)
    turns, left_out = read_all(path)
    assert texts(turns) == ["Hives\n\nFour hives.\n\n[x] paint\n\n- [ ] Feed"]
    assert turns[0].created_at == datetime(2024, 5, 1, 7, 30, tzinfo=UTC)
    assert turns[0].source.uri == "evernote:Garden/20240501T073000Z/Hives"
    assert turns[0].metadata == {
        "format": "evernote",
        "notebook": "Garden",
        "tags": ["bees"],
        "source_url": "https://example.org",
        "title": "Hives",
    }
    assert left_out == {"encrypted passage": 1, "attachment": 1, "note without text": 1}


def test_a_cut_off_evernote_export_gives_what_it_has(tmp_path):
    """The notes before the damage are read, and the damage is an error."""
    path = tmp_path / "cut.enex"
    path.write_text(ENEX[: ENEX.index("<note><title>Empty")])
    [file] = scan([path]).files
    turns = read(file)
    assert next(turns).text.startswith("Hives")
    with pytest.raises(ImportFileError, match="damaged"):
        next(turns)


def test_tables_are_read_by_the_columns_that_somebody_names(tmp_path):
    """Named columns become text, fields and metadata, whatever sign stands between them."""
    path = tmp_path / "log.csv"
    path.write_text(
        'When;Title;Body;Who\n2024-05-01T09:00:00Z;Hives;"Four; of\nthem";Ada\n;;;\n',
        encoding="utf-8-sig",
    )
    chosen = ["text=Body", "created_at=When", "title=Title", "role=Who", "where=Title"]
    form = csv_format(Columns.parse(chosen))
    [file] = scan([path], formats=(form,)).files
    left_out = Counter()
    [turn] = read(file, left_out)
    assert turn.text == "Hives\n\nFour; of\nthem"
    assert (turn.role, turn.created_at) == ("Ada", datetime(2024, 5, 1, 9, tzinfo=UTC))
    assert turn.metadata == {"format": "csv", "title": "Hives", "where": "Hives"}
    assert left_out == {"row without text": 1}


def test_rows_behind_a_quote_without_an_end_are_counted(tmp_path):
    """They are in the text of the row that it begins in; cells of several lines are nothing odd."""
    path = tmp_path / "log.csv"
    form = csv_format(Columns.parse(["text=Body"]))
    for body, lost in (
        ('"Two\nlines",x\n', 0),
        ('5" pipe,x\nb,"y"\n', 0),
        ('"Open,x\nb,y\nc,z\n', 2),
    ):
        path.write_text(f"Body,More\n{body}")
        [file] = scan([path], formats=(form,)).files
        left_out = Counter()
        turns = list(read(file, left_out))
        assert left_out == Counter({"row after a quote that is never closed": lost})
    assert [turn.text for turn in turns] == ["Open,x\nb,y\nc,z"]


def _dates_of_table(path, *cells):
    """Return when the rows of a table with these dates were written, and what was left out."""
    rows = "".join(f'"{cell}",row {n}\n' for n, cell in enumerate(cells))
    path.write_text(f"When , Body\n{rows}", encoding="utf-8")
    form = csv_format(Columns.parse(["text=Body", "created_at=When"]))
    [file] = scan([path], formats=(form,)).files
    left_out = Counter()
    times = [turn.created_at for turn in read(file, left_out)]
    return [time and f"{time.astimezone():%Y-%m-%d %H:%M}" for time in times], +left_out


def test_dates_of_tables_are_read_as_spreadsheets_write_them(tmp_path):
    """One number over 12 in a file says whether its days or its months come first."""
    path = tmp_path / "log.csv"
    days, _ = _dates_of_table(path, "03/05/2024 21:05", "31/12/23 9:05 pm", "31.12.2023 21.05")
    assert days == ["2024-05-03 21:05", "2023-12-31 21:05", "2023-12-31 21:05"]
    months, _ = _dates_of_table(path, "03/05/2024 21:05", "12/31/99 09:05", "1.2.2024 10:00")
    assert months == ["2024-03-05 21:05", "1999-12-31 09:05", "2024-02-01 10:00"]
    american, _ = _dates_of_table(path, "3/4/24 12:05 AM", "3/5/24 12:05 PM")
    assert american == ["2024-03-04 00:05", "2024-03-05 12:05"]
    doubtful, _ = _dates_of_table(path, "3/4/2024 10:00")
    assert doubtful == ["2024-04-03 10:00"]


def test_a_date_of_a_table_that_cannot_be_read_is_counted(tmp_path):
    """Such a row would be dated by the import without a word; one without a date may be."""
    times, left_out = _dates_of_table(
        tmp_path / "log.csv", "31/02/2024", "13:05 PM", "3/4/2024 13:05 pm", "45291.5", ""
    )
    assert times == [None] * 5
    assert left_out == {"date that cannot be read": 4}


def test_a_table_without_named_columns_says_what_it_needs(tmp_path):
    """A table is never guessed at: it says which option it needs, or which columns it has."""
    path = tmp_path / "log.csv"
    path.write_text("a,b\n1,2\n")
    with pytest.raises(ImportFileError, match="--column text=NAME"):
        scan([path])
    form = csv_format(Columns.parse(["text=c"]))
    with pytest.raises(ImportFileError, match="no column 'c'; it has a, b"):
        scan([path], formats=(form,))
    with pytest.raises(ValueError, match="text=COLUMN"):
        Columns.parse(["title=a"])


def test_mem0_dumps_of_each_kind(tmp_path):
    """What get_all returns, that list alone, and OpenMemory's export are the same memories."""
    memory = {"id": "m1", "memory": "Ada keeps bees", "user_id": "ada", "hash": "x"}
    memory |= {"created_at": "2024-05-01T09:00:00Z", "metadata": {"topic": "bees"}}
    opened = {"id": "m2", "content": "Bo sails", "state": "active", "created_at": 1714554000}
    deleted = {"id": "m3", "content": "gone", "state": "deleted", "created_at": 1714554000}
    for value in ({"results": [memory]}, [memory]):
        [turn], _ = read_all(write_json(tmp_path / "dump.json", value))
        assert (turn.text, turn.source.uri) == ("Ada keeps bees", "mem0:m1")
        assert turn.metadata == {"format": "mem0", "topic": "bees", "user_id": "ada"}
        assert turn.created_at == datetime(2024, 5, 1, 9, tzinfo=UTC)
    value = {"user": {"id": "u"}, "memories": [opened, deleted]}
    turns, left_out = read_all(write_json(tmp_path / "dump.json", value))
    assert texts(turns) == ["Bo sails"]
    assert left_out == {"deleted memory": 1}


def test_the_graph_of_mcps_memory_server(tmp_path):
    """Each observation is a note under its entity, each relation a sentence."""
    entity = {"name": "Ada_Moen", "entityType": "person", "observations": ["keeps bees", "sails"]}
    bare = {"name": "Hive", "entityType": "company", "observations": []}
    relation = {"from": "Ada_Moen", "to": "Hive", "relationType": "works_at"}
    expected = ["Ada Moen: keeps bees", "Ada Moen: sails", "Hive is a company"]
    expected.append("Ada Moen works at Hive")
    lines = [{"type": "entity", **entity}, {"type": "entity", **bare}]
    lines.append({"type": "relation", **relation})
    assert texts(read_all(write_lines(tmp_path / "memory.jsonl", *lines))[0]) == expected
    graph = {"entities": [entity, bare], "relations": [relation]}
    assert texts(read_all(write_json(tmp_path / "graph.json", graph))[0]) == expected


def test_the_table_of_formats_is_whole():
    """Every format has a name of its own and one line that says what it is."""
    assert known_formats() == FORMATS
    assert len({form.name for form in FORMATS}) == len(FORMATS)
    assert all(form.about and "\n" not in form.about and len(form.about) < 80 for form in FORMATS)


def test_a_package_registers_its_own_format(tmp_path, monkeypatch):
    """An entry point adds a format; one that cannot be loaded says whose it is."""
    find = known_formats.__wrapped__  # not the cached answer
    info = tmp_path / "roam-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: roam\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[lmort_memory.importers]\nroam = roam_format:FORMAT\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(LmortError, match=r"importer 'roam' \(roam_format:FORMAT\)"):
        find()
    (tmp_path / "roam_format.py").write_text(
        "from lmort_memory.importers import Format\n"
        "FORMAT = Format('roam', ('.roam',), lambda path: True, lambda path, left_out: iter(()))\n"
    )
    assert [form.name for form in find()][-1] == "roam"


def test_no_two_formats_claim_a_file_of_a_third(tmp_path):
    """JSON and zips of no known program are claimed by nobody."""
    write_json(tmp_path / "a.json", {"messages": [{"id": 1, "type": "x", "content": "hi"}]})
    write_json(tmp_path / "b.json", [{"id": 1, "content": "hi", "role": "user"}])
    write_lines(tmp_path / "c.jsonl", {"type": "message", "text": "hi"})
    write_zip(tmp_path / "d.zip", {"notes/a.md": "# A", "data.json": "[]", "readme.txt": "x"})
    report = scan([tmp_path])
    assert report.files == ()
    assert {item.kind for item in report.passed_over} == {"unknown"}
