"""Identifiers are found however their groups are written; ordinary texts are indexed as ever."""

import random
import sqlite3
from contextlib import closing

import pytest

from lmort_memory.store import Filter, SQLiteStore
from lmort_memory.store.words import identifiers
from lmort_memory.store.words.tokenizer import MAX_TERMS, fold, indexed, query_terms
from lmort_memory.types import Turn

WRITTEN = [
    ("020 7946 0958", "02079460958"),
    ("(0131) 496 0812", "01314960812"),
    ("(0131)496-0812", "01314960812"),
    ("+44 (0)20 7946 0958", "4402079460958"),
    ("020\N{NO-BREAK SPACE}7946\N{NO-BREAK SPACE}0958", "02079460958"),
    ("DE89 3704 0044 0532 0130 00", "DE89370400440532013000"),
    ("IBAN GB29 NWBK 6016 1331 9268 19", "GB29NWBK60161331926819"),
    ("QQ 12 34 56 C", "qq123456c"),
    ("90-31-7", "90317"),
    ("A4:5E:60:C2:11:9B", "A45E60C2119B"),
    ("2 4041 00 77 318", "24041 0077318"),
    ("D/448/2201", "D4482201"),
    ("INVOICE-2024-0071", "invoice20240071"),
    ("978-3-16-148410-0", "9783161484100"),
    ("550e8400-e29b-41d4-a716-446655440000", "550e8400e29b41d4a716446655440000"),
    ("OPS-1187", "ops1187"),
    ("HP 305XL", "305 XL"),
    ("HP 305 XL", "305xl"),
    ("2026-11-26", "20261126"),
    ("電話020 7946 0958です", "02079460958"),
]
PROSE = [
    "In 2024 12 people came, and 2025 300.",
    "From 2019-2024, and in 2023/24, it cost 12.50 or 1234.56 for 20 pieces.",
    "Open 10:30-12:45, 9:15:30 and at 7:05 PM on 12 May.",
    "The state-of-the-art plan for 3 cats, 24/7, on pages 12-14 of GPT-4's COVID-19 report.",
    "see docs/2024/notes.md and store/words/search.py",
    "We had 12 eggs, 24 rolls and 6 of the 7 jars.",
    "Wir kamen 1998 mit 3 Kindern in die USA.",
]


def _best(store, query):
    [best, *_] = store.lexical(query, Filter(), limit=5)
    return store.get([best.id])[best.id].text


@pytest.mark.parametrize(("grouped", "joined"), WRITTEN)
@pytest.mark.parametrize("turned", [False, True])
def test_either_way_of_writing_finds_the_other(tmp_path, grouped, joined, turned):
    """Groups are found in one piece, and one piece by groups, alone and inside a question."""
    stored, asked = (joined, grouped) if turned else (grouped, joined)
    right = f"It was {stored} as I said."
    with SQLiteStore(tmp_path / "memory.db") as store:
        store.add([Turn(f"It is {n} {n + 7} of XL and C") for n in range(700, 740)])
        store.add([Turn(right)])
        assert _best(store, asked) == right
        assert _best(store, f"is {asked} or not?") == right
        assert _best(store, asked.lower()) == right


@pytest.mark.parametrize("text", PROSE)
def test_ordinary_texts_are_indexed_as_they_are(text):
    """Years, times, amounts, pages, paths and counts beside each other are no identifiers."""
    assert indexed(text) == fold(text)


def test_a_sentence_in_capitals_joins_no_more_than_its_numbers():
    """Words in capitals beside a number hide neither of two numbers."""
    words = indexed("CALL 020 7946 0958 OR 0131 496 0812 NOW").split()
    assert {"02079460958", "01314960812"} <= {*words}


def test_of_two_numbers_in_a_question_each_is_asked():
    """Short words between two numbers do not make one of them."""
    terms = query_terms("is it 020 7946 0958 or 0131 496 0812, oder 555 0199?")
    assert {'"02079460958"', '"01314960812"', '"5550199"'} <= {*terms}


PASTES = {
    "digits": "7" * 200_000,
    "letters": "A" * 200_000,
    "both": "a1" * 100_000,
    "groups": "12 " * 70_000,
    "capitals": "AB 12 " * 30_000,
    "short words": "ab 1 " * 40_000,
    "signs": "1-" * 100_000,
    "brackets": "(1)" * 70_000,
    "nothing between": "1" + ") (" * 70_000,
    "colons": "1" + ":" * 200_000,
    "table": "\n".join(f"{n}.5,{n * 7919 % 9973},2024-05-{n % 28 + 1:02d}" for n in range(9_000)),
    "columns": "\n".join(f"{n} {n * 31} {n * 7919} {n * 17}" for n in range(9_000)),
    "numbers": "\n".join(f"020 7946 {n:04d}" for n in range(9_000)),
}


@pytest.mark.parametrize("paste", PASTES.values(), ids=PASTES)
def test_a_long_paste_costs_its_length_and_adds_little(paste):
    """However long a paste of numbers is, a bounded number of short words is added."""
    added = indexed(paste)[len(fold(paste)) :].split()
    assert len(added) <= identifiers.MOST_STORED
    assert all(len(word) <= identifiers.LONGEST for word in added)
    assert len(query_terms(paste)) <= MAX_TERMS


def test_any_text_is_indexed_and_asked_for():
    """No mixture of digits, letters and signs is refused, and the words themselves come first."""
    draw = random.Random(5)
    for _ in range(3_000):
        text = "".join(draw.choice("019aZ ²٣é東-./:_()\n") for _ in range(draw.randrange(60)))
        assert indexed(text).startswith(fold(text))
        assert len(query_terms(text)) <= MAX_TERMS


def _as_before(path):
    """Index the words of every record as versions did that joined nothing."""
    with closing(sqlite3.connect(path)) as database, database:
        for n, text in database.execute("SELECT n, text FROM records").fetchall():
            database.execute("UPDATE words SET body = ? WHERE rowid = ?", (fold(text), n))


def test_records_of_an_earlier_version_are_sound_and_brought_up_to_date(tmp_path):
    """Such a database verifies, changes and forgets exactly; `compact` indexes what it lacks."""
    path = tmp_path / "memory.db"
    texts = ["Sue: 020 7946 0958", "Tom: 0131 496 0812", "Ada: 0117 496 0101"]
    with SQLiteStore(path) as store:
        sue, tom, _ = (one.record for one in store.add([Turn(text) for text in texts]))
    _as_before(path)
    with SQLiteStore(path) as store:
        assert store.verify().ok
        assert store.lexical("02079460958", Filter(), limit=5) == []
        store.update(tom.id, Turn("Tom: 0141 496 0999"))
        assert store.lexical("0131", Filter(), limit=5) == []
        assert store.forget(Filter(ids=(sue.id,))).verified
        assert store.lexical("7946", Filter(), limit=5) == []
        assert store.verify().ok
        store.compact()
        assert _best(store, "01174960101") == texts[2]
        assert _best(store, "01414960999") == "Tom: 0141 496 0999"
        assert store.verify().ok


def test_a_damaged_record_does_not_keep_the_others_from_being_indexed(tmp_path):
    """A row that cannot be read is left alone, and the rest is brought up to date."""
    path = tmp_path / "memory.db"
    with SQLiteStore(path) as store:
        store.add([Turn("Sue: 020 7946 0958"), Turn("Tom: 0131 496 0812")])
    _as_before(path)
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("UPDATE records SET text = x'00' WHERE n = 1")
    with SQLiteStore(path) as store:
        store.compact()
        assert _best(store, "01314960812") == "Tom: 0131 496 0812"


def test_the_joined_form_is_forgotten_too(tmp_path):
    """After forget no file holds an identifier, neither in groups nor in one piece."""

    def held():
        data = [file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()]
        return [one for one in needles if any(one in some for some in data)]

    needles = [b"020 7946 0958", b"02079460958", b"D/448/2201", b"d4482201"]
    with SQLiteStore(tmp_path / "memory.db") as store:
        store.add([Turn(f"an ordinary turn number {n} about weather") for n in range(200)])
        text = "Sue has 020 7946 0958 and files under D/448/2201"
        [one] = store.add([Turn(text)])
        store.add([Turn(f"a later turn number {n} about harvest") for n in range(200)])
        assert needles[1] in held()
        assert store.forget(Filter(ids=(one.record.id,))).verified
        assert held() == []
        assert store.lexical("02079460958", Filter(), limit=5) == []
    assert held() == []
