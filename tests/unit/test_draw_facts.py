"""Everyday facts and the questions for them: what is written can be used; how it is drawn."""

from __future__ import annotations

import random
import re
from collections import Counter
from dataclasses import replace

import pytest

from benchmarks.kit.draw_facts import FACTS, Fact, facts, named

SLOT = re.compile(r"\{(\w+)\}")


@pytest.fixture(scope="module")
def known():
    """All facts."""
    return facts(FACTS)[0]


@pytest.mark.parametrize(
    ("asked", "of_greta"),
    [
        (
            "What do I do for a living, and who is my boss?",
            "What does Greta do for a living, and who is their boss?",
        ),
        ("am I allergic to nuts?", "is Greta allergic to nuts?"),
        ("What's my job?", "What's Greta's job?"),
        ("Which of these is mine?", "Which of these is Greta's?"),
        ("Did I tell you what I do?", None),
        ("My bike is gone, what did I pay?", None),
        ("Who's coming?", None),
        ("What should I write that I like?", None),
    ],
)
def test_a_question_about_oneself_becomes_one_about_somebody(asked, of_greta):
    """Where swapping pronouns is enough; otherwise it becomes none."""
    assert named(asked, "Greta") == of_greta


def test_every_slot_has_values(known):
    """Each that a wording, a question or a statement names; each name of a fact is there once."""
    assert max(Counter(fact.about for fact in known).values()) == 1
    for fact in known:
        used = {slot for one in (*fact.told, *fact.asked, *fact.near) for slot in SLOT.findall(one)}
        assert used <= set(fact.slots), fact.about
        told = set.intersection(*(set(SLOT.findall(one)) for one in fact.told))
        asked = {slot for one in fact.asked for slot in SLOT.findall(one)}
        assert asked <= told, f"{fact.about}: a question names what is not always told"


def test_facts_that_share_a_question_are_one_group(known):
    """Or training would hold apart what answers the same."""
    groups: dict[str, set[str]] = {}
    for fact in known:
        for question in fact.asked:
            plain = " ".join(re.findall(r"[\w{}']+", question.casefold()))
            groups.setdefault(plain, set()).add(fact.group)
    assert [one for one, found in groups.items() if len(found) > 1] == []


def test_sentences_have_one_article(known):
    """What stands in a slot fits what stands before it."""
    doubled = re.compile(r"\b(?i:my|your|the|no|another|a|an) (?:a|an|the) ")
    for fact in known:
        for sentence in (*fact.told, *fact.asked, *fact.near):
            for slot in SLOT.findall(sentence):
                for value in fact.slots[slot]:
                    filled = sentence.replace("{" + slot + "}", value)
                    assert not doubled.search(filled), f"{fact.about}: {filled}"


def test_values_that_every_question_names_make_another_fact():
    """The sister of one name is not the sister of another; her job may be any."""
    slots = {"name": ["Ada"], "job": ["nurse"]}
    told = ("My sister {name} is a {job}.",)
    asked = ("What does {name} do?", "What is {name}'s job?")
    fact = Fact("family/sister", "family/sister", told, asked, ("{name} is tall.",), slots)
    rows = list(fact.pairs(random.Random(0), ["It rains."]))
    assert [row["group"] for row in rows] == ["family/sister Ada"] * 2
    assert {row["query"] for row in rows} == {"What does Ada do?", "What is Ada's job?"}
    assert all("My sister Ada is a nurse." in row["positive"] for row in rows)
    assert rows[0]["near"] == ["Ada is tall."]
    anybody = replace(fact, asked=(*asked, "What is her job?"))
    assert anybody.bound == replace(fact, group="siblings").bound == []
