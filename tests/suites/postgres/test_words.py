# ruff: noqa: RUF001 - other scripts are the point
"""Words are found and scored as in the SQLite store."""

import numpy as np
import pytest

from lmort_memory.store import Filter, SQLiteStore
from lmort_memory.store.postgres import words
from lmort_memory.store.postgres.stems import index_of
from lmort_memory.store.values import Around
from lmort_memory.store.words.tokenizer import fold
from lmort_memory.types import Source, Turn
from tests.unit.store.test_lexical import TEXTS

TURNS = [
    *(Turn(text, session=name) for name, text in TEXTS.items()),
    Turn("2024-05-01\n\nCut the hay."),
    Turn("2024-01-05\n\nOiled the saw."),
    Turn("store/words/search.py ranks rows, and put_vectors is called by add"),
    Turn("bees bees bees, and the running of the runners' ponies"),
    Turn("it's a very long text about nothing " * 40 + "bees"),
    Turn("Sue has 020 7946 0958, QQ 12 34 56 C and D/448/2201; the printer takes HP 305XL"),
    Turn("A note", role="note", metadata={"aliases": ["Beekeeping", "Imkerei"], "title": "Hives"}),
]
QUERIES = [
    "gewicht", "CAFE", "naive", "Где живёт сестра?", "μελισσες", "मधुमक्खियाँ", "النحل", "東京",
    "誰在東京養蜜蜂？", "トロンハイム", "트론헤임", "เชียงใหม่", "Who keeps a bee?",
    "What did I do on 2024-05-01?", "what does store/words/search.py do", "run pony",
    "bees sister Trondheim nothing", "imkerei", "'; DROP TABLE records; --", "NOT bees", "it's",
    "02079460958", "qq123456c", "D4482201", "305 XL", "is it 0207946 0958",
]  # fmt: skip


@pytest.fixture
def both(postgres, tmp_path):
    """The same turns in both stores."""
    with SQLiteStore(tmp_path / "memory.db") as file:
        server = postgres.open()
        file.add(TURNS)
        server.restore(list(file.dump(Filter())))
        yield file, server


def test_scores_are_those_of_fts5(both):
    """Rank by rank, both stores return the same records with the same BM25 scores.

    They count words slightly differently: FTS5 takes a lone vowel sign of Thai for a word.
    """
    file, server = both
    for query in QUERIES:
        expected = file.lexical(query, Filter(), limit=20)
        found = server.lexical(query, Filter(), limit=20)
        assert [m.id for m in found] == [m.id for m in expected], query
        scores = [m.score for m in expected]
        assert np.allclose([m.score for m in found], scores, rtol=0.02), query


def test_records_of_an_earlier_version_are_brought_up_to_date(postgres):
    """Words that an earlier version did not index are there after `compact`."""
    schema = postgres.fresh_schema()
    server = postgres.open(schema=schema)
    [one] = server.add([Turn("Sue has 020 7946 0958")])
    old = index_of(fold(one.record.text))
    sql = "UPDATE words SET body = %s::tsvector, stems = %s RETURNING n"
    postgres.run(sql, [old.body, old.stems], schema=schema)
    assert server.lexical("02079460958", Filter(), limit=5) == []
    server.compact()
    assert [m.id for m in server.lexical("02079460958", Filter(), limit=5)] == [one.record.id]
    assert server.verify().ok
    assert server.forget(Filter(ids=(one.record.id,))).records == 1
    assert postgres.run("SELECT count(*) FROM words", schema=schema) == [(0,)]


@pytest.mark.parametrize("query", ["姐", "蜂", "養"])
def test_a_lone_character_finds_its_words(both, query):
    """One character of a script without spaces finds the same records in both."""
    file, server = both
    expected = {m.id for m in file.lexical(query, Filter(), limit=20)}
    assert {m.id for m in server.lexical(query, Filter(), limit=20)} == expected


@pytest.mark.parametrize(
    "query", ['"', "'", "\\", "a' | 'b", ":*", "<->", "!", "&", "(", "\0", "", "🐝", "\u0301", "%s"]
)
def test_any_text_is_a_query(both, query):
    """No text breaks a search, whatever it means to PostgreSQL."""
    both[1].lexical(query, Filter(), limit=3)


def test_crowded_stores_rank_the_rarest_words(postgres, monkeypatch):
    """Beside a word that every record holds, a rare one finds all of its own, first."""
    monkeypatch.setattr(words, "ROWS", 40)
    monkeypatch.setattr(words, "SAMPLE", 50)
    store = postgres.open()
    texts = [f"weather report {i}" + " bees" * (i in (3, 50, 90)) for i in range(100)]
    store.add([Turn(text, scope="few" if i % 25 == 7 else "many") for i, text in enumerate(texts)])

    def found(query, **chosen):
        matches = store.lexical(query, Filter(**chosen), limit=20)
        return [record.text for record in store.get(m.id for m in matches).values()]

    assert found("weather bees")[:3] == [f"weather report {i} bees" for i in (3, 50, 90)]
    few = [f"weather report {i}" for i in (7, 32, 57, 82)]
    assert sorted(found("weather", scope="few")) == sorted(few)


def test_a_megabyte_of_text_is_stored(postgres):
    """A text beyond a tsvector's limit is stored, and found by its first words."""
    store = postgres.open()
    text = " ".join(f"word{i}x" for i in range(150_000))
    record = store.add([Turn(text)])[0].record
    assert store.get([record.id])[record.id].text == text
    assert store.lexical("word7x", Filter(), limit=1)[0].id == record.id
    assert store.add([Turn("x" * 5_000)])[0].new


def test_quotes_and_links_are_found(both):
    """Records that quote others, and notes that link to a note, are found as in SQLite."""
    _, server = both
    long = "The queen of the third hive left with half of her people on Tuesday morning."
    quoted = server.add([Turn(long)])[0].record
    quoting = server.add([Turn(f'You told me: "{long}" I remember.')])[0].record
    assert server.quoting(Filter(ids=(quoted.id,))) == [quoting.id]
    edited = server.add([Turn(f"She said: {long}")])[0].record
    server.update(edited.id, Turn("She said something."))
    answer = server.add([Turn("Thanks.", metadata={"reply_to": {"quote": f'"{long}"'}})])[0].record
    found = server.quoting(Filter(ids=(quoted.id,)))
    assert set(found) == {quoting.id, edited.id, answer.id}
    note = server.add([Turn("Hives", role="note", source=Source("file:///v/Hives.md"))])[0].record
    link = Turn(
        "See Hives", role="note", source=Source("file:///v/b.md"), metadata={"links": ["Hives"]}
    )
    linked = server.add([link])[0].record
    assert server.around(note.id, 3) == Around(linking=(linked,))
