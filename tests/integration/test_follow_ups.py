"""A chat understands what a question refers to, with the packaged model."""

from lmort_memory import Chat, ChatOptions, Memory

FACTS = [
    "My dentist is Dr. Okafor on Mill Lane.",
    "The appointment with Dr. Okafor is on 3 December at 9.",
    "Dr. Okafor charges 80 pounds for a check-up.",
    "The cottage near Keswick is booked for Easter.",
    "The cottage costs 640 pounds for the week.",
    "The owner of the cottage is Mrs. Lindqvist.",
    "My boss is called Priya.",
    "Priya is on leave until Monday.",
    "Our car is a grey Skoda Octavia.",
    "The Skoda needs new brakes.",
    "The Skoda's insurance ends on 30 June.",
    "Dad had a hip operation in August.",
    "Dad takes ramipril for his blood pressure.",
    "Dad's flat is on Cobden Street.",
    "I play the cello in an orchestra on Wednesdays.",
    "The orchestra's next concert is on 12 December.",
    "The concert is in St. Paul's church.",
]


def test_a_pronoun_finds_what_was_asked_about_before(tmp_path):
    """By itself "When do I see him?" names nobody; what refers to nothing is not asked twice."""
    options = ChatOptions(remember=False)
    with Memory.open(tmp_path / "m.db") as memory:
        appointment = next(one.id for one in memory.add(FACTS) if "3 December" in one.text)
        with Chat(memory, options=options) as chat:
            list(chat.say("Who is my dentist?", reply="Dr. Okafor."))
            found = {hit.record.id for hit in chat.say("When do I see him?", reply="").memories}
        with Chat(memory, options=options) as chat:
            alone = {hit.record.id for hit in chat.say("When do I see him?", reply="").memories}
    assert appointment in found
    assert appointment not in alone
