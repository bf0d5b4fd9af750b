"""Statements that look like questions, or open like one.

Functions take a sentence in lower case, with straight apostrophes and without marks before it.
"""

from __future__ import annotations

import re
from typing import Final

from lmort_memory.memory.languages import keeping

__all__ = ["AUXILIARY", "opens_telling", "tells"]

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
# "Can you keep this for me: the code is 4711?" Whatever is asked for, what follows is told.
_HANDED_OVER = re.compile(
    r"(?:please |hey |ok,? |okay,? |also,? |and |so )*"
    r"(?:(?:can|could|will|would) (?:you|u)(?: mind)?|(?:do|would) you mind) [^:?]*: (?P<told>.+)"
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

AUXILIARY: Final = (
    r"(?:is|are|was|were|do|does|did|can|could|will|would|shall|should|have|has|had|may|might|am)"
    r"(?:n't)?"
)
# The verb before its subject, or an auxiliary: a question, whatever follows.
_INVERTED = re.compile(
    rf"\b{AUXILIARY} (?:i|you|he|she|it|we|they|there|this|that|these|those|my|our|your|his|her"
    r"|their|the|a|an)\b"
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
    r"(?:what|what's|whats|when|when's|whens|where|where's|wheres|which|who|who's|whos|whose|whom"
    r"|why|why's|whys|how|how's|hows)\b"
)
# What a clause is: "what I want is a kayak", but "where my keys at", a question in a hurry.
_IS = re.compile(r" (?:is|are|was|were) ")


def tells(sentence: str) -> bool:
    """Return whether a sentence that asks also tells: a request to keep, or a tag at its end."""
    if _TO_KEEP.match(sentence) or _KNOWN.match(sentence) or keeping.asks_to_keep(sentence):
        return True
    if (found := _HANDED_OVER.match(sentence)) and _is_told(found["told"]):
        return True
    return bool(_TAG.search(sentence) and _TAGGED.match(sentence)) or keeping.is_tagged(sentence)


def _is_told(said: str) -> bool:
    """Return whether what follows a colon is told: several words, and no question."""
    return len(said.split()) > 1 and not (_INVERTED.search(said) or _ENGLISH.match(said))


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
