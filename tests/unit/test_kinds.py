"""What kind of turn a text is."""

import pytest

from lmort_memory.memory.kinds import (
    about_questions,
    is_question,
    looks_up,
    of_oneself,
    of_the_assistant,
    only_asks,
)


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
        "wheres my husband work again",
        "the roof people, what did they want for it",
        "until when is our mortgage fixed",
        "at what time does it leave",
        "give me the padlock code",
        "cant remember who does the roof",
        "and who conducts it",
        "can you answer this: is it raining?",
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
        "Can you keep this for me: the wifi password is tangerine-44?",
        "could you hang on to this: the locker is number 12",
        "do you mind keeping this: Tess takes size 3",
        "In which case we stay home.",
        "By what I heard, she left.",
        "She left, which is sad",
        "I forgot my keys at the office",
        "give me a break",
        "I was tired, what a day",
        "and the boat leaks",
    ],
)
def test_a_statement_does_not_only_ask(text):
    """Even where a question follows it, or its subject is left out."""
    assert not only_asks(text)


@pytest.mark.parametrize(
    "text",
    [
        "When I was small, we had a dog called Rex.",
        "When my mother died I inherited her house in Wales.",
        "How to open the safe: left 4, right 9.",
        "What I want for my birthday is a kayak",
        "Where I keep the spare key: under the blue pot.",
        "When Anna came, we went sailing.",
        "Quando ero piccolo, avevamo un cane.",
        "Wenn es regnet, nehme ich den Bus.",
        "What a day!",
        "how lovely to see you!",
        "Which is why I left!",
    ],
)
def test_a_statement_may_open_like_a_question(text):
    """The subject comes first, or what answers stands behind a colon or a comma."""
    assert not is_question(text)
    assert not only_asks(text)


@pytest.mark.parametrize(
    "text",
    [
        "where is the spare key?!",
        "what is the gate code!",
        "who broke the build!",
        "where is the key? 😊",
        "where my keys at",
        "what we do for grandma's birthday in september",
        "where did we go, the one with the boats",
        "when I was small, did we have a dog",
        "what was the name of the dentist, the one in Leeds",
        "what time is the ferry: early or late",
    ],
)
def test_a_question_in_a_hurry_or_with_feeling_asks(text):
    """Without its mark, with two, or with the words in another order."""
    assert is_question(text)
    assert only_asks(text)


@pytest.mark.parametrize(
    "text",
    [
        "Can you remember that my locker code is 4411?",
        "Did I tell you I am allergic to nuts?",
        "Did you know my sister moved to Bergen?",
        "Could you note that I'm vegan now?",
        "Can you save this: the wifi password is hunter2?",
        "My dog is called Rex, right?",
        "The boat goes at nine, doesn't it?",
        "please note my new number is 4711, ok?",
    ],
)
def test_a_question_may_tell(text):
    """A request to keep something, or a tag at the end: this is what will be asked for."""
    assert is_question(text)
    assert not only_asks(text)


@pytest.mark.parametrize(
    "text",
    [
        "Did I tell you where I live?",
        "Did I tell you about the ferry?",
        "Do you know my sister's name?",
        "Can you remember my name?",
        "What's my name, remember?",
        "Is the dog called Rex, right?",
    ],
)
def test_such_a_question_may_only_ask(text):
    """What looks like telling has nothing to tell."""
    assert only_asks(text)


def test_texts_that_are_all_openings_are_read_in_one_go():
    """Tried from every place anew, these would take hours."""
    for unit in ("when i ", "what, ", "?", "a: ", "did i ", "did i tell you my ", ", right"):
        for kind in (is_question, only_asks, of_oneself, of_the_assistant, about_questions):
            assert kind(unit * 20_000) in (True, False)


@pytest.mark.parametrize(
    "text",
    [
        "dentist",
        "Dentist?",
        "wifi password",
        "mum's birthday",
        "the spare key",
        "my blood group?",
        "Who is Ada?",
        "who's gareth",
        "what about the rent",
        "shoe size",
        "OPS-1187",
        "Passwort",
    ],
)
def test_what_only_names_something_looks_it_up(text):
    """As people type into a search box."""
    assert looks_up(text)


@pytest.mark.parametrize(
    "text",
    [
        "Tom.",
        "thanks!",
        "tired",
        "not yet",
        "brb door",
        "ok next",
        "I have a dentist",
        "let's go",
        "what is my rent",
        "what is a paradiddle",
        "don't know",
        "won't work",
        "explain",
        "more details",
        "Ich liebe Schokolade",
        "meine Katze schläft",
        "我今天去看了牙医。",
        "seven",
        "the old grey house behind the very long wall",
        "",
        "?",
    ],
)
def test_what_people_say_alone_looks_nothing_up(text):
    """An answer, a mood, a sentence, or a question with more to it."""
    assert not looks_up(text)


def test_some_questions_are_about_questions():
    """Then a stored question is the answer."""
    assert about_questions("What did I ask you about the ferry?")
    assert about_questions("Did I already ask about the rent?")
    assert about_questions("what did I just ask")
    assert about_questions("what was my last question?")
    assert not about_questions("When does the ferry leave?")
    assert not about_questions("What did I ask Anna to bring?")
    assert not about_questions("What was my security question?")
    assert not about_questions("What are my questions for the doctor?")


def test_some_questions_are_about_the_assistants_words():
    """Then a reply may be the answer."""
    assert of_the_assistant("What did u recommend?")
    assert of_the_assistant("the email you drafted")
    assert of_the_assistant("where is the plan you made for me?")
    assert not of_the_assistant("Can you tell me where I live?")


def test_pronouns_of_the_first_person_are_seen():
    """In several languages, and not inside other words."""
    assert of_oneself("What's my name?")
    assert of_oneself("Wo wohnt meine Schwester?")
    assert of_oneself("Where's My car?")
    assert of_oneself("WHERE IS MY CAR")
    for other in ("Which river flows through Vienna?", "Who is the US president?", "Who is Mia?"):
        assert not of_oneself(other)
    assert not of_oneself("When did World War I end?")
    assert not of_oneself("Who owns the gold mine in Ghana?")
