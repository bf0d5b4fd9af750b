"""What WhatsApp itself writes into an exported chat, in the languages of phones.

Where a mark tells more than a phrase, the mark counts: U+200E begins what an iPhone wrote, and a
message of nothing but <…> is Android's stand-in for a file, in every language.
"""

from __future__ import annotations

import re

__all__ = [
    "AFTERNOON",
    "HALVES",
    "MARKS",
    "NOON",
    "is_deleted",
    "is_notice",
    "is_sentence",
    "without_files",
]

MARKS = "\u200e\u200f\u061c\u202a-\u202e\u2066-\u2069\ufeff"

_MORNING = """上午 午前 凌晨 早上 清晨 오전 ص SA ÖÖ π.μ. π.μ πμ ق.ظ. ق.ظ पूर्वाह्न म.पू.
    ก่อนเที่ยง de. dop. пр.об. לפנה״צ fm. fm ap.""".split()  # noqa: RUF001, SIM905
_AFTERNOON = """下午 午後 晚上 傍晚 오후 م CH ÖS μ.μ. μ.μ μμ ب.ظ. ب.ظ अपराह्न म.उ.
    หลังเที่ยง du. odp. сл.об. אחה״צ em. em ip.""".split()  # noqa: RUF001, SIM905
AFTERNOON = frozenset(word.lower() for word in _AFTERNOON)
NOON = frozenset({"中午"})  # from eleven to one
HALVES = "|".join(
    re.escape(word) for word in sorted({*_MORNING, *_AFTERNOON, *NOON}, key=len, reverse=True)
)

_EDITED = re.compile(
    r"\s*(?:\u200e\s*<[^<>\n]{3,80}>"
    r"|<(?:This message was edited|Diese Nachricht wurde bearbeitet|Se editó este mensaje"
    r"|Mensagem editada|Ce message a été modifié|Questo messaggio è stato modificato"
    r"|Dit bericht is bewerkt)\.?>)\s*$"
)
_OMITTED = r"(?:omitted|weggelassen|omitido|omitida|omesso|omessa|omis|omise|weggelaten)"
_FILE = re.compile(
    r"<[^<>\n]{0,60}(?:omitted|ausgeschlossen|weggelassen|omitido|omitida|oculta|omess[oiae]|omis|"
    r"weggelaten|utelat|udeladt|utelämna|omini?ęto|опущен|медиафайлов|省略|생략)[^<>\n]{0,20}>"
    r"|(?:image|video|audio|sticker|GIF|document|Contact card|Bild|Video|Audio|Sticker|Dokument|"
    rf"imagen|imagem|vídeo|áudio|documento|immagine|afbeelding) {_OMITTED}"
    r"|<(?:attached|Anhang|adjunto|anexado|allegato|pièce jointe|bijgevoegd)\s?: [^<>\n]+>"
    r"|\u200e<[^<>:\n]{3,40}: [^<>\n]+\.\w{2,5}>"  # attached, in every language
    r"|^\u200e?[A-Z]{3,5}-\d{8}-WA\d{4,}\.\w{2,5}(?: \([^()\n]{3,40}\))?"
    r"|^\u200e[^\n]{1,200}\.\w{2,5} \([^()\n]{3,40}\)"
    r"|[^\n]{1,200}\.\w{2,5} \((?:file attached|Datei angehängt|archivo adjunto|arquivo anexado|"
    r"file allegato|fichier joint|bestand bijgevoegd)\)",
    re.IGNORECASE,
)
_ALL_IN_BRACKETS = re.compile(r"<(?![^>]*(?:://|@))[^<>\n]{3,60}>")
_FILE_NAME = re.compile(r"[^\n]{1,200}\.\w{2,5}(?: • [^\n]{0,40})?")
_DELETED = re.compile(
    r"(?:(?:This message was|You) deleted(?: this message)?|Diese Nachricht wurde gelöscht|"
    r"Du hast diese Nachricht gelöscht|Se eliminó este mensaje|Este mensaje fue eliminado|"
    r"Eliminaste este mensaje|Mensagem apagada|Esta mensagem foi apagada|"
    r"Você apagou esta mensagem|Ce message a été supprimé|Vous avez supprimé ce message|"
    r"Questo messaggio è stato eliminato|Hai eliminato questo messaggio|"
    r"Dit bericht is verwijderd|(?:U hebt|Je hebt) dit bericht verwijderd|"
    r"Данное сообщение удалено|Вы удалили данное сообщение|"
    r"Bu mesaj silindi|Bu mesajı sildiniz|"  # noqa: RUF001
    r"Detta meddelande raderades|Det här meddelandet har raderats|"
    r"Du raderade det här meddelandet|"
    r"Ta wiadomość została usunięta|Usunięto tę wiadomość|"
    r"Pesan ini dihapus|Anda menghapus pesan ini|null)\.?"
)
_ENCRYPTED = re.compile(
    r".{0,40}(?:end-to-end|Ende-zu-Ende|de extremo a extremo|bout en bout)", re.S
)


def without_files(text: str) -> str:
    """Return what a person wrote of a message: no stand-ins for files, no note that it was edited.

    `text` still has its invisible marks.
    """
    rest, files = _FILE.subn("", text)  # first: the mark of an edit may look like that of a file
    rest = _EDITED.sub("", rest)
    bare = re.sub(f"[{MARKS}]", "", rest).strip()
    if _ALL_IN_BRACKETS.fullmatch(bare) or (files and _FILE_NAME.fullmatch(bare)):
        return ""
    return rest


def is_deleted(text: str) -> bool:
    """Whether a message says that it was deleted."""
    return _DELETED.fullmatch(text) is not None


def is_sentence(author: str) -> bool:
    """Whether what stands before a colon is not a name, but half a sentence of WhatsApp's.

    Such as: Ada changed the subject to “Bees: winter”.
    """
    if author.count('"') % 2 or author.count("«") != author.count("»"):
        return True
    return sum(map(author.count, "“”„")) % 2 == 1


def is_notice(text: str) -> bool:
    """Whether WhatsApp wrote a message: `text` still has its invisible marks.

    What an iPhone adds begins with U+200E; polls and places, which people make, do too.
    """
    bare = text.rstrip().lstrip(" \u00a0\u202f")  # the last message of a file has its line's end
    marked = bare.startswith("\u200e") and "\n" not in bare and "http" not in bare
    return marked or _ENCRYPTED.match(re.sub(f"[{MARKS}]", "", bare)) is not None
