"""How likely it is that a hit answers: evidence, function, and the background of a space."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from lmort_memory import Hit, Memory, Record, Scores
from lmort_memory.adapters import hooks
from lmort_memory.memory.evidence import FALLBACK, Background, Evidence, Whole, evidence
from lmort_memory.memory.kinds import is_pleasantry
from lmort_memory.memory.likelihood import (
    BY_PLAIN,
    BY_VECTORS,
    BY_WORDS,
    WORTH_NOTES,
    Calibration,
    background_of,
    likelihoods,
)
from lmort_memory.memory.overlap import RAREST, stems, weight
from lmort_memory.store import SQLiteStore
from lmort_memory.testing import HashEncoder

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)


def hit(text, dense=None, *, role="user", created=NOW, rank=1):
    """A hit of this cosine."""
    record = Record("id", text, role, "default", None, created, created, {}, None, None)
    return Hit(record, 1.0, rank, Scores(dense=dense, dense_rank=rank, bm25_rank=rank))


def signs(query, *hits, background=FALLBACK):
    """The evidence of each hit."""
    return evidence(query, hits, background, now=NOW)


def test_a_cosine_counts_against_its_space():
    """The same cosine says less in a space where all texts are near each other."""
    [narrow], [wide] = (
        signs("Where are the bees?", hit("Bees", 0.4), background=Background(mean, 0.1))
        for mean in (0.3, 0.0)
    )
    assert narrow.near == pytest.approx(1.0)
    assert wide.near == pytest.approx(4.0)


def test_a_shared_word_counts_by_how_rare_it_is():
    """A name says more than a word that stands in every second text; stop words say nothing."""
    assert weight(stems("Trondheim")) == RAREST > weight(stems("people")) > 0
    assert not stems("what is the of and my")
    name, common = signs("Which people are in Trondheim?", hit("Trondheim"), hit("people"))
    assert name.overlap > common.overlap > 0
    assert common.lacking == pytest.approx(common.overlap - name.overlap)


def test_a_stored_question_sets_no_standard():
    """Nothing is behind what only asks, in nearness, words or rank, and it beats no fact."""
    query = "How big is our hardware budget?"
    fact = hit("Management gave us 60k for hardware, I asked for 95.", 0.4, rank=2)
    alone, beside = hit("", 0.1, rank=3), hit("How much hardware budget did we get?", 0.8, rank=1)
    question, answer, _ = signs(query, beside, fact, alone)
    assert (question.echo, answer.echo) == (1, 0)
    assert (answer.behind, answer.lacking) == (0, 0)
    assert answer.nearest == answer.first == 1
    for encoder in (None, HashEncoder(8)):
        (asked, told, _), _ = likelihoods(query, [beside, fact, alone], encoder, now=NOW)
        assert 0 < asked < told


def test_who_says_it_and_when_is_evidence():
    """A reply, another person's words, a stored question, and the time that the query names."""
    october = datetime(2026, 10, 5, tzinfo=UTC)
    found = signs(
        "What did I plant in October?",
        hit("I planted garlic.", created=october),
        hit("You planted garlic.", role="assistant"),
        hit("I planted leeks.", role="Mick"),
        hit("What did I plant in October?", created=october + timedelta(days=90)),
    )
    assert [one.timely for one in found] == [1, -1, -1, -1]
    assert [one.reply for one in found] == [0, 1, 0, 0]
    assert [one.foreign for one in found] == [0, 0, 1, 0]
    assert [one.echo for one in found] == [0, 1, 0, 1]
    assert found[3].redundant == 1
    assert found[0].asks
    assert found[0].personal


def test_an_estimate_stays_a_probability_and_every_weight_has_a_sign():
    """No evidence leaves the range from 0 to 1; a weight of no sign would be a misspelling."""
    names = Evidence.names()
    for calibration in (BY_VECTORS, BY_PLAIN, BY_WORDS):
        assert set(calibration.weights) <= {"bias", *names}
        assert set(calibration.question) <= {"bias", *Whole.names()}
        for extreme in (-1e6, 1e6):
            found = Evidence(*(extreme for _ in names))
            chance = calibration.likelihood(found)
            assert 0 <= chance <= 1
            assert 0 <= calibration.stored([found], [chance]) <= 1
    zero = Evidence(*(0.0 for _ in names))
    plain = Calibration(0.0, {"near": 1.0}, {"bias": 0.0, "best": 1.0, "second": 0.5})
    assert plain.likelihood(zero) == 0.5
    assert plain.likelihood(replace(zero, near=2.0)) > 0.8
    assert plain.stored([zero, zero], [0.5, 0.5]) == 0.5
    assert plain.stored([zero, zero], [0.5, 0.9]) > plain.stored([zero, zero], [0.1, 0.9])
    assert plain.stored([], []) == 0


def test_a_background_is_read_from_the_file_of_a_tuner():
    """On the scale of the packaged tuner's; without one the fallback serves."""

    class Noted(HashEncoder):
        def __init__(self, text):
            super().__init__()
            self.provenance = {"background": text}

    assert background_of(Noted("[0.0454, 0.0922]")) == FALLBACK
    found = background_of(Noted("[0.1454, 0.0461]"))
    assert found.mean == pytest.approx(FALLBACK.mean + 0.1)
    assert found.spread == pytest.approx(FALLBACK.spread / 2)
    assert background_of(HashEncoder()) == FALLBACK
    assert background_of(None) == FALLBACK
    with pytest.raises(ValueError, match="mean and a spread"):
        background_of(Noted("[1]"))


@pytest.mark.parametrize(
    "encoder",
    [HashEncoder(tokens=True), HashEncoder(), None],
    ids=["vectors and tokens", "vectors", "words"],
)
def test_a_memory_knows_more_of_what_it_holds(encoder, tmp_path):
    """The estimate is higher for a question whose answer is stored than for another."""
    with Memory(encoder, SQLiteStore(tmp_path / "m.db")) as memory:
        memory.add("Ada keeps bees in Trondheim.")
        memory.add("The ferry leaves at nine.")
        known, unknown = (
            memory.likelihood(query, memory.recall(query, explain=True))
            for query in ("Where does Ada keep her bees?", "What colour is the kettle?")
        )
        assert unknown < known < 1
        assert memory.likelihood("Anything?", []) == 0
        assert memory.likelihoods("Anything?", []) == ([], 0)


@pytest.mark.parametrize(
    "text",
    [
        "Hello there, how are you?",
        "hi",
        "Thanks so much!",
        "Good morning, how's it going?",
        "ok cool, see you later",
        "Danke schön!",
        "¿Qué tal, cómo estás?",
    ],
)
def test_greetings_and_thanks_ask_for_nothing(text):
    """Small talk is known as such, whatever the store holds."""
    assert is_pleasantry(text)


@pytest.mark.parametrize(
    "text",
    [
        "What is my name?",
        "How are the bees?",
        "What's new with Ada?",
        "Tomorrow?",
        "Where is it?",
        "",
    ],
)
def test_short_questions_are_no_small_talk(text):
    """A short question about something is still a question."""
    assert not is_pleasantry(text)


@pytest.mark.parametrize("query", ["wifi password", "OPS-1187", "gate code!"])
def test_words_that_one_hit_contains_are_looked_up(query):
    """They ask, as with a question mark."""
    facts = [hit(f"the {query} is on the fridge", 0.3), hit("the password of the gate", 0.2)]
    (found, _) = signs(query, *facts)
    assert found.asks and not found.chatter


def test_a_record_with_all_words_of_what_is_looked_up_may_be_meant():
    """One word is far from every sentence in meaning; a reply or an echo is no answer."""
    told = hit("My dentist is Dr. Okafor on Mill Lane.", 0.1)
    chances, likelihood = likelihoods("dentist", [told], None, now=NOW)
    assert min(*chances, likelihood) >= WORTH_NOTES
    said = hit("I am tired of the dentist.", 0.1)
    assert likelihoods("tired", [said], None, now=NOW)[1] < WORTH_NOTES
    assert likelihoods("dentist", [], None, now=NOW) == ([], 0.0)
    replied = replace(told, record=replace(told.record, role="assistant"))
    assert likelihoods("dentist", [replied], None, now=NOW)[1] < WORTH_NOTES


@pytest.mark.parametrize("query", ["brb door", "sounds good", "haha"])
def test_small_talk_looks_nothing_up(query):
    """Common words, or words that no hit has together."""
    (found, _) = signs(query, hit("the door sounds good, haha", 0.3), hit("brb", 0.2))
    assert found.chatter and not found.asks


def test_hooks_give_notes_where_a_chat_does():
    """They keep the number themselves, so as to start sooner."""
    assert hooks._MIN_LIKELIHOOD == WORTH_NOTES
