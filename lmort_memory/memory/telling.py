# ruff: noqa: SIM905 - lists of words
"""What is told in the form, or with the opening, of a question; and of whom two sentences tell.

`tells` and `opens_telling` take a sentence in lower case, with straight apostrophes, without marks
before it.
"""

from __future__ import annotations

import re
from difflib import SequenceMatcher
from typing import Final

__all__ = ["opens_telling", "tell_of_others", "tells"]

_SUBJECT: Final = r"(?:i|i'm|i've|i'd|we|we're|we've|he|he's|she|she's|they|they're|it|it's)"
_OWNER: Final = r"(?:my|our|his|her|their|the)"
# A clause: "I am …", "my sister moved …", but not "my sister's name".
_CLAUSE: Final = rf"(?:that |{_SUBJECT} |{_OWNER} (?:[\w'-]+ ){{2,4}}[\w'-])"
_WH: Final = r"(?:what|when|where|which|who|whose|why|how|if|whether|about|of|me|us|any)\b"

# "Can you remember that …?", "Could you note …?", "Can you save this: …?"
_TO_KEEP = re.compile(
    r"(?:please |hey |ok,? |okay,? |also,? |and |so )*"
    r"(?:(?:can|could|will|would) (?:you|u) )?(?:please )?"
    rf"(?:remember (?:that |this:|for me that )|(?:note|save|store|write down|jot down|keep in mind"
    rf"|make a note|record|memori[sz]e|log)(?! {_WH}) )"
)
# "Did I tell you (that) …?", "Did you know (that) …?"
_KNOWN = re.compile(
    r"(?:hey |and |so |oh )*(?:(?:did|have) i (?:ever |already |not )?"
    r"(?:tell|told|mention|mentioned)(?: to)?(?: you)?|didn't i (?:tell|mention)(?: to)?(?: you)?"
    r"|did you (?:know|hear)"
    rf"|have you heard|guess what) {_CLAUSE}"
)
# "My dog is called Rex, right?"
_TAG = re.compile(
    r", ?(?:right|correct|ok|okay|yeah|yes|no|eh|huh|innit|you know|remember|"
    r"(?:is|are|was|were|do|does|did|have|has|had|will|would|can|could|should|wo|ca)n't"
    r" (?:i|you|he|she|it|we|they|that|there))\W*$"
)
_TAGGED = re.compile(rf"(?:{_SUBJECT}|{_OWNER}|that|this|there|you) ")

# The verb before its subject, or an auxiliary: a question, whatever follows.
_INVERTED = re.compile(
    r"\b(?:is|are|was|were|am|do|does|did|have|has|had|can|could|will|would|shall|should|may|might)"
    r"(?:n't)? (?:i|you|he|she|it|we|they|there|this|that|these|those|my|our|your|his|her|their"
    r"|the|a|an)\b"
)
_ASKS_INSIDE = re.compile(
    r"\b(?:do|does|did|have|has|can|could|will|would|should) (?:i|you|he|she|it|we|they)\b"
)
# "When I was small …", "What my mother said …": the subject where a question has its verb.
_SUBJECT_FIRST = re.compile(
    r"(?:when|where|why|how|what|who|whenever|wherever|whatever)"
    rf" (?:{_SUBJECT}|{_OWNER}|you|this|that) "
)
_AT_A_TIME = re.compile(r"(?:when|where|whenever|wherever) (?!is\b|are\b|was\b|were\b|'s)")
_ENGLISH = re.compile(
    r"(?:what|what's|whats|when|when's|where|where's|which|who|who's|whose|whom|why|how|how's)\b"
)
# What a clause is: "what I want is a kayak", but "where my keys at", a question in a hurry.
_IS = re.compile(r" (?:is|are|was|were) ")

_ONE_SENTENCE: Final = 25  # words; longer texts that differ in two places alone are the same text
_VERBS: Final = frozenset(
    "is are was were has have had lives live lived works work worked goes go went eats eat likes"
    " like loves love plays play speaks speak drives drive starts start opens open closes costs"
    " cost takes take wants want needs need moved studies study runs run teaches teach"
    " called".split()
)


def tells(sentence: str) -> bool:
    """Return whether a sentence that asks also tells: a request to keep, or a tag at its end."""
    if _TO_KEEP.match(sentence) or _KNOWN.match(sentence):
        return True
    return bool(_TAG.search(sentence) and _TAGGED.match(sentence))


def opens_telling(sentence: str) -> bool:
    """Return whether a sentence with a question's opening word and no mark tells something."""
    asks = bool(_INVERTED.search(sentence))
    after_colon = sentence.partition(": ")[2].split()
    if len(after_colon) > 1 and not asks:
        return True  # "how to open the safe: left 4, right 9"
    ends = sentence.endswith(".")
    clause = len(sentence.partition(", ")[2].split()) > 2
    if not _ENGLISH.match(sentence):
        return ends and clause  # "Quando ero piccolo, avevamo un cane."
    if _SUBJECT_FIRST.match(sentence) and not _ASKS_INSIDE.search(sentence):
        return ends or clause or bool(_IS.search(sentence))
    # "when Anna came, we went sailing"
    return bool(_AT_A_TIME.match(sentence)) and clause and not asks


def tell_of_others(one: str, other: str) -> bool:
    """Return whether two texts say the same of two: "My son Leo goes to …", "My son Max goes to …".

    They differ in whom or what they tell of, and after the same verb in what they tell; a new fact
    about the same thing differs in that alone.
    """
    words, others = (text.casefold().split() for text in (one, other))
    if max(len(words), len(others)) > _ONE_SENTENCE:
        return False
    pair = SequenceMatcher(None, words, others, autojunk=False)
    changed = [part for part in pair.get_opcodes() if part[0] != "equal"]
    replaced = all(kind == "replace" for kind, *_ in changed)
    if len(changed) < 2 or not replaced or pair.ratio() < 0.5:
        return False
    (_, _, start, *_), (_, stop, *_) = changed[:2]
    return not _VERBS.isdisjoint(words[start:stop])
