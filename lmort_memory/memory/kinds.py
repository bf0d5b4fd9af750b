# ruff: noqa: RUF001, SIM905 - lists of words, and marks of many scripts
"""What kind of turn a text is: a question, one about earlier questions, one about the speaker.

Cheap signs that work for many languages: question marks, words that open a question, first-person
pronouns. The words of other languages than English are in `languages/`; a text in an unlisted
language is judged by its punctuation alone.

People also tell things in the form of a question ("Did I tell you that I'm allergic to nuts?"), and
open what they tell with a question's word ("When I was small, we had a dog."). `telling.py` knows.
"""

from __future__ import annotations

import re

from lmort_memory.memory.caching import cached
from lmort_memory.memory.languages import asking
from lmort_memory.memory.languages.courtesy import is_courteous
from lmort_memory.memory.languages.oneself import ONESELF as _ONESELF_ELSEWHERE
from lmort_memory.memory.languages.oneself import of_oneself_inside
from lmort_memory.memory.languages.usual import is_english, usual
from lmort_memory.memory.overlap import WORD as _WORD
from lmort_memory.memory.telling import AUXILIARY, opens_telling, tells
from lmort_memory.store.words.tokenizer import RUN, STOP, fold

__all__ = [
    "about_questions",
    "ends_asking",
    "is_pleasantry",
    "is_question",
    "is_shouted",
    "looks_up",
    "of_oneself",
    "of_the_assistant",
    "only_asks",
    "sentences",
    "words",
]

# In scripts with spaces, a space follows a full stop; those of the others need none. The Greek
# question mark is a semicolon, which ends a sentence in no other script.
_SENTENCE = re.compile(
    r"(?<=[.!?…。？！؟।॥۔։።၊။។])\s+|(?<=[\u0370-\u03ff\u1f00-\u1fff];)\s+"
    r"|(?<=[。？！｡।॥።။។])(?![。？！｡」』”）])|(?<=[\u3040-\u9fff\uac00-\ud7af][?!])(?![?!])|\n+"
)
_ENDS = "!！…" + asking.MARKS
_CLOSING = "\"'”’»)]} *_」』）】》"
_OPENING = "¿¡ -*>\"'\u200e\u200f"  # the last two are marks of direction, which nobody sees
# Without a question mark these open a question only before a subject: not in "did the dishes".
_AUXILIARY = re.compile(rf"{AUXILIARY} (?:i|you|he|she|it|we|they|there|this|that|these|those)\b")
# With an exclamation mark, only this order asks: "what is the code!", but "what a day!".
_ASKS_ALOUD = re.compile(
    r"(?:and |so |but |ok(?:ay)? )*(?:who|what|where|when|why|how|whose)(?:'s| is| are| was| were"
    r"| do| does| did| can| could| will| would| should| has| have| had| am)\b"
    r"|who \w+ \w"
)
_REQUEST = re.compile(
    r"^(?:please\s+|and\s+|so\s+|but\s+|ok(?:ay)?,?\s+)*"
    r"(?:(?:can|could|will|would) you\s+)?(?:please\s+)?"
    r"(?:remind me|tell me|do you (?:know|remember)|let me know|i(?:'d| would)? (?:need|want|like)"
    r" to know)\s+(?:again\s+)?"
    r"(?:what|when|where|which|who|whose|why|how|if|whether|of|about|the)\b"
    r"|^(?:please |can you |could you )*(?:give|show) me (?:again )?(?:my|our|the)\b"
    r"|^(?:i )?(?:(?:ca|do)n'?t remember|forgot|forget|have forgotten) (?:again )?"
    r"(?:what|when|where|which|who|whose)\b"
)
# "The roof people, what did they want for it": the question behind what it is about.
_ASKS_LAST = re.compile(
    rf", (?:and |so )?(?:what|when|where|who|why|how)(?: \w+)? {AUXILIARY}"
    r" (?:i|you|he|she|it|we|they|my|our|his|her|their|the|this|that|these|those)\b"
)
_ASKED = re.compile(
    r"\b(?:(?:did|have|had|was) i (?:\w+ )?ask(?:ed|ing)?|i (?:have |had )?(?:\w+ )?asked)"
    r"(?= you\b| about\b| before\b| last\b| earlier\b| yesterday\b| today\b| again\b| this\b| on\b"
    r"| in\b| at\b| just\b| so far\b| the other\b|[?.!,;]|$)"
    r"|\b(?:did i want to know"
    r"|(?:my|what|which) (?:(?:first|last|latest|previous|earlier|recent|other|old) )?questions?"
    r"(?! (?:for|to)\b)|habe ich (?:\w+ )*gefragt|ai-je demandé|pregunté|ho chiesto)\b"
)
_ONESELF = frozenset(
    "i i'm i've i'd i'll im ive my mine me myself we we're we've our ours us".split()
)
# In English "min" and "mia" are names, and "soy" is food.
_ENGLISH = frozenset(
    "the what when where who whose why how which does did you your with about that this".split()
)
_NUMERAL = re.compile(
    r"\b(?:War|Part|Chapter|Act|Volume|Phase|Stage|Type|Level|Class|Elizabeth|Charles|James|Francis"
    r"|Napoleon|Nicholas) I\b"
)
_COUNTRY = re.compile(r"\bUS\b")
_PIT = re.compile(r"\b(?:a|the|gold|coal|silver|diamond|salt|copper|tin|iron|land) mines?\b")
# What the assistant said: "what did you recommend?", "your advice". Not "can you tell me …".
_BY_ASSISTANT = re.compile(
    r"\b(?:did|have|had) (?:you|u) (?:\w+ )?(?:say|said|tell|told|suggest(?:ed)?|recommend(?:ed)?"
    r"|mention(?:ed)?|proposed?|advised?|explain(?:ed)?|answer(?:ed)?|list(?:ed)?|give|gave|given"
    r"|write|wrote|written|draft(?:ed)?|come up with|translated?|summari[sz]ed?"
    r"|think of (?:my|our))\b"
    r"|\byou(?:'ve|'d)? (?:just |already |once )?(?:said|told|suggested|recommended|mentioned"
    r"|proposed|advised|explained|answered|listed|gave|given|wrote|written|drafted|came up with"
    r"|translated|summari[sz]ed|made (?:for )?(?:me|us))\b"
    r"|\b(?:plan|list|summary|draft|table|poem|recipe|schedule|outline|script|code)"
    r" (?:that )?you made\b"
    r"|\byour (?:\w+ )?(?:advice|suggestions?|recommendations?|answers?|repl(?:y|ies)"
    r"|explanations?|proposals?)\b"
    r"|\bhast du (?:\w+ )*(?:gesagt|empfohlen|vorgeschlagen|geraten|geschrieben)"
    r"|\bas-tu (?:dit|recommandé|proposé|conseillé|écrit)|\brecomendaste|\bdijiste|\bsugeriste"
)
_ANYBODY = re.compile(r"\bhow (?:do|can|could|would|should|to|long do) (?:i|we|you)\b(?! get to\b)")
_SHORT = 3  # most words of an exclamation that adds nothing to a question: "Right, thanks."


# A turn of only these words is a greeting, thanks or a farewell: no record answers it.
_PLEASANTRIES = frozenset(
    "hello hi hey hiya heya yo howdy sup hola there again everyone all friend buddy mate dear"
    " love how hows is are you ya u doing going it goes things thing been up what whats new"
    " good great fine well nice okay ok morning afternoon evening night day weekend today to"
    " meet see hear from have had a an wonderful the rest of your too also same thanks thank"
    " so very much many lovely thx ty cheers ta appreciate lot please welcome no worries"
    " problem yes yeah yep nope sure right cool awesome perfect alright fair lol haha hah hm"
    " hmm oh ah wow bye goodbye later tomorrow soon take care sleep tight that thats was i im"
    " m s am me and back here".split()
)
# What stands before or between the words of what is looked up.
_JOINING = frozenset("my our the a an of for and or s to with".split())
_NAMED = re.compile(
    r"^(?:and )?(?:who(?:'s| is| are) (?!my |our |the |your |it )|what about |about )"
)
# With one of these a text says or asks something.
_SENTENCE_WORDS = STOP - _JOINING | frozenset(
    "i me im we us you u he she they them those am can could should may might must let lets"
    " please want go going get got gonna dont doesnt didnt cant wont isnt whats whos wheres hows"
    " just brb btw omg haha hahaha lol lmao nah yo heyyy oh ah hey hi hello thanks"
    " thx ok okay".split()
)
# What people say alone, without looking for it.
_SAID_ALONE = frozenset(
    "explain rewrite translate summarize summarise shorter longer details fix write list show try"
    " yes no yup yep yeah ok okay correct perfect fantastic looks seems sounds thats maybe perhaps"
    " later nothing something anything everything nobody somebody never always sometimes often"
    " busy fine cool tired hungry thirsty sad happy angry bored sick ill great good bad better"
    " worse well sure really true wrong right exactly absolutely definitely agreed done wow nice"
    " interesting funny amazing awesome continue stop wait more less again help next previous back"
    " yesterday today tomorrow tonight now soon one two three four five six seven eight nine ten"
    " both neither none either all red blue green yellow black white monday tuesday wednesday"
    " thursday friday saturday sunday idea ready hmm test testing".split()
)
_SAYING = ("!", ".", "…", ",", ":", ";")
_LONGEST_LOOKED_UP = 4  # words
_GREETS = frozenset(  # at least one of these is needed: "what is new" alone may ask for news
    "hello hi hey hiya heya yo howdy sup hola morning afternoon evening night thanks thank"
    " thx ty cheers ta welcome lol haha bye goodbye later you ya u cool awesome great perfect"
    " okay ok alright wow care fair nice good".split()
)
_LONGEST_PLEASANTRY = 12  # words
_LONGEST_WORD = 20  # characters, of them


def words(text: str) -> list[str]:
    """Return the words of a text in order, lower-cased."""
    return [word.casefold() for word in _WORD.findall(text)]


def is_question(text: str) -> bool:
    """Return whether any sentence of a text asks a question."""
    return any(_asks(sentence) for sentence in sentences(text))


def only_asks(text: str) -> bool:
    """Return whether a text only asks."""
    asking = False
    for sentence in sentences(text):
        if _asks(sentence) and not tells(_plain(sentence)):
            asking = True
        elif _length(sentence) > _SHORT:
            return False  # most texts, at their first sentence: a recall looks at a hundred
    return asking


def is_shouted(text: str) -> bool:
    """Return whether several words are all in capitals: their tokens are those of no usual text."""
    return text.isupper() and len(_WORD.findall(text)) > 1


def is_pleasantry(text: str) -> bool:
    """Return whether a text is only a greeting, thanks or a farewell."""
    if len(text) > _LONGEST_PLEASANTRY * _LONGEST_WORD:
        return False
    plain = text.casefold().replace("’", "").replace("'", "")
    said = words(plain)
    if not 0 < len(said) <= _LONGEST_PLEASANTRY:
        return False
    if _PLEASANTRIES.issuperset(said):
        return not _GREETS.isdisjoint(said)
    return is_courteous(plain, words(fold(plain)))


@cached
def looks_up(text: str) -> bool:
    """Return whether a text only names something, as people type into a search box.

    "dentist", "mum's birthday?", "the spare key", "who is Ada", but not "tired" or "next please".
    """
    if len(text) > _LONGEST_LOOKED_UP * _LONGEST_WORD or text.rstrip().endswith(_SAYING):
        return False
    said = _NAMED.sub("", _plain(text))
    named = [word for word in words(said) if word not in _JOINING]
    if not 0 < len(named) <= _LONGEST_LOOKED_UP or not _SENTENCE_WORDS.isdisjoint(named):
        return False
    foreign = usual(list(map(fold, named))) or not _ONESELF_ELSEWHERE.isdisjoint(named)
    if "n't" in said or RUN.search(said) or foreign:
        return False  # a sentence, perhaps of a script without spaces or of another language
    return not _SAID_ALONE.issuperset(named)


def about_questions(text: str) -> bool:
    """Return whether a text asks about earlier questions: "What did I ask about the ferry?"."""
    return bool(_ASKED.search(text.casefold()))


def ends_asking(text: str) -> bool:
    """Return whether the last sentence of a text asks a question."""
    found = sentences(text)
    return bool(found) and _asks(found[-1])


def of_the_assistant(text: str) -> bool:
    """Return whether a text is about what the assistant said: "what did you recommend?"."""
    return bool(_BY_ASSISTANT.search(text.casefold().replace("’", "'")))


def of_oneself(text: str) -> bool:
    """Return whether a text has a first-person pronoun, other than in "how do I …"."""
    plain = _NUMERAL.sub(" ", text if text.isupper() else _COUNTRY.sub(" ", text)).casefold()
    plain = _PIT.sub(" ", _ANYBODY.sub(" ", plain))
    said = {*plain.replace("’", "'").split(), *words(plain)}
    if not _ONESELF.isdisjoint(said) or of_oneself_inside(plain):
        return True
    return not _ONESELF_ELSEWHERE.isdisjoint(said) and not _is_english(words(text))


@cached
def sentences(text: str) -> tuple[str, ...]:
    """Return the sentences of a text, without those that are empty."""
    return tuple(part for one in _SENTENCE.split(text) if (part := one.strip()))


def _is_english(said: list[str]) -> bool:
    """Return whether a text has words of English alone, or one that no other language has."""
    return not _ENGLISH.isdisjoint(said) or is_english(list(map(fold, said)))


@cached
def _asks(sentence: str) -> bool:
    bare = _without_pictures(sentence)
    end = bare[len(bare.rstrip(_ENDS)) :]
    if asking.asks_by_mark(bare, end):
        return True
    plain = _plain(bare).removeprefix("and ")
    if end:
        return bool(_ASKS_ALOUD.match(plain))
    first = plain.split(maxsplit=1)[0].rstrip(",") if plain else ""
    if first in asking.OPENERS and (first in asking.ENGLISH or not _is_english(words(plain))):
        return not opens_telling(plain)
    if _AUXILIARY.match(plain) or _REQUEST.match(plain) or _ASKS_LAST.search(plain):
        return True
    return asking.asks(plain) and not opens_telling(plain)


def _without_pictures(sentence: str) -> str:
    """Take away what people put after their last punctuation mark: quotes, brackets, emoji."""
    end = len(sentence)
    while end and (
        (last := sentence[end - 1]) in _CLOSING
        or "\u2190" <= last <= "\u2bff"
        or last in "\ufe0e\ufe0f\u200d"
        or last >= "\U0001f000"
    ):
        end -= 1
    return sentence[:end]


def _length(sentence: str) -> float:
    """Return the number of words; in a script without spaces, of pairs of characters."""
    run = 0 if sentence.isascii() else sum(map(len, RUN.findall(sentence)))
    return max(run / 2, len(_WORD.findall(sentence)))


def _plain(sentence: str) -> str:
    return sentence.casefold().replace("’", "'").lstrip(_OPENING)
