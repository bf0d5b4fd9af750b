# ruff: noqa: RUF001 - other scripts are the point
"""Words: six scripts, FTS5's syntax as plain text, questions of any length."""

import pytest

from lmort_memory.store import Filter, SQLiteStore
from lmort_memory.store.words import search as words
from lmort_memory.store.words.tokenizer import fold, query_terms
from lmort_memory.types import Turn

TEXTS = {
    "latin": "Größe und Gewicht der Bienenkästen: café, naïve, Łódź",
    "cyrillic": "Моя сестра живёт в Тронхейме и держит пчёл",
    "greek": "Η αδελφή μου κρατά μέλισσες στην Αθήνα",
    "devanagari": "मेरी बहन मधुमक्खियाँ पालती है और हिन्दी बोलती है",
    "arabic": "أختي تربي النحل في مدينة تروندهايم",
    "chinese": "我姐姐在東京養蜜蜂",
    "japanese": "姉はトロンハイムで蜜蜂を飼っています",
    "korean": "누나는 트론헤임에서 꿀벌을 키운다",
    "thai": "พี่สาวของฉันเลี้ยงผึ้งที่เชียงใหม่",
    "english": "My sister Ada keeps bees in Trondheim",
}


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """One text in each script."""
    with SQLiteStore(tmp_path_factory.mktemp("words") / "memory.db") as store:
        store.add([Turn(text, session=name) for name, text in TEXTS.items()])
        yield store


def _found(store, query):
    matches = store.lexical(query, Filter(), limit=20)
    records = store.get(match.id for match in matches)
    return [record.session for record in records.values()]


@pytest.mark.parametrize(
    ("query", "script"),
    [
        ("gewicht", "latin"),
        ("CAFE", "latin"),
        ("naive", "latin"),
        ("ｂｉｅｎｅｎｋäｓｔｅｎ", "latin"),  # full-width
        ("Где живёт сестра?", "cyrillic"),
        ("ΑΔΕΛΦΗ", "greek"),
        ("μελισσες", "greek"),
        ("मधुमक्खियाँ", "devanagari"),
        ("हिन्दी", "devanagari"),
        ("النحل", "arabic"),
        ("東京", "chinese"),
        ("誰在東京養蜜蜂？", "chinese"),
        ("姐", "chinese"),
        ("蜂", "chinese"),
        ("トロンハイム", "japanese"),
        ("트론헤임", "korean"),
        ("เชียงใหม่", "thai"),
        ("Who keeps a bee?", "english"),
    ],
)
def test_words_of_every_script_are_found(store, query, script):
    """A word finds the text that holds it, first, in each script, without case or accents."""
    assert _found(store, query)[0] == script


def test_part_of_a_devanagari_word_is_not_the_word(store):
    """Vowel signs belong to the word: a word's bare consonants are another word."""
    assert "devanagari" not in _found(store, "मधमकखय")


@pytest.mark.parametrize(
    "query",
    [
        '"',
        '""',
        "'",
        "NEAR(a b)",
        "AND",
        "a OR",
        "NOT",
        "col:umn",
        "body : x",
        "*",
        "^",
        "(",
        "a*",
        "-",
        "+ada",
        "{a b}",
        "\0",
        "bees\0",
        "",
        "   ",
        "🐝",
        "🐝bees",
        "'; DROP TABLE records; --",
        "\u0301",
        "_",
        "a_b",
        "\ud83d",
    ],
)
def test_syntax_of_fts5_is_plain_text(store, query):
    """No text breaks a search, whatever it means to FTS5."""
    store.lexical(query, Filter(), limit=3)


def test_a_query_is_words_and_not_syntax(store):
    """Operators inside a query do not change what it finds."""
    assert _found(store, 'bees") OR ("') == _found(store, "bees")
    assert _found(store, "bees NOT sister") == _found(store, "bees sister not")


def test_a_long_question_finds_its_answer(store):
    """A question with many words that the text lacks still finds it, and stays bounded."""
    question = "Could you please tell me where exactly that sister of mine keeps her bees? " * 50
    assert _found(store, question)[0] == "english"
    assert len(query_terms(" ".join(f"word{i}" for i in range(500)))) == 64


@pytest.mark.parametrize(
    ("question", "written"),
    [
        ("Which book is 978-3-16-148410-0?", "9783161484100"),
        ("Whose number is 555 01 23?", "555-01-23"),
        ("Whose number is 555 01 23?", "5550123"),
        ("Whose is DE44 5001 0517 5407?", "DE44500105175407"),
    ],
)
def test_a_number_is_found_however_it_is_written(store, question, written):
    """Groups of digits are one number, with dashes, with spaces or in one piece."""
    terms = query_terms(question)
    assert f'"{written.casefold()}"' in terms or f'"{written.replace("-", " ")}"' in terms


def test_only_stop_words_still_search():
    """A question of nothing but common words searches those."""
    assert query_terms("who is it?") == ['"who"', '"is"', '"it"']
    assert query_terms("who is Ada?") == ['"ada"']
    assert query_terms("?!") == []


def test_every_character_of_an_unspaced_run_begins_a_word():
    """Pairs and a last single: each character of a run can be looked up by prefix."""
    assert fold("東京都").split() == ["東京", "京都", "都"]


@pytest.fixture
def crowded(tmp_path, monkeypatch):
    """A store that ranks 40 rows at most, with a word in every record and another in three."""
    monkeypatch.setattr(words, "ROWS", 40)
    with SQLiteStore(tmp_path / "memory.db") as store:
        texts = [f"weather report {i}" + " bees" * (i in (3, 50, 90)) for i in range(100)]
        store.add(
            [Turn(text, scope="few" if i % 25 == 7 else "many") for i, text in enumerate(texts)]
        )
        yield store


def _texts(store, query, limit=20, **chosen):
    matches = store.lexical(query, Filter(**chosen), limit=limit)
    assert [m.score for m in matches] == sorted((m.score for m in matches), reverse=True)
    return [record.text for record in store.get(match.id for match in matches).values()]


def test_rare_words_are_found_wherever_they_are(crowded):
    """Beside a word that every record holds, a rare one still finds all of its own, first."""
    rare = [f"weather report {i} bees" for i in (3, 50, 90)]
    assert _texts(crowded, "weather bees", limit=10) == rare
    found = _texts(crowded, "weather bees", limit=50)
    assert found[:3] == rare and len(found) >= 40


def test_two_common_words_find_what_holds_both(crowded):
    """Words too common to look for alone are looked for together."""
    crowded.add([Turn(f"{word} {i}") for word in ("ants", "wasps") for i in range(60)])
    crowded.add([Turn("the ants and the wasps")])
    crowded.add([Turn(f"later {i}") for i in range(60)])
    assert _texts(crowded, "ants wasps")[0] == "the ants and the wasps"


def test_a_filter_is_not_starved_by_common_words(crowded):
    """A common word finds every record of a small scope, however many others hold it."""
    few = [f"weather report {i}" for i in (7, 32, 57, 82)]
    assert sorted(_texts(crowded, "weather", scope="few")) == sorted(few)
    assert sorted(_texts(crowded, "weather bees", scope="few")) == sorted(few)


def test_common_words_alone_find_the_newest(crowded):
    """Where every word is too common to rank, the newest records are ranked."""
    found = _texts(crowded, "weather report", limit=100)
    assert {int(text.split()[2]) for text in found} == set(range(60, 100))


@pytest.mark.parametrize(
    ("query", "right", "others"),
    [
        (
            "What did I do on 2024-05-01?",
            "2024-05-01\n\nCut the hay.",
            [
                "2024-01-05\n\nOiled the saw.",
                "2024-05-05\n\nPlanted leeks.",
                "2024-01-01\n\nBaked.",
            ],
        ),
        (
            "what does store/words/search.py do",
            "store/words/search.py ranks rows",
            ["search the store for words: py", "words of the store, search py search py"],
        ),
        ("upgrade to 1.10.2", "we run 1.10.2 now", ["2.1.10 came out", "10.1.2 and 2.10.1"]),
        ("who calls put_vectors", "put_vectors is called by add", ["vectors put in, vectors put"]),
    ],
)
def test_what_stands_together_ranks_higher_together(tmp_path, query, right, others):
    """A date, a path, a version or a name in code finds the text that has it, not its parts."""
    with SQLiteStore(tmp_path / "memory.db") as store:
        store.add([Turn(text) for text in [*others, right]])
        best = store.lexical(query, Filter(), limit=9)[0]
        assert store.get([best.id])[best.id].text == right
