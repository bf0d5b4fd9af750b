"""Marks for replies, and for what was given, say what a person would say."""

from __future__ import annotations

import pytest

from benchmarks.answers.scoring import mark
from benchmarks.bench_first_hand import wilson


@pytest.mark.parametrize(
    ("reply", "answers", "contains"),
    [
        ("It was fired at 1,260 degrees.", ["1260"], True),
        ("The serial number is wb-88213-k.", ["WB-88213-K"], True),
        ("You mean Ségolène.", ["Segolene"], True),
        ("It costs 3000.", ["3"], False),
        ("I don't know whether he has an allergy.", ["allergy"], False),
        ("I have no information about that.", ["no"], False),
    ],
)
def test_contains(reply, answers, contains):
    """An answer counts however it is written, in whole words, and not in an evasion."""
    assert mark(reply, answers).contains is contains


@pytest.mark.parametrize(
    "reply",
    [
        "I\u2019m sorry, I don\u2019t have access to that.",
        "Your notes do not mention a sister.",
        "There is no information about your bank.",
        "I'm not sure.",
    ],
)
def test_abstains(reply):
    """Replies that say that nothing is known are seen as such."""
    assert mark(reply, []).abstains


def test_an_assertion_does_not_abstain():
    """A reply that states something does not count as abstaining."""
    assert not mark("Your sister's name is Anna.", []).abstains


def test_f1():
    """Token F1 is that of SQuAD, with the accepted answer that fits best."""
    assert mark("in Ghent", ["Ghent", "the city of Ghent"]).f1 == pytest.approx(2 / 3, abs=1e-4)
    assert mark("in Bruges", ["Ghent"]).f1 == 0


def test_wilson():
    """The interval is Wilson's: inside [0, 1] at the ends, and around the share."""
    assert wilson(0, 10) == pytest.approx((0.0, 0.2775), abs=1e-3)
    assert wilson(10, 10)[1] == 1.0
    low, high = wilson(5, 10)
    assert low == pytest.approx(0.2366, abs=1e-3)
    assert high == pytest.approx(0.7634, abs=1e-3)
