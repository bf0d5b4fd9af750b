"""Questions and their answers in talk, which are found together.

An answer often shares no word with what is asked now, while the turn before it asks nearly the
same: "Which airline did you fly with?", "TAP, it was late." (experiment 42).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from lmort_memory.memory.kinds import is_question
from lmort_memory.types import TokenCodes

if TYPE_CHECKING:
    from lmort_memory.types import Record

__all__ = ["asks", "exchanges", "may_be_answered", "together"]

_LONGEST: Final = 1000  # characters of a turn that asks; a longer text is pasted


def asks(text: str) -> bool:
    """Return whether a turn of this text asks the next speaker."""
    return len(text) <= _LONGEST and is_question(text)


def may_be_answered(record: Record) -> bool:
    """Return whether a record is a turn that asks."""
    return record.session is not None and asks(record.text)


def exchanges(answers: Mapping[str, str], codes: Mapping[str, TokenCodes]) -> dict[str, TokenCodes]:
    """Return the codes of each answer together with those of its question.

    Args:
        answers: Id of a question -> id of its answer.
        codes: By id; pairs of which one has none, or of another kind, are omitted.
    """
    return {
        later: together(codes[asked], codes[later])
        for asked, later in answers.items()
        if asked in codes and later in codes and codes[asked].kind == codes[later].kind
    }


def together(question: TokenCodes, answer: TokenCodes) -> TokenCodes:
    """Return the codes of two texts of one kind as those of one chunk."""
    import numpy as np  # whoever recalls by words alone does not wait for it

    return TokenCodes(answer.kind, (np.concatenate([*question.chunks, *answer.chunks]),))
