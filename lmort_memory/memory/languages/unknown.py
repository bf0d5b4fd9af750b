# ruff: noqa: RUF001 - words of many languages
"""Replies that only say that nothing is known: "I don't have anything about that."."""

from __future__ import annotations

from typing import Final

from lmort_memory.memory.languages import compiled

__all__ = ["knows_nothing"]

_LONGEST: Final = 160  # characters; a longer reply says something besides
_NOTHING: Final = (
    r"\b(?:i|we) (?:do not|don'?t|did not|didn'?t|have not|haven'?t|can ?not|can'?t|could not"
    r"|couldn'?t) (?:currently |actually |really |seem to )?(?:know|have|see|find|recall|remember"
    r"|be told|been told)\b"
    r"|\bi(?:'m| am) not (?:sure|aware|certain)\b|\bi have (?:nothing|no (?:idea|knowledge))\b"
    r"|\b(?:no|not any) (?:information|notes?|record|mention|memory)\b"
    r"|\bnothing (?:about|on|in) (?:that|it|this|my|the)\b|\byou (?:have not|haven'?t) told me\b"
    r"|\bweiss (?:ich|es)\b.*\bnicht\b|\bich (?:weiss|habe|finde)\b.*\b(?:nicht|nichts|keine?n?)\b"
    r"|\bje (?:ne sais|n'ai|ne trouve|ne me souviens)\b.*\b(?:pas|rien|aucune?)\b"
    r"|\bno (?:lo sé|sé|tengo|encuentro|recuerdo)\b|\bnon (?:lo so|so|ho|trovo|ricordo)\b"
    r"|\bnão (?:sei|tenho|encontro|me lembro)\b|\b(?:weet|heb|vind) (?:ik|het)\b.*\b(?:niet|geen)\b"
    r"|\bя не (?:знаю|помню|нашла?|могу)\b|\bу меня нет\b|\bnie (?:wiem|mam|pamiętam)\b"
    r"|我不知道|我没有|不清楚|わかりません|分かりません|知りません"
)
_AND_YET: Final = (
    r"\b(?:but|however|though|except|aber|jedoch|mais|pero|ma|però|mas|maar|но|ale)\b|但"
)


def knows_nothing(reply: str) -> bool:
    """Return whether a short reply says that it does not know, and nothing else."""
    if len(reply) > _LONGEST:
        return False
    plain = reply.casefold().replace("’", "'")
    return bool(compiled(_NOTHING).search(plain)) and not compiled(_AND_YET).search(plain)
