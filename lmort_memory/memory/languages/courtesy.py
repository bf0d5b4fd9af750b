# ruff: noqa: RUF001 - letters of many languages
"""Greetings, thanks, agreement and farewells, in other languages than English.

Each language has the words of which at least one is needed, and after "|" those that may stand
beside them. Words are compared without accents, which people leave out.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from functools import cache
from typing import Final

from lmort_memory.memory.languages import compiled
from lmort_memory.store.words.tokenizer import RUN, fold

__all__ = ["is_courteous"]

_EVERYWHERE: Final = (
    "ok okay okey oki hi hello hey hallo ciao bye thanks thx sorry wow super haha hahaha"
    " lol cool perfect"
)
_SPACED: Final = {
    "de": "danke dankeschön guten moin servus grüezi grüß tschüss tschau tschö klar gern gerne"
    " genau stimmt passt prima schön ja nein doch nö jo gut bitte bis richtig verstehe verstanden"
    " egal na hm aha achso entschuldigung verzeihung geht gehts hehe grüße natürlich schade gute"
    " | morgen tag abend nacht mittag wie es dir ihnen euch sehr vielen herzlichen dank schon"
    " alles das ist war mir auch und noch einen schönen wochenende dann bald später nachher"
    " gleich so mal ach oh ganz ich dich du nicht macht nichts sag bin hab da was los toll",
    "nl": "dank dankje bedankt dankjewel goedemorgen goedemiddag goedenavond goedenacht hoi doei"
    " dag ja nee prima leuk fijn fijne goed graag klopt precies tot oké oke mooi jawel | je wel u"
    " jou hoe gaat het heel erg morgen straks later avond weekend dat is nog een en met mij ook"
    " ben alles welterusten",
    "fr": "merci bonjour bonsoir salut coucou daccord oui non ouais parfait génial super bien"
    " voilà exact exactement bisous adieu bonne désolé désolée pardon volontiers chouette |"
    " beaucoup mille bien ça va et toi vous au revoir à demain bientôt tout de suite cest vrai"
    " très comment vas tu allez nuit journée soirée matin sil te plaît aussi ce nest pas rien"
    " grave laisse tomber moi je du un plus tard ah oh infiniment",
    "es": "gracias hola buenos buenas buen adiós vale sí claro genial perfecto perfecta estupendo"
    " exacto bien bueno hasta chao chau jaja jajaja jeje dale listo cierto verdad perdón"
    " encantado tal estás está igual | muchas muchísimas mil días día tardes noches qué cómo va"
    " todo luego mañana pronto la vista es muy y tú da de nada por favor ah oh eso ya a ti que"
    " vaya lo siento no",
    "pt": "obrigado obrigada oi olá bom boa tchau sim não claro valeu beleza certo ótimo perfeito"
    " legal tudo até adeus exato isso kkk kkkk rsrs desculpa | muito muita dia tarde noite bem"
    " com você vocês e como vai está vão logo amanhã breve mais de nada por favor é verdade ah oh"
    " joia mesmo sem problema já a",
    "it": "grazie buongiorno buonasera buonanotte salve arrivederci sì certo perfetto bene buona"
    " ottimo esatto vero prego scusa scusi volentieri va ahah ahahah bello daccordo | mille molte"
    " tante come stai sta tutto bene a domani presto dopo giornata serata notte e tu anche te è"
    " molto di niente per favore ah oh non importa fa niente così no",
    "ru": "спасибо привет здравствуй здравствуйте доброе добрый доброй пока да нет хорошо ладно"
    " понятно понял поняла отлично супер окей ок класс точно верно ясно благодарю пожалуйста хаха"
    " ага угу извини извините здорово | большое огромное тебе вам утро день вечер ночи как дела"
    " ты вы до завтра свидания встречи скорого всё все очень и это так неважно ничего страшного"
    " не за что у меня правда ну ха",
    "uk": "дякую привіт вітаю добрий доброго так ні добре гаразд зрозуміло будь | дуже ранок день"
    " вечір дня ласка як справи до побачення завтра все",
    "pl": "dziękuję dzięki dzień dobry dobranoc cześć hej siema witam tak nie dobra dobrze jasne"
    " super pa świetnie okej rozumiem racja przepraszam proszę jutra zobaczenia widzenia | bardzo"
    " wielkie ci wieczór co słychać u ciebie do jak się masz miłego dnia w porządku spoko i to no",
    "cs": "děkuji díky ahoj dobrý dobré ano ne jasně dobře | den ráno večer moc jak se máš na"
    " shledanou zítra",
    "sv": "tack hej hejdå ja nej okej tak hei | så mycket morgon kväll natt dag hur mår du takk"
    " det går bra vi ses imorgon på god",
    "tr": "teşekkürler teşekkür sağol sağ merhaba selam günaydın iyi tamam evet hayır peki güle"
    " hoşça harika süper eyvallah görüşürüz nasılsın nasılsınız anladım olur aynen rica tabii |"
    " çok ederim ol akşamlar geceler günler yarın sonra güle kal ne haber var yok bir şey değil"
    " sen güzel doğru o zaman ya",
    "ar": "شكرا شكراً مرحبا مرحباً أهلا اهلا السلام سلام صباح مساء تمام حسنا حسناً نعم لا طيب وداعا"
    " ممتاز رائع جيد عفوا ماشي أجل اللقاء الغد | جزيلا جزيلاً لك لكم عليكم وعليكم الخير النور كيف"
    " حالك إلى غدا مع السلامة بأس وسهلا الله على جدا حقا صحيح يا هذا كثيرا",
    "fa": "سلام ممنون مرسی متشکرم خداحافظ بله نه باشه خوب | خیلی حالت چطوره صبح بخیر شب",
    "he": "תודה שלום היי כן לא בסדר מעולה ביי להתראות בוקר לילה ערב | רבה טוב אור מה שלומך נשמע על",
    "hi": "धन्यवाद शुक्रिया नमस्ते नमस्कार हाँ हां जी नहीं ठीक अच्छा अलविदा शुभ बढ़िया सही बिल्कुल हाय"
    " हैलो माफ़ | बहुत है हो कैसे कैसी आप तुम हैं रात्रि प्रभात सुबह दिन फिर मिलेंगे कल मिलते अरे और"
    " कोई बात आपका करना सब यह हूँ मैं",
    "el": "ευχαριστώ γεια γειά καλημέρα καλησπέρα καληνύχτα ναι όχι εντάξει καλά τέλεια ωραία"
    " αντίο σωστά βέβαια παρακαλώ συγγνώμη χαίρετε οκ | πολύ σου σας τι κάνεις κάνετε τα λέμε"
    " αύριο μετά είσαι πώς και εσύ είναι ακριβώς μια χαρά δεν πειράζει σε",
    "vi": "cảm ơn cám chào vâng dạ ừ được tạm rồi tốt tuyệt ok đúng hẹn | bạn nhiều buổi sáng tối"
    " chiều khỏe không biệt xin mai gặp lại quá rất thế à nhé có ngủ ngon anh chị em vậy sao",
    "id": "terima makasih halo hai selamat ya tidak baik oke sampai | kasih banyak pagi siang"
    " malam sore apa kabar jumpa besok nanti tinggal sama",
}
# Runs of these, in scripts that have no spaces or where words take endings.
_JOINED: Final = (
    # Chinese
    " 谢谢你 谢谢您 谢谢 多谢 感谢 谢了 你好吗 你好 您好 大家好 早上好 下午好 晚上好 早安 晚安 早"
    " 嗨 哈喽 再见 拜拜 明天见 回头见 待会见 好的 好吧 好呀 好啊 好 行 可以 没事 没问题 没关系"
    " 没错 算了 对的 对 是的 是啊 是 嗯嗯 嗯 哦 噢 哈哈哈 哈哈 嘿嘿 呵呵 太好了 太棒了 真棒 不错"
    " 知道了 明白了 明白 了解 收到 不客气 不用谢 对不起 抱歉 辛苦了 当然 真的 不 啊 呀 啦 了 謝謝"
    " 再見 沒問題 沒關係 對 對不起 哈囉 不客氣"
    # Japanese
    " ありがとうございます ありがとうございました ありがとう どうもありがとう どうも"
    " おはようございます おはよう こんにちは こんばんは おやすみなさい おやすみ さようなら またね"
    " また明日 またあした また じゃあね じゃあ じゃ はい うん ええ いいえ いや 了解です"
    " 了解しました 了解 わかりました わかった 分かりました 分かった なるほど そうですね そうです"
    " そうだね そう いいですね いいね すごい よかった お元気ですか 元気ですか 元気 すみません"
    " ごめんなさい ごめん お疲れ様です お疲れ様 お疲れ よろしくお願いします よろしく もちろん"
    " 大丈夫です 大丈夫 オーケー ね よ"
    # Korean
    " 감사합니다 감사해요 고맙습니다 고마워요 고마워 안녕하세요 안녕히가세요 안녕히계세요 안녕"
    " 잘지내세요 잘지내요 잘지내 잘자요 잘자 네 예 응 아니요 아니 알겠습니다 알겠어요 알겠어"
    " 알았어요 알았어 좋아요 좋아 그래요 그래 맞아요 맞아 괜찮아요 괜찮아 좋은아침이에요 좋은아침"
    " 내일봐요 내일봐 또봐요 또봐 다음에봐요 수고하세요 미안해요 미안해 죄송합니다 하하 ㅎㅎ"
    " ㅋㅋㅋ ㅋㅋ 정말 진짜 아 어 오"
    # Thai
    " สวัสดี ขอบคุณมาก ขอบคุณ ขอบใจ ครับ ค่ะ คะ จ้า ได้ โอเค ตกลง ใช่ ไม่เป็นไร สบายดีไหม ลาก่อน"
    " ราตรีสวัสดิ์ แล้วเจอกัน นะ ดี มาก ไม่"
)
_NOT_LETTERS = re.compile(r"[\W_]+|ok")
_ENOUGH: Final = (
    "(?:"
    + "|".join(sorted((_NOT_LETTERS.sub("", one) for one in _JOINED.split()), key=len)[::-1])
    + ")+"
)
_LONGEST: Final = 20  # letters of a script without spaces


@cache
def _by_language() -> tuple[tuple[frozenset[str], frozenset[str]], ...]:
    """Return, for each language, its words and those of which one is needed."""
    everywhere = _folded(_EVERYWHERE)
    tables = []
    for row in _SPACED.values():
        needed, _, others = row.partition("|")
        tables.append((everywhere | _folded(needed + others), everywhere | _folded(needed)))
    return tuple(tables)


def _folded(row: str) -> frozenset[str]:
    return frozenset(fold(row).split())


def is_courteous(text: str, said: Collection[str]) -> bool:
    """Return whether a text is only a greeting, thanks, agreement or a farewell.

    Args:
        text: The text in lower case.
        said: Its words, without accents.
    """
    if RUN.search(text):
        bare = _NOT_LETTERS.sub("", text)
        return len(bare) <= _LONGEST and bool(compiled(_ENOUGH).fullmatch(bare))
    return any(
        every.issuperset(said) and not needed.isdisjoint(said) for every, needed in _by_language()
    )
