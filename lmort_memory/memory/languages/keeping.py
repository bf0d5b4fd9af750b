# ruff: noqa: RUF001 - letters of many languages
"""How somebody tells something in the form of a question, in other languages than English.

"Kannst du dir merken, dass …?", "¿Puedes apuntar que …?", or with a tag: "…, oder?".
"""

from __future__ import annotations

from typing import Final

from lmort_memory.memory.languages import asking, compiled

__all__ = ["asks_to_keep", "is_tagged"]

# As `casefold` leaves words: with ss for ß, and σ at the end of a word.
_TO_KEEP: Final = (
    r"(?:bitte )?(?:kannst|könntest) du (?:dir |mir )?(?:bitte )?(?:merken|notieren|aufschreiben"
    r"|speichern),? dass "
    r"|(?:kun|kan|wil) je (?:\w+ )?(?:noteren|onthouden|opschrijven|opslaan) dat "
    r"|(?:tu peux|peux-tu|tu pourrais|pourrais-tu|vous pouvez|pouvez-vous) (?:te |vous )?(?:noter"
    r"|retenir|rappeler|enregistrer|souvenir) qu[e']"
    r"|(?:puedes?|podrías?) (?:apuntar|anotar|recordar|guardar|acordarte de)(?:te|me)? que "
    r"|(?:você |tu )?(?:pode|podes|poderia|consegue) (?:anotar|lembrar|guardar|salvar"
    r"|registrar) que "
    r"|(?:puoi|potresti) (?:segnar|annotar|ricordar|salvar)(?:e|ti|mi) che "
    r"|(?:ты )?(?:можешь|можете|мог бы) (?:записать|запомнить|сохранить|отметить),? что "
    r"|(?:czy )?(?:możesz|mógłbyś) (?:zapisać|zapamiętać|zanotować),? że "
    r"|.*\w(?:[ıiuü]n[ıiuü]|[ıiuü]m[ıiuü]) (?:not (?:eder|alır)|hatırlar|kaydeder"
    r"|yazar) m[ıi]s[ıi]n"
    r"|(?:هل )?(?:يمكنك|تستطيع|ممكن) (?:أن )?(?:تسجل|تتذكر|تحفظ|تدون|تكتب) (?:أن|ان)"
    r"|(?:क्या )?(?:तुम |आप )?(?:लिख|याद रख|नोट कर|सेव कर) (?:सकते|सकती|लोगे|लेंगे)(?: हो| हैं)? कि "
    r"|(?:你|您|请|可以|能|帮我|麻烦){1,4}(?:记一下|记住|记下来?|备注)(?!什么|谁|哪)\w{3}"
    r"|.+(?:だと|って|ことを|のを|ると|たと)(?:メモして|覚えて(?:お|くれ|もら|い?て(?:くだ|ほし))|記録して|控えて)"
    r"|.+다고 (?:적어|기억해|메모해|저장해) ?(?:줄|주|둘)"
    r"|(?:bạn )?(?:có thể )?(?:ghi (?:lại|nhớ|chú)|lưu lại|nhớ)(?: giúp)?(?: tôi)? (?:là|rằng) "
    r"|(?:μπορείσ|μπορείτε|θα μπορούσεσ) να (?:σημειώσεισ|θυμάσαι|κρατήσεισ|γράψεισ) (?:ότι|πωσ) "
)
_TAG: Final = (
    r"[,，、] ?¿?(?:oder|nicht wahr|gell|stimmt's|hè|toch|niet waar|n'est-ce pas|hein|verdad|cierto"
    r"|vero|giusto|né|não é|certo|правда|верно|не так ли|prawda|değil mi|أليس كذلك|صحيح|है ना|ना"
    r"|对吧|对吗|是吧|对不对|是不是|맞지|그렇지|σωστά|έτσι|phải không)\W*$"
    r"|(?:です|ます|だ|た)よね\W*$"
)


def asks_to_keep(sentence: str) -> bool:
    """Return whether a sentence asks to keep what it tells."""
    return bool(compiled(_TO_KEEP).match(sentence))


def is_tagged(sentence: str) -> bool:
    """Return whether a sentence tells, with a question's tag at its end: "…, oder?".

    After what asks by itself a tag is a flourish.
    """
    tag = compiled(_TAG).search(sentence)
    if tag is None:
        return False
    told = sentence[: tag.start()]
    return bool(told) and told.split(maxsplit=1)[0] not in asking.OPENERS and not asking.asks(told)
