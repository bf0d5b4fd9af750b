"""What kind of turn a text is."""

import pytest

from lmort_memory.memory.kinds import about_questions, is_question, of_oneself, only_asks


@pytest.mark.parametrize(
    "text",
    [
        "When does the ferry leave?",
        "when does it leave, the train up to Joanne's",
        "Remind me what the vet told us to get.",
        "Right, thanks. Where do I live?",
        "Wo wohnt meine Schwester?",
        "¿Dónde vive mi hermana?",
        "我姐姐住在哪里？",  # noqa: RUF001
        "do I still keep bees",
    ],
)
def test_a_question_only_asks(text):
    """With or without its mark, and in several languages."""
    assert is_question(text)
    assert only_asks(text)


@pytest.mark.parametrize(
    "text",
    [
        "My sister moved to Bergen, in March.",
        "did the dishes and went to bed",
        "Remind me to buy milk.",
        "I bought a red kayak for her birthday. Can you believe it?",
        "was in Leeds today",
        "",
    ],
)
def test_a_statement_does_not_only_ask(text):
    """Even where a question follows it, or its subject is left out."""
    assert not only_asks(text)


def test_some_questions_are_about_questions():
    """Then a stored question is the answer."""
    assert about_questions("What did I ask you about the ferry?")
    assert about_questions("Did I already ask about the rent?")
    assert not about_questions("When does the ferry leave?")


def test_pronouns_of_the_first_person_are_seen():
    """In several languages, and not inside other words."""
    assert of_oneself("What's my name?")
    assert of_oneself("Wo wohnt meine Schwester?")
    assert not of_oneself("Which river flows through Vienna?")
