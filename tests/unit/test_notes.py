"""Recalled records as notes: which of them, in which order, and what each line says."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from lmort_memory import AskedTurn, Hit, Record, Scores, Source
from lmort_memory.chat.notes import Found, pack_notes, worth_a_note
from lmort_memory.chat.stream import ReplyStream

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
MARCH = datetime(2026, 3, 3, 9, tzinfo=UTC)
JUNE = datetime(2026, 6, 5, 9, tzinfo=UTC)
NOVEMBER = datetime(2026, 11, 25, 9, tzinfo=UTC)


def found(text, when, likelihood=0.8, *, role="user", earlier=()):
    """A hit that is worth a note."""
    record = Record(text, text, role, "default", "s", when, when, {}, None, None)
    return Found(Hit(record, 1.0, 1, Scores()), likelihood, earlier)


def packed(*notes, budget=1000):
    """The block, a token a character."""
    return pack_notes(notes, budget=budget, count_tokens=len, now=NOW)


def test_the_likeliest_are_chosen_and_those_near_it():
    """A hit a twentieth as likely as the best is left out."""
    hits = [found(name, MARCH).hit for name in ("a", "b", "c", "d")]
    chosen = worth_a_note(hits, [0.3, 0.02, 0.9, 0.5], at_most=2)
    assert [(one.record.text, one.likelihood) for one in chosen] == [("c", 0.9), ("d", 0.5)]
    assert worth_a_note([], [], at_most=2) == []


def test_the_newest_comes_first_and_says_when():
    """Day, weekday, distance, and who said it."""
    notes = packed(found("Ada moved", MARCH), found("Rent is due", NOVEMBER, role="assistant"))
    assert notes.text == (
        "\n\nNotes from memory, newest first:"
        "\n- Rent is due (you, Wed 25 Nov 2026, yesterday)"
        "\n- Ada moved (I, Tue 3 Mar 2026, 9 months ago)"
    )
    assert notes.labels == ("you, Wed 25 Nov 2026, yesterday", "I, Tue 3 Mar 2026, 9 months ago")
    assert [memory.record.text for memory in notes.memories] == ["Rent is due", "Ada moved"]
    assert [memory.score for memory in notes.memories] == [0.8, 0.8]


@pytest.mark.parametrize(
    ("role", "uri", "who"),
    [
        ("user", "/home/me/chats/export.jsonl", "I"),
        ("assistant", "/home/me/chats/export.jsonl", "you"),
        ("Mick", "/home/me/chat.txt", "Mick"),
        ("note", "/home/me/vault/Bees.md", "in Bees.md"),
        ("note", "C:\\vault\\Bees.md", "in Bees.md"),
        ("note", None, "note"),
    ],
)
def test_a_note_names_who_said_it_and_no_path(role, uri, who):
    """What was imported from another chat is the user's own; a document has its file's name."""
    one = found("Ada moved", MARCH, role=role)
    source = None if uri is None else Source(uri)
    hit = replace(one.hit, record=replace(one.record, source=source))
    assert f"({who}, Tue 3 Mar 2026" in packed(replace(one, hit=hit)).text


def test_no_note_is_called_outdated_by_guesswork():
    """Of two codes the dates say which is newer; whether it replaced the other, nobody knows."""
    notes = packed(
        found("The alarm code of the bakery is 1234", MARCH),
        found("Rent is due", JUNE),
        found("Changed the alarm code of the bakery, it's 9876", NOVEMBER),
    )
    assert notes.text.splitlines()[3:] == [
        "- Changed the alarm code of the bakery, it's 9876 (I, Wed 25 Nov 2026, yesterday)",
        "- Rent is due (I, Fri 5 Jun 2026, 6 months ago)",
        "- The alarm code of the bakery is 1234 (I, Tue 3 Mar 2026, 9 months ago)",
    ]


def test_a_correction_says_what_it_took_the_place_of():
    """Though recall finds the old record no longer."""
    old = found("The code is 1234", MARCH).record
    notes = packed(found("It is 9876", NOVEMBER, earlier=(old,)))
    assert notes.text.splitlines()[3] == (
        "- now: It is 9876 (I, Wed 25 Nov 2026, yesterday)"
        " Earlier: The code is 1234 (Tue 3 Mar 2026, 9 months ago)"
    )
    assert [record.text for record in notes.records] == ["It is 9876", "The code is 1234"]
    assert notes.labels == ("I, Wed 25 Nov 2026, yesterday", "Tue 3 Mar 2026, 9 months ago")


def test_an_answer_stands_behind_its_question():
    """Behind the last sentence that asks, in one line, and both can be withdrawn."""
    one = found("Rex,\nhe is seven", MARCH)
    asked = found("Of course! What is\nyour dog called? Tell me.", MARCH, role="assistant").record
    notes = packed(replace(one, hit=replace(one.hit, asked=AskedTurn(asked, Scores()))))
    assert notes.text.splitlines()[3] == (
        '- "your dog called?" Rex, he is seven (I, Tue 3 Mar 2026, 9 months ago)'
    )
    assert [record.text for record in notes.records] == ["Rex,\nhe is seven", asked.text]


def test_what_does_not_fit_is_named():
    """The likeliest go first into the budget; the block never passes it."""
    notes = packed(found("short", MARCH), found("long " * 40, NOVEMBER), budget=120)
    assert [memory.record.text for memory in notes.memories] == ["short"]
    assert [record.text for record in notes.dropped] == ["long " * 40]
    assert len(notes.text) <= 120
    assert packed().text == ""


def test_a_reply_ends_where_it_begins_to_quote_who_and_when():
    """The words of a note are an answer, its label is not; other brackets are the reply's own."""
    notes = packed(
        found("The ferry leaves at 9:10.", MARCH),
        found("Rent is 690.", NOVEMBER, earlier=(found("Rent is 640.", MARCH).record,)),
    )
    assert notes.quotes == (" (I, Wed ", " (I, Tue ", " (Tue 3 Mar 2026")
    for words, shown in (
        ("It leaves at 9:10. (I, Tue 5 Mar 2026, 9 months ago) And", "It leaves at 9:10."),
        ("It leaves at 9:10 (I think) on Tue 3 Mar.", "It leaves at 9:10 (I think) on Tue 3 Mar."),
    ):
        reply = ReplyStream(notes.quotes)
        for number, letter in enumerate(words.encode()):
            reply.take(number, bytes([letter]))
            if reply.stopped:
                break
        reply.finish()
        assert reply.text == shown
