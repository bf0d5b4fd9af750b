# ruff: noqa: RUF001 - words of many languages
"""Pronouns for what was said before, in many languages.

Left out is what is a usual word, or a name, in another of them: Polish "on", Norwegian "hans".
"""

from __future__ import annotations

import re
from typing import Final

__all__ = ["PRONOUN"]

_WORDS: Final = {
    "en": "he she they him her them his hers its their theirs it there",
    "de": "er sie ihn ihm ihr ihre ihren ihrem ihrer seine seinen seinem seiner dort",
    "fr": "elle lui leur leurs ils elles ses",
    "es": "él ella ellos ellas su sus",
    "it": "lui lei loro suo sua suoi",
    "pt": "ele ela eles elas dele",
    "nl": "hij zij haar",
    "scandinavian": "han hun hon hennes henne hende deres deras",
    "pl": "ona oni jego jej",
    "ru": "он она они его её ее их ему ей им него неё нее нём нем ней них там",
    "uk": "він вона вони його її їх йому їй",
    "hi": "वह वे उसका उसकी उसके उसे उनका उनकी उनके",
    "ar": "هو هي هم",
}
# "The other one", "how much was that"; and where words have no spaces between them.
PRONOUN: Final = re.compile(
    rf"(?<!\w)(?:{'|'.join(' '.join(_WORDS.values()).split())})(?![\w\u0900-\u0963])"
    r"|\bthat(?=\W*$)"
    r"|\bthe (?:other|same|second|next|new|old) one\b|[他她它]|彼女?(?=[はがのをに])",
    re.IGNORECASE,
)
