# ruff: noqa: RUF001 - lists of words, in letters of many languages
"""Words of the first person in other languages than English, and what is told only of oneself.

Where verbs and nouns say it by their endings, a table has the commonest of them: "tengo" and
"soy", "kardeşim", "أختي".
"""

from __future__ import annotations

import re
from typing import Final

__all__ = ["ONESELF", "of_oneself_inside"]

_ONESELF: Final = {
    "de": "ich mein meine meinen meinem meiner meines mich mir wir unser unsere unserem unseren"
    " uns",
    "nl": "mijn ik wij ons onze",
    "fr": "je j moi mon ma mes nous notre nos j'ai m'appelle",
    "es": "yo mi mis nosotros nosotras nuestro nuestra nuestros nuestras mí conmigo soy tengo"
    " estoy somos tenemos estamos vivo quiero puedo",
    "it": "io mio mia mie miei noi nostro nostra nostri nostre ho abbiamo siamo",
    "pt": "eu meu meus minha minhas nós nosso nossa comigo sou tenho estou moro temos",
    "scandinavian": "jeg min mit mitt mine vi vår vores jag mina",
    "pl": "ja mój moja moje mojego mojej moim moją moich mam mnie jestem nasz nasza mamy",
    "cs": "já můj moje moji mám jsem náš naše",
    "ru": "мой моя моё мое мои моего моей моему моим моём мою мне меня мной я мы нас нам наш наша"
    " нашего нашей",
    "uk": "я мій моя моє мої моєї мого мені мене ми нас наш наша",
    "tr": "benim bana beni bende bizim biz bize kardeşim kardeşimin annem annemin babam babamın"
    " eşim oğlum oğlumun kızım kızımın evim arabam arabamı işim adım numaram randevum komşum"
    " komşumun teyzem doğumgünüm bankam",
    "ar": "أنا انا لي عندي لدي معي نحن لدينا عندنا أختي اختي أخي اخي أمي امي أبي ابي ابني ابنتي"
    " زوجي زوجتي بيتي سيارتي عملي بنكي اسمي هاتفي موعدي جاري خالتي حذائي جوازي",
    "fa": "من ما مرا خواهرم برادرم مادرم پدرم",
    "he": "אני שלי אנחנו שלנו לי אותי",
    "hi": "मैं मेरा मेरी मेरे मुझे मुझको मैंने मुझसे हम हमारा हमारी हमारे हमें हमने",
    "el": "μου εγώ εμένα μας εμείς έχω είμαι",
    "vi": "tôi mình",
    "id": "saya aku kami",
    "ko": "나 내 제 저 우리 저희 내가 제가 나는 저는 난 전 나의 저의 나를 저를 우리는 우리의"
    " 나한테 저한테",
    "hy": "ես իմ ինձ մեր մենք",
}
ONESELF: Final = frozenset(" ".join(_ONESELF.values()).casefold().split())
_INSIDE = re.compile(r"我|咱|私|わたし|僕|ぼく|俺|うち[のはに]|ฉัน|ผม|ดิฉัน")


def of_oneself_inside(text: str) -> bool:
    """Return whether a text in a script without spaces has a word of the first person."""
    return not text.isascii() and bool(_INSIDE.search(text))
