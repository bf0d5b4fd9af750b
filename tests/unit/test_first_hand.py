"""The first-hand set is whole: what questions name exists, and the halves never meet."""

from __future__ import annotations

from collections import Counter

import pytest

from benchmarks.first_hand import ABSENT, HALVES, KINDS, Half, load


@pytest.mark.parametrize("half", HALVES)
def test_size(half):
    """Everybody has 40 to 80 facts over at least six sessions, and months."""
    people = load(half).people
    assert len(people) == {"fit": 13, "judge": 5}[half]
    for person in people:
        assert 40 <= sum(bool(one.id) for one in person.said) <= 80, person.key
        assert len({one.session for one in person.said}) >= 6, person.key
        assert (person.said[-1].at - person.said[0].at).days > 180, person.key
        assert person.said[-1].at < person.asked, person.key


@pytest.mark.parametrize("half", HALVES)
def test_kinds(half):
    """Every kind of question occurs at least ten times in each half."""
    kinds = Counter(question.kind for person in load(half) for question in person.questions)
    assert set(kinds) == set(KINDS)
    assert min(kinds.values()) >= 10


@pytest.mark.parametrize("half", HALVES)
def test_answers(half):
    """What is stored has records and an answer; what is not has neither."""
    for person in load(half):
        for question in person.questions:
            stored = question.kind not in ABSENT
            assert bool(question.records) is stored, question.id
            assert bool(question.answer) is stored, question.id
            assert not stored or all(question.answer), question.id


@pytest.mark.parametrize("half", HALVES)
def test_special_kinds(half):
    """Updates name what was said before, two steps name two turns, repetitions have other words."""
    for person in load(half):
        when = {one.id: one.at for one in person.said if one.id}
        for question in person.questions:
            assert bool(question.outdated) is (question.kind == "update"), question.id
            assert bool(question.again) is (question.kind == "repeated"), question.id
            assert not question.every or len(question.records) >= 2, question.id
            if question.outdated:
                old = max(when[id_] for id_ in question.outdated)
                assert min(when[id_] for id_ in question.records) > old, question.id


def test_identifiers_are_unique():
    """No two people, and no two questions of one, share a name or a question."""
    people = [person for half in HALVES for person in load(half)]
    assert len({person.key for person in people}) == len(people)
    for person in people:
        asked = [question.ask for question in person.questions]
        assert len(set(asked)) == len(asked), person.key


def test_halves_do_not_mix():
    """People of both halves together are refused, and so is a half that does not exist."""
    fit, judge = load("fit"), load("judge")
    with pytest.raises(ValueError, match="fit and judge"):
        Half((*fit.people, judge.people[0]))
    with pytest.raises(ValueError, match="both"):
        load("both")
