# ruff: noqa: RUF001, SIM905 - lists of words, in letters of many languages
"""Words so usual that two texts share them by chance, in other languages than English.

What distinguishes a text is left when they are gone: "Meine Bank ist die ING." is about a bank and
ING, as "My bank is ING" is. Many of them mean something in another language ("die", "war", "son"),
so only those of the one language are dropped in which a text has the most of them.

The tables have articles, pronouns, prepositions, conjunctions, what asks, and the forms of to be,
to have and the modal verbs.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from functools import cache
from typing import Final

from lmort_memory.store.words.tokenizer import STOP, fold

__all__ = ["is_english", "is_usual_pair", "usual"]

_USUAL: Final = {
    "de": "der die das den dem des ein eine einen einem einer eines und oder aber denn wenn als"
    " ob dass weil wie was wer wo wann warum welche welcher welches welchen welchem wohin woher"
    " wem wen ich du er sie es wir ihr mich dich mir dir uns euch ihm ihn ihnen sich man mein"
    " meine meinen meinem meiner meines dein deine deinen deinem deiner unser unsere unseren sein"
    " seine seinen seinem seiner ihre ihren ihrem ihrer ist sind war waren bin bist hat habe"
    " haben hast hatte hatten wird werden wurde wurden kann kannst können muss müssen soll will"
    " möchte darf nicht kein keine keinen auch noch schon nur sehr so da dann hier dort zu zum"
    " zur in im an am auf aus bei beim mit nach von vom vor für über unter um durch gegen bis"
    " seit ohne mehr doch mal ja jetzt",
    "nl": "de het een en of maar als dat wat wie waar wanneer waarom welke welk hoe ik jij je u"
    " hij zij ze wij we jullie mij me mijn jouw zijn haar ons onze hun dit deze die is was waren"
    " ben bent heb hebt heeft hebben had hadden wordt worden werd kan kun kunnen moet moeten zal"
    " wil mag niet geen ook nog al er hier daar dan te in op aan van voor met bij uit naar om tot"
    " over onder door sinds zonder meer nu toch",
    "fr": "le la les l un une des du de d et ou mais si que qu qui quoi quand comment pourquoi"
    " quel quelle quels quelles où combien je j tu il elle on nous vous ils elles me m te t se s"
    " moi toi lui leur leurs mon ma mes ton ta tes son sa ses notre nos votre vos ce c cet cette"
    " ces ça est es suis sont était étaient ai as a avons avez ont avait peux peut dois doit va"
    " ne n pas plus aussi très y en à au aux dans sur sous avec pour par sans chez depuis entre"
    " vers comme été",
    "es": "el la los las un una unos unas lo al del de y e o u pero si que qué quién cuándo"
    " cuando dónde donde cómo como cuál cuánto cuánta por porque para yo tú él ella nosotros"
    " ellos ellas usted me te se nos le les mi mis tu tus su sus nuestro nuestra este esta esto"
    " ese esa eso es son soy eres era eran está están estoy estaba ha he has han había hay tengo"
    " tiene tienes tenemos puedo puede debe va no ni ya más también muy a en con sin sobre desde"
    " hasta entre ahora ser",
    "it": "il lo la i gli le un uno una l del dello della dei degli delle al allo alla ai alle"
    " dal dalla nel nella nei nelle sul sulla di a da in con su per tra fra e ed o ma se che chi"
    " cosa quando dove come perché quale quali quanto quanta io tu lui lei noi voi loro mi ti si"
    " ci vi ne mio mia mie miei tuo tua suo sua suoi nostro nostra questo questa quello quella è"
    " sono sei era erano ho hai ha abbiamo hanno aveva può posso devo deve non più anche molto"
    " già ora adesso ero",
    "pt": "o a os as um uma uns umas de do da dos das em no na nos nas num numa ao à aos às por"
    " pelo pela para com sem sobre até desde entre e ou mas se que quem quando onde como qual"
    " quais quanto porque eu tu você ele ela nós eles elas me te lhe meu minha meus minhas teu"
    " seu sua seus suas nosso nossa este esta isto esse essa isso é são sou era eram está estão"
    " estou estava foi ter tem tenho temos tinha pode posso deve vai vou vamos não mais também"
    " muito já agora ser",
    "ru": "и а но или если что чтобы как когда где куда кто почему какой какая какое какие каком"
    " какого сколько я ты он она оно мы вы они меня мне тебя тебе его ему её ее ей нас нам вас"
    " вам их им мой моя моё мое мои моего моей моём мою моим твой твоя свой своя наш наша нашего"
    " этот эта это эти тот та то те быть был была было были есть нет не ни да уже ещё еще только"
    " тоже очень бы ли же в во на с со у о об к ко из от до для по за при над под без через"
    " теперь так там тут здесь",
    "pl": "i a ale lub albo czy że żeby jak kiedy gdzie kto co dlaczego jaki jaka jakie który"
    " która które którym ile ja ty on ona ono my wy oni mnie mi ciebie ci go mu jej nas nam was"
    " wam ich im mój moja moje mojego mojej moją moim twój twoja swój nasz nasza ten ta to te"
    " tego tej tym być jest są był była było byli mam masz ma mamy mają może nie tak już jeszcze"
    " tylko też bardzo się w we na z ze u o do od dla po za przy nad pod bez przez teraz tu tam",
    "tr": "ve veya ama ile için gibi kadar ki de da mi mı mu mü ne nerede nereye nereden kim"
    " kimin hangi kaç neden niye nasıl zaman ben sen o biz siz onlar benim bana beni senin sana"
    " seni onun ona onu bizim bize bir bu şu var yok değil çok daha en artık şimdi sonra önce"
    " olan olarak oldu",
    "ar": "في من إلى الى على عن مع منذ بعد قبل حتى بين تحت فوق عند و أو او ثم لكن أن ان إن لأن"
    " الذي التي ما ماذا متى أين اين كيف لماذا كم هل أي أنا انا أنت انت هو هي نحن هم لي لك له لها"
    " لنا عندي لدي لدينا هذا هذه ذلك تلك كان كانت يكون ليس لا لم لن قد الآن يا كل أيضا جدا عندما",
    "fa": "در از به با برای که را و یا اما اگر این آن من تو او ما شما آنها است هست بود شد چه چرا"
    " کجا کی چطور چند کدام هم تا بر",
    "he": "של את על עם אל מן לא כן גם כי אם או אבל אני אתה הוא היא אנחנו הם שלי שלך שלו שלה זה"
    " זאת מה מי איפה מתי למה איך כמה היה הייתה יש אין",
    "hi": "है हैं हूँ हूं हो था थी थे का की के को में से पर ने और या लेकिन कि जो जब तो तब अगर भी"
    " ही न नहीं मत मैं मैंने मुझे मेरा मेरी मेरे तुम तुम्हें तुम्हारा आप आपका वह वे यह ये इस उस हम"
    " हमारा हमारी हमारे हमें अपना अपनी अपने क्या कब कहाँ कहां कौन क्यों कैसे कैसा कैसी कितना कितने"
    " कितनी किस किसका किसकी एक अब साथ लिए तक बहुत गया रहा रही रहे होता होती होते",
    "el": "ο η το οι τα του της των τον την τους τις ένας μια μία ένα και ή αλλά αν ότι πως που"
    " να θα για με σε από στο στη στην στον στα στις στους προς χωρίς μέχρι τι πού πότε πώς ποιος"
    " ποια ποιο ποιον πόσο πόσα γιατί εγώ εσύ αυτός αυτή αυτό εμείς μου σου μας σας είναι είμαι"
    " ήταν έχω έχει έχουμε είχα δεν μη όχι πια πολύ τώρα όταν",
    "vi": "tôi bạn anh chị em ông bà nó chúng họ mình của là có không được bị cho với và hoặc"
    " nhưng nếu khi thì mà ở tại trong trên dưới đến từ vào ra lên này đó kia các những một đã"
    " đang sẽ rồi cũng rất nữa gì nào đâu ai sao bao giờ nhiêu mấy thế như con cái",
    "id": "yang dan atau tetapi jika di ke dari pada untuk dengan dalam ini itu saya aku kamu"
    " anda dia kami kita mereka adalah ada tidak bukan sudah akan bisa apa siapa kapan mengapa"
    " bagaimana berapa mana juga sekarang",
    "sv": "och eller men om att som när var vad vem hur varför vilken jag du han hon vi ni de mig"
    " dig oss min mitt mina din ditt vår våra är var har hade kan ska vill inte också en ett den"
    " det i på av för med till från under nu jeg min mit mine ikke og er af på til fra når hvor"
    " hvad hva hvem hvordan det har",
}
# English words and first names that are usual words elsewhere: "van rental", "bin day", "hat size".
# That a text has nothing but these does not make it Dutch or German.
_ENGLISH_TOO: Final = frozenset(
    "ada ban ben bent bin biz che chi dan den dig dove fur han hat hay hun kim mag mot nam plus pod"
    " rat roi sana sin ska soy tai tam ton tot van vers vi wen yo".split()
)
# Grammar of Chinese, and the particles and endings of Japanese: a pair with one of these says
# little, and what it belongs to has another pair, or is itself as usual. Korean has spaces, so its
# particles end a word; at the beginning of one they are a part of it, as in 은행, a bank.
_GRAMMAR = re.compile(
    "[的了是在我你您他她它们们吗呢吧和与跟也都就很没这那哪谁什么怎几不有"
    "のはがをにでとへもやかねよだ]"
    "|.[은는을를]"
)
_ALONE: Final = 1
_FEWEST: Final = 2  # ASCII words that show a language; one may be a name: "ada" is Indonesian
_STEM: Final = 5  # letters of the stems in `COMMON`


def is_usual_pair(pair: str) -> bool:
    """Return whether a pair of characters of a script without spaces is grammar."""
    return len(pair) == _ALONE or bool(_GRAMMAR.search(pair))


@cache
def _words() -> dict[str, frozenset[str]]:
    """Return the words of each language."""
    return {name: frozenset(fold(row).split()) for name, row in _USUAL.items()}


@cache
def _languages() -> dict[str, tuple[str, ...]]:
    """Return the languages of each word."""
    languages: dict[str, tuple[str, ...]] = {}
    for name, words in _words().items():
        for word in words:
            languages[word] = (*languages.get(word, ()), name)
    return languages


@cache
def _foreign() -> frozenset[str]:
    """Return the words of all languages by which a text is known not to be English.

    No word that is common in English, as "die" and "go" are, no other that English has too, and no
    single letter: an apostrophe leaves one, and names have them.
    """
    from lmort_memory.memory.common import COMMON

    english = STOP.union(*(row.split() for row in COMMON.values()))
    every = frozenset[str]().union(*_words().values())
    return frozenset(
        word
        for word in every
        if word[:_STEM] not in english
        and word not in _ENGLISH_TOO
        and (len(word) > 1 or not word.isascii())
    )


def is_english(said: Sequence[str]) -> bool:
    """Return whether a text has usual words of English, and is of no other language.

    Args:
        said: The words of the text, folded.
    """
    return not STOP.isdisjoint(said) and not usual(said)


def usual(said: Sequence[str]) -> frozenset[str]:
    """Return the usual words of the language of a text; none if that is English, or unknown.

    Args:
        said: The words of the text, folded.
    """
    if _foreign().isdisjoint(said):
        return frozenset()  # nearly every English text
    languages = _languages()
    times = Counter(name for word in said for name in languages.get(word, ()))
    name, most = times.most_common(1)[0]
    words = _words()[name]
    few = most < _FEWEST and all(word.isascii() for word in words.intersection(said))
    return words if not few and most > sum(word in STOP for word in said) else frozenset()
