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
    import numpy as np
    from numpy.typing import NDArray

    from lmort_memory.types import Record

__all__ = ["exchanges", "may_be_answered"]

_LONGEST: Final = 1000  # characters of a turn that asks; a longer text is pasted


def may_be_answered(record: Record) -> bool:
    """Return whether a record is a turn that asks."""
    return record.session is not None and len(record.text) <= _LONGEST and is_question(record.text)


def exchanges(answers: Mapping[str, str], codes: Mapping[str, TokenCodes]) -> dict[str, TokenCodes]:
    """Return the codes of each answer together with those of its question.

    Args:
        answers: Id of a question -> id of its answer.
        codes: By id; pairs of which one has none, or of another kind, are omitted.
    """
    both = {
        later: (codes[asked], codes[later])
        for asked, later in answers.items()
        if asked in codes and later in codes and codes[asked].kind == codes[later].kind
    }
    return {
        later: TokenCodes(answer.kind, (_joined(question, answer),))
        for later, (question, answer) in both.items()
    }


def _joined(one: TokenCodes, other: TokenCodes) -> NDArray[np.uint8]:
    import numpy as np  # whoever recalls by words alone does not wait for it

    return np.concatenate([*one.chunks, *other.chunks])
