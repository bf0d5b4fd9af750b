# ruff: noqa: RUF001 - lists of words, in letters of many languages
"""How a question is known without its mark.

By the word that opens it; by a verb before its subject; or, in languages that ask without moving
anything, by a word or particle inside it.
"""

from __future__ import annotations

import re
from typing import Final

from lmort_memory.memory.languages import compiled

__all__ = ["ENGLISH", "MARKS", "OPENERS", "asks", "asks_by_mark"]

MARKS: Final = "?？؟‽⁇⁈⁉\u037e፧⳺⳻꘏꛷"
# The Greek mark is written as a semicolon; the code of its own is on few keyboards.
_GREEK: Final = re.compile(r"[\u0370-\u03ff\u1f00-\u1fff]{2}")
_ANYWHERE: Final = ("¿", "՞")  # Spanish opens with its mark; Armenian puts it into the word

_OPENERS: Final = {
    "en": "what what's whats when when's whens where where's wheres which who who's whos whose whom"
    " why why's whys how how's hows",
    "de": "wann wo wohin woher wer wen wem wessen warum wieso weshalb welche welcher welches"
    " welchen welchem wie wieviel womit wofür wogegen woran worauf worüber wovon wozu",
    "nl": "wat wanneer waar waarom welke welk hoe hoeveel wie waarheen",
    "fr": "que quoi qui quand où comment pourquoi quel quelle quels quelles combien est-ce"
    " qu'est-ce qu'est lequel laquelle",
    "es": "qué cuándo dónde adónde quién quiénes cuál cuáles cómo cuánto cuánta cuántos cuántas",
    "it": "cosa quando dove chi perché quale quali come quanto quanti quante qual cos'è dov'è"
    " com'è",
    "pt": "onde quem quantos quantas",
    "scandinavian": "hva når hvor hvem hvorfor hvilken hvordan hvilket vad när var vem varför"
    " vilken vilket hvad hvornår",
    "pl": "co kiedy gdzie kto dlaczego jak czy ile jaki jaka jakie jaką który która które dokąd",
    "cs": "kdo kde kdy proč kolik který která které odkud",  # not "kam", which is a name too
    "ru": "что когда где кто почему как какой какая какое какие сколько куда откуда зачем чей чья"
    " чьё чьи кого кому кем чем чего какого каким какими какую каком какова каковы насколько"
    " разве неужели",
    "uk": "що коли де хто чому як який яка скільки чи куди",
    "tr": "neden niye nasıl kimin hangi nerede nereye nereden nerde",
    "id": "apakah siapa kapan mengapa kenapa bagaimana berapa",
    "ar": "متى أين اين كيف لماذا كم هل ماذا أي أية وين ليش",
    "fa": "آیا کجا چرا چطور چند کدام",
    "he": "מה מי איפה מתי למה מדוע איך כמה האם איזה איזו",
    "el": "τι πού ποια ποιος ποιο ποιοι ποιον πότε πώς πόσο πόσα πόσες πόσοι μήπως",
}
OPENERS: Final = frozenset(" ".join(_OPENERS.values()).casefold().split())
ENGLISH: Final = frozenset(_OPENERS["en"].split())

# What follows decides whether these open a question: "como se chama …", but "como te dije, …". As
# `casefold` leaves them: with ss for ß, and σ at the end of a word.
_OPENS: Final = (
    r"(?:"
    # a preposition before the word that asks
    r"(?:in|at|on|by|for|from|with|to|until|till|since|under|about|after|before|of) (?:what|which)"
    r" (?!(?:i|you|he|she|we|they|it|my|the|case|was|is|are|were)\b)\w+"
    r"|(?:until|till|since|by) when|(?:with|for|to|from|about|by|of) whom?"
    r" (?:is|are|was|were|do|does|did|can|will|should|have|has)|"
    r"(?:in|mit|von|bei|für|auf|an|um|seit|bis|zu|aus|nach|vor|gegen|über|unter)"
    r" (?:welche[mrns]?|wem|wen|wann|wo|wie ?viel\w*)"
    r"|(?:in|met|van|bij|voor|op|aan|sinds|om|tot|uit|naar) (?:welke?|wie|wanneer|waar|hoe ?veel)"
    r"|(?:à|de|dans|en|pour|avec|chez|sur|sous|par|depuis|jusqu'à|vers)"
    r" (?:quel(?:le)?s?|qui|quoi|quand|combien|où)"
    r"|(?:a|de|en|con|para|por|desde|hasta|sobre|hacia)"
    r" (?:qué|quién(?:es)?|cuál(?:es)?|cuándo|dónde|cuánt[oa]s?|que horas?)"
    r"|(?:a|de|em|com|para|por|desde|até|sobre) (?:que|quem|qual|quais|onde|quando|quant[oa]s?)"
    r"|(?:di|in|con|da|per|su|fra|tra) (?:che ora|chi|quale|quali|dove|quando|quant[oaie]|cosa)"
    r"|a (?:che ora|chi(?!-| squared?\b)|quale|quali|quando|quant[oaie]|cosa)"  # "a dove" is a bird
    r"|(?:в|во|на|с|со|у|о|об|к|из|от|до|для|по|за) (?:как(?:ой|ом|ую|их|ие|ого|ому|им)|ч[её]м|что"
    r"|кем|кого|кому|ком|сколько|скольки)"
    r"|(?:w|we|o|na|z|ze|do|od|u|dla|po|za) (?:któr\w+|jak(?:i|a|ą|ie|iej|im|ich|imi|iego|iemu)"
    r"|czym|kim|kogo|czego|ilu|kiedy)"
    r"|(?:في|من|إلى|على|منذ|مع|عن|ب) (?:أي|أين|اين|متى|كم|ماذا)"
    r"|(?:σε|από|με|για|μέχρι) (?:ποι\w+|πού|τι|πότε|πόσ\w+)"
    # a word that may also open a statement
    r"|como (?:se|é|está|fica|foi|eu|você|faço|funciona|chama)|o que (?:é|eu|foi|você|a|o)\b"
    r"|qual (?:é|era|o|a)|que (?:horas|dia|número|tamanho|cor|tipo|número|día|hora|ora|numero)"
    r"|che (?:ora|ore|giorno|numero|tipo|ne|cosa|taglia)"
    r"|(?:cual|quien) (?:es|era|fue)|donde (?:está|esta|están|estan|vive|queda|deje|puse)"
    r"|cuanto (?:cuesta|vale|mide|pesa|dura|pago|es)|c'est (?:quoi|où|quand|qui|quel\w*|combien)"
    r"|was (?:ist|sind|war|waren|hat|haben|habe|hatte|kann|muss|soll|macht?"
    r"|machen|kostet|bedeutet|heisst|gibt|wird|wurde|für)|als was"
    r"|jak\w* (?:mam|jest|ma|masz)|(?:khi nào|bao giờ|mấy giờ|bao nhiêu|tại sao|vì sao)"
    r"|ما (?:هو|هي|الذي|التي|ال\w+|نوع|اسم|رقم|عنوان|موعد|لون|عمر|معنى|سبب)"
    r"|من (?:هو|هي|هما|هم|الذي|التي)"
    r"|ai (?:đã|là|có|được|đang|sẽ)|di mana|apa (?:nama|itu|yang)"
    # a verb before its subject, and "do you know"
    r"|(?:weisst|hast|kannst|bist|kennst|erinnerst|magst|willst|könntest) (?:du|dich)"
    # but with a full stop something before it was left out: "Habe ich gekauft."
    r"|(?:ist|sind|war|hat|haben|hatte|kann|darf|muss|soll|wird|gibt|wohnt|habe|bin)"
    r" (?:ich|wir|er|es|mein\w*|unser\w*|dein\w*)(?!.*\.$)"
    r"|(?:weet|heb|ben|kun|kan|wil|herinner) (?:je|jij|u)"
    r"|(?:is|heeft|had|hebben|zijn|mag|moet|kan|heb|ben) (?:mijn|ik|onze|ons|hij|het)(?!.*\.$)"
    r"|[\w-]+-(?:tu|t-il|t-elle|t-on|il|elle|je)"
    r"|(?:est|doit|peut|veut|dit|dort|fait|met|part|sait|sert|vit|voit|prend)-on"
    r"|(?:savez|avez|pouvez|êtes)-vous"
    r"|(?:tu|vous) (?:sais|savez|te souviens|vous souvenez) (?:où|quand|qui|quel\w*|comment"
    r"|ce que|si)"
    r"|(?:sabes|recuerdas|te acuerdas de) (?:dónde|cuándo|quién|cómo|qué|cuál|cuánto|si)"
    r"|(?:você |tu )?(?:sabes?|lembras?) (?:onde|quando|quem|como|qual|quanto|se|o que)"
    r"|(?:sai|ricordi|ti ricordi) (?:dove|quando|chi|come|che|quale|quanto|se)"
    r"|(?:ты |вы )?(?:не )?(?:помнишь|знаешь|помните|знаете)|\w+ ли"
    r"|(?:pamiętasz|wiesz),? (?:gdzie|kiedy|kto|jak|co|czy|ile)"
    r"|(?:θυμάσαι|ξέρεις) (?:πού|πότε|ποι\w+|πώσ|τι|πόσ\w+|αν)"
    r")(?!\w|-(?:то|нибудь|либо))"
)
# Languages that ask in place. Only texts without any mark at their end are looked at.
_INSIDE: Final = (
    # Turkish
    r"(?:^|\s)(?:ne zaman|ne kadar|saat kaç\w*|hangi\w*|nerede|nereye|nereden|kaç|nedir|neydi"
    r"|nelerdir|kimdir|nasıldır|m[ıiuü]s[ıiuü]n\w*|m[ıiuü]y[ıiuü][mz]|m[ıiuü]yd[ıiuü])(?=\s|$)"
    r"|[^\W\d]\s(?:ne|nerede\w*|nasıl|kaç|kimdi?|mı|mi|mu|mü)$"  # but "5 mi" are miles
    # Hindi
    r"|(?:^|\s)(?:क्या|कब|कहाँ|कहां|कौन|कौनसा|कौनसी|क्यों|कैसे|कैसा|कैसी|कितना|कितने|कितनी|किस|किसका|किसकी"
    r"|किसके|किसने|किसे|किसको)(?=\s|$)"
    # Vietnamese
    r"|(?:^|\s)(?:ở đâu|là gì|tên gì|là ai|bao giờ|khi nào|bao nhiêu|mấy giờ|thế nào"
    r"|(?:gì|nào)(?! cũng))(?=\s|$)"
    r"|\s(?:không|chưa|gì|nào|đâu|mấy)$"
    # Korean
    r"|(?:^|\s)(?:어디(?!든|나)|언제(?!나|든)|누구(?!나|든)|누가|뭐(?!든|라도)|뭘|무엇|무슨|왜(?!냐)|몇|얼마(?!든)"
    r"|어떻게|어느|어떤)|[습입합됩십]니까$|(?:나요|까요|기억나|기억해|알아)$"
    # Thai, whose words are not told apart here: the last one
    r"|(?:ไหม|มั้ย|หรือเปล่า|หรือยัง|อะไร|ไหน|เมื่อไหร่|เมื่อไร|ใคร|อย่างไร|ยังไง|เท่าไหร่|เท่าไร|เท่าใด|ใด)"
    r"(?:ครับ|คะ|ค่ะ|บ้าง|นะ)*$"
)
# "ai" is Vietnamese for who, and at the end of many other texts artificial intelligence.
_VIETNAMESE: Final = re.compile(r"[ăđơư\u1ea0-\u1ef9]")
# Chinese and Japanese share letters: a run of kana decides.
_CHINESE = re.compile(
    r"[吗么]$|什么(?!都|也|的$)|怎么(?!都|也)|哪(?!怕)|谁(?!都|也)|多少|为什么|几[点个号岁次位本只层楼家种](?!月前)"
    r"|多[大长高远久重](?!了)|是不是|有没有|能不能|可不可以|会不会|要不要|对不对"
)
_NOT_CHINESE = re.compile(r"没什么|不知道|忘了|不记得|告诉|^无论|^不管")
_KANA = re.compile(r"[\u3040-\u30ff]")
_JAPANESE = re.compile(
    r"(?:か|かな|かね|っけ|かい|でしょう)$|(?:何|なに|いつ|どこ|誰|だれ|いくら|いくつ|どれ|どちら)(?![かもで])"
    r"|なぜ|どうして(?!も)|どの|どう(?![もかしぞ])|どんな(?!に)|何(?:時|人|日|月|年|歳|番|階|個)"
    r"|か(?:どうか)?(?:覚えて|知って|わかる|分かる|教えて)"
)
_POLITELY = re.compile(r"(?:です|ます|ません|でした|ました|でしょう)か$")  # a full stop may follow
_STOPS: Final = ".。｡।॥։۔"


def asks_by_mark(text: str, end: str) -> bool:
    """Return whether a sentence has the mark of a question.

    Args:
        text: The sentence.
        end: The marks at its end.
    """
    if any(mark in MARKS for mark in end) or any(mark in text for mark in _ANYWHERE):
        return True
    return text.rstrip("!… ").endswith(";") and bool(_GREEK.search(text))


def asks(plain: str) -> bool:
    """Return whether a sentence without a mark asks, in another language than English.

    Args:
        plain: The sentence in lower case, with straight apostrophes and without marks before it.
    """
    if compiled(_OPENS).match(plain):
        return True
    bare = plain.rstrip(_STOPS)
    if _KANA.search(bare):
        return bool(_POLITELY.search(bare) or (bare == plain and _JAPANESE.search(bare)))
    if bare != plain or bare.isascii():
        return False
    if compiled(_INSIDE).search(bare) or (bare.endswith(" ai") and _VIETNAMESE.search(bare)):
        return True
    return bool(_CHINESE.search(bare)) and not _NOT_CHINESE.search(bare)
