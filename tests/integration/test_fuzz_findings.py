"""What fuzzing by coverage has found, each as the smallest input: see docs/fuzzing.md."""

import gzip
import json
import sqlite3
from contextlib import closing, suppress

import numpy as np
import pytest

from lmort_memory import Encoded, Memory, StoreError, Turn
from lmort_memory.chat.ledger import from_entry, repeats_of
from lmort_memory.errors import ImportFileError
from lmort_memory.importers import read, scan
from lmort_memory.importers.format import LeftOut
from lmort_memory.importers.html import parse_html
from lmort_memory.importers.quotations import own_words
from lmort_memory.importers.times import from_words
from lmort_memory.packing import pack
from lmort_memory.store import Filter, SQLiteStore
from lmort_memory.store.values import LedgerEntry
from lmort_memory.store.vectors import refresh
from lmort_memory.store.words.tokenizer import MAX_TERMS, query_terms
from lmort_memory.testing import HashEncoder
from tests.support.cli import Cli


def test_a_damaged_gzip_is_a_problem_of_that_file(tmp_path):
    """Compressed data that ends in noise is reported like any other damage."""
    session = {"type": "session_meta", "timestamp": "2026-08-21T10:00:00Z", "payload": {"id": "1"}}
    data = bytearray(gzip.compress((json.dumps(session) + "\n").encode() * 2000))
    data[len(data) // 2 :] = b"\xff" * (len(data) - len(data) // 2)
    path = tmp_path / "rollout-1.jsonl.gz"
    path.write_bytes(data)
    with pytest.raises(ImportFileError, match=r"cannot be (read|imported)|is cut off"):
        for file in scan([path]).files:
            list(read(file, LeftOut()))


@pytest.mark.parametrize("markup", ["<![OCTYPE html]>", "<![foo[bar]]>", "<![if !mso]>"])
def test_an_unknown_section_of_html_is_a_comment(markup):
    """The text around it is read, as a browser shows it."""
    (block,) = parse_html(f"<p>Ada {markup} keeps bees").blocks
    assert block.text.startswith("Ada") and block.text.endswith("keeps bees")


def test_a_time_without_a_zone_costs_its_line(tmp_path, monkeypatch, capsys):
    """An export with one such line is restored but for that line, which is named."""
    cli = Cli(monkeypatch, capsys)
    with Memory(None, SQLiteStore(tmp_path / "a.db")) as memory:
        memory.add(["Ada keeps bees.", "Bob sails."])
        memory.export(tmp_path / "e.jsonl")
    lines = (tmp_path / "e.jsonl").read_text().splitlines()
    lines[0] = lines[0].replace("+00:00", "")
    (tmp_path / "e.jsonl").write_text("\n".join(lines))
    done = cli("import", tmp_path / "e.jsonl", "--no-vectors", "--db", tmp_path / "b.db")
    assert done.status == 3 and "line 1: a time needs a zone" in done.err
    with Memory(None, SQLiteStore(tmp_path / "b.db")) as memory:
        assert [record.text for record in memory.records()] == ["Bob sails."]


def test_a_garbled_name_in_the_schema_is_damage(tmp_path):
    """SQLite quotes the schema in its message; bytes that are not text are no other error."""
    path = tmp_path / "m.db"
    with Memory(None, SQLiteStore(path)) as memory:
        memory.add("Ada keeps bees.")
    with closing(sqlite3.connect(path)) as connection:
        connection.text_factory = bytes
        connection.execute("PRAGMA writable_schema = ON")
        garbled = "UPDATE sqlite_master SET sql = CAST(x'43524541a1ff' AS TEXT) WHERE name = ?"
        connection.execute(garbled, ("records",))
        connection.commit()
    with pytest.raises(StoreError, match="damaged"):
        SQLiteStore(path)


@pytest.mark.parametrize("payload", [{}, {"memories": 3}, {"memories": [], "repeats": None}])
def test_a_damaged_ledger_is_an_error_of_ours(payload, tmp_path):
    """It says which turn it is of, and a chat of the session opens without it."""
    entry = LedgerEntry("turn-1", "s", ("a",), payload)
    with pytest.raises(StoreError, match="the ledger of the turn turn-1 cannot be read"):
        from_entry(entry, {})
    assert repeats_of(entry) == ()
    path = tmp_path / "m.db"
    with Memory(None, SQLiteStore(path)) as memory:
        memory.add(Turn(text="hello", session="s"))
        memory.store.add_ledger(entry)
        assert len(memory.store.ledgers(session="s", limit=5)) == 1


@pytest.mark.parametrize("text", ["6" * 104 + "Y", "What did I do 99999999999999999999 years ago?"])
def test_a_time_beyond_all_calendars_is_no_time(tmp_path, text):
    """A question with a number of years that no calendar has is answered like any other."""
    with Memory(None, SQLiteStore(tmp_path / "m.db")) as memory:
        memory.add("I did the years ago thing.")
        assert isinstance(memory.recall(text, mode="lexical"), list)


def test_a_number_too_large_for_a_stored_vector_costs_its_line(tmp_path, monkeypatch, capsys):
    """Vectors are stored as float16, in which 1e6 is infinity; the other lines are restored."""
    cli, encoder = Cli(monkeypatch, capsys), HashEncoder(8)
    with Memory(encoder, SQLiteStore(tmp_path / "a.db")) as memory:
        memory.add(["Ada keeps bees.", "Bob sails."])
        memory.export(tmp_path / "e.jsonl", vectors=True)
    first, *others = (tmp_path / "e.jsonl").read_text().splitlines()
    huge = Encoded(np.full((1, 8), 1e6, np.float32), ((0, 1),))
    value = json.loads(first) | {"vectors": {encoder.space: pack(huge, floats="<f4")}}
    (tmp_path / "e.jsonl").write_text("\n".join([json.dumps(value), *others]))
    done = cli("import", tmp_path / "e.jsonl", "--no-vectors", "--db", tmp_path / "b.db")
    assert done.status == 3 and "line 1: vectors must be finite" in done.err
    with SQLiteStore(tmp_path / "b.db") as store:
        assert [record.text for record in store.records(Filter())] == ["Bob sails."]
        assert store.verify().ok


@pytest.mark.parametrize("text", ["7" * 200_000, "a1" * 100_000, "12 " * 70_000, "x" * 200_000])
def test_a_paste_of_one_long_word_is_searched(text):
    """Finding what stands together in a question takes time in proportion to its length."""
    assert len(query_terms(text)) <= MAX_TERMS


def test_what_is_too_long_is_no_time():
    """However many spaces stand before its zone."""
    assert from_words(f"2024-05-01 10:00{' ' * 40_000}x") is None


@pytest.mark.parametrize("text", ["#" * 60_000, " " * 60_000, "# Files\n" * 8_000])
def test_a_long_request_to_codex_is_read(tmp_path, text):
    """What the program writes above a request is looked for at its beginning alone."""
    said = {"type": "user_message", "message": f"Ada keeps bees.\n{text}"}
    lines = [
        {"type": "session_meta", "timestamp": "2026-08-21T10:00:00Z", "payload": {"id": "1"}},
        {"type": "event_msg", "timestamp": "2026-08-21T10:00:01Z", "payload": said},
    ]
    path = tmp_path / "rollout-1.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    (turn, *_) = [turn for file in scan([path]).files for turn in read(file, LeftOut())]
    assert turn.text.startswith("Ada keeps bees.")


@pytest.mark.parametrize(
    "text",
    [
        "--\n" + "Bees. " * 50_000,
        " " * 60_000,
        "\n" * 60_000,
        "-" * 60_000,
        "> When?\n\nAt nine.\n\n" * 20_000,  # took 746 s
    ],
)
def test_a_long_letter_is_read(text):
    """So does looking for signatures, quotations and quoted heads in a letter."""
    assert own_words(f"Ada keeps bees.\n\n{text}", LeftOut()).startswith("Ada keeps bees.")


ODD = {
    "the width of a space": "UPDATE spaces SET dim = 'x'",
    "the deletions of a space": "UPDATE spaces SET deleted = 'x'",
    "an id": "UPDATE records SET id = x'ff' WHERE n = 2",
    "an origin": "UPDATE records SET origin = 'x' WHERE n = 2",
    "a time": "UPDATE records SET created_at = 'x' WHERE n = 2",
    "codes of tokens": "UPDATE token_codes SET codes = 7",
    "codes cut short": "UPDATE token_codes SET codes = x'ff'",
    "no codes": "UPDATE token_codes SET codes = x''",
    "the width of codes": "UPDATE token_kinds SET width = 'x'",
    "the name of codes": "UPDATE token_kinds SET name = x'ff'",
    "the session of a ledger": "UPDATE ledger SET session = x'ff'",
}


@pytest.mark.parametrize("what", ODD)
def test_a_value_of_another_type_is_found_and_ends_in_an_error_of_ours(tmp_path, what):
    """SQLite keeps any value in any column: each is read around or refused, and verify names it."""
    encoder = HashEncoder(16, tokens=True)
    with Memory(encoder, SQLiteStore(tmp_path / "m.db")) as memory:
        kept, _ = memory.add(["Ada keeps bees.", "The hive is red."], session="s")
        memory.store.add_ledger(LedgerEntry("reply", "s", (kept.id,), {}))
    with closing(sqlite3.connect(tmp_path / "m.db")) as connection, connection:
        connection.execute(ODD[what])
    with Memory(encoder, SQLiteStore(tmp_path / "m.db")) as memory:
        for use in (
            lambda: memory.recall("red bees", top_k=5),
            lambda: memory.store.sessions(Filter(), limit=5),
            lambda: memory.export(tmp_path / "e.jsonl"),
            memory.status,
        ):
            with suppress(StoreError):
                use()
        assert memory.get(kept.id).text == "Ada keeps bees."
        assert [hit.record.text for hit in memory.recall("bees", mode="lexical")][:1] == [kept.text]
        assert memory.store.verify().problems


def test_json_of_another_program_is_exported_as_json(tmp_path):
    """Half an emoji and numbers beyond all numbers, stored as metadata, come back as something."""
    written = r"""{"half \ud83d": "\ud83d", "far": 1e999, "none": NaN, "whole": 7}"""
    with Memory(None, SQLiteStore(tmp_path / "m.db")) as memory:
        memory.add("Ada keeps bees.")
    with closing(sqlite3.connect(tmp_path / "m.db")) as connection, connection:
        connection.execute("UPDATE records SET metadata = ?", (written,))
    with Memory(None, SQLiteStore(tmp_path / "m.db")) as memory:
        memory.export(tmp_path / "e.jsonl")
    with Memory(None, SQLiteStore(tmp_path / "new.db")) as memory:
        memory.restore(tmp_path / "e.jsonl")
        (record,) = memory.records()
    found = {"half \ufffd": "\ufffd", "far": None, "none": None, "whole": 7}
    assert record.metadata == found


def test_a_view_in_the_place_of_a_table_is_damage(tmp_path, monkeypatch, capsys):
    """Whatever the schema holds, verify says what is wrong with it."""
    with Memory(None, SQLiteStore(tmp_path / "m.db")) as memory:
        memory.add("Ada keeps bees.")
    with closing(sqlite3.connect(tmp_path / "m.db")) as connection, connection:
        connection.execute("DROP TABLE sources")
        connection.execute("CREATE VIEW sources AS SELECT 1 AS uri, 2 AS scope")
    done = Cli(monkeypatch, capsys)("verify", "--db", tmp_path / "m.db")
    assert done.status == 1 and "the table sources is missing" in done.out


def test_a_record_that_no_turn_can_be_is_refused_in_a_line(tmp_path, monkeypatch, capsys):
    """Scope "*" was stored by another program: editing the record says why it cannot."""
    path = tmp_path / "m.db"
    with Memory(None, SQLiteStore(path)) as memory:
        id_ = memory.add("Ada keeps bees.").id
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE records SET scope = '*'")
    done = Cli(monkeypatch, capsys)("edit", id_, "--metadata", '{"a": 1}', "--db", path)
    assert done.status == 2 and "means all scopes" in done.err


LIES = {
    "a name of data": "UPDATE caches SET file = x'ff'",
    "a name with an end in it": "UPDATE caches SET file = char(0)",
    "a name elsewhere": "UPDATE caches SET file = '../m.db'",
    "deletions in words": "UPDATE caches SET deleted = 'x'",
    "a negative number": "UPDATE caches SET items = -1, watermark = -1",
}


@pytest.mark.parametrize("what", LIES)
def test_a_row_of_an_index_that_cannot_be_is_no_row(tmp_path, monkeypatch, what):
    """The index is made again, and the nearest record is found."""
    monkeypatch.setattr(refresh, "SAVE_LEAST", 10)
    encoder = HashEncoder(16)
    path = tmp_path / "m.db"
    with Memory(encoder, SQLiteStore(path, graph_from=10)) as memory:
        memory.add([f"word{i}" for i in range(20)])
        memory.store.build_index()
    with closing(sqlite3.connect(path)) as connection, connection:
        assert connection.execute(LIES[what]).rowcount == 2
    with Memory(encoder, SQLiteStore(path, graph_from=10)) as memory:
        memory.store.build_index()
        assert memory.recall("word7", mode="dense", top_k=1)[0].record.text == "word7"
        names = [file.suffix for file in (tmp_path / "m.db.index").iterdir()]
        assert sorted(names) == ["", ".graph", ".matrix"]
