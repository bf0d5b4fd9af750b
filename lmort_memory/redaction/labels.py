"""Secrets that are known by what stands before them: a word such as "password:", a command."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from .rules import Rule
from .values import is_codes, is_mixed_password, is_password, is_value

__all__ = ["LABELLED"]

_PASSWORD = (
    r"(?:pass(?:word|wd|wort|phrase|ord|code)|kennwort|wachtwoord|contrase[nñ]a|senha|mot de passe"
    r"|pwd|(?:wlan|wifi|wi-fi)[ -]?(?:schlüssel|key)|lösenord|adgangskode|salasana|heslo|hasło"
    r"|jelszó|parola|şifre|lozinka|mật khẩu|пароль|密码|密碼|パスワード|비밀번호)"
)
_KEY = (
    r"(?<![A-Za-z0-9])"
    r"(?:api[ _-]?key|secret[ _-]?(?:access[ _-]?)?key|client[ _-]?secret|access[ _-]?key|"
    r"(?:access|auth|bearer|refresh|bot|api)[ _-]?token|private[ _-]?key|secret|token)"
)
# Markup and quotes stand on either side of the colon: **Password:** `x`, "password": "x".
_MARKS = r"(?:[*_`\"']|~~){0,4}"
_SAID = (
    rf"{_MARKS}\s*(?::=|=>|[:=：])"  # noqa: RUF001  a wide colon
    # An empty value is none, and nor is what comes after it.
    rf"(?!\s*(?:\"\"|''|``)){_MARKS}\s*{_MARKS}"
)
_IS = rf"{_MARKS}\s+(?:is|was|ist|lautet|est|es|är|er|è)(?::\s*|\s+)"
# "Pass" and "pw" are labels where a sign follows; a test that has run says "PASS: its-name".
_PASS = r"(?<![A-Za-z0-9])(?!(?<!_)(?-i:PASS: ))(?:pass|pw)"
# Behind a sign a value goes on up to white space: passwords have commas, brackets and quotes.
_ALL = r"[^\s\"'`<>|,;)\]}][^\s\"<>|]{3,}"


def _password(
    pattern: str, holds: Callable[[str], bool], *, sign: str = "", trims: bool = False
) -> Rule:
    return Rule("password", re.compile(pattern, re.I), sign, holds, trims)


def _cell(
    kind: str, label: str, value: str, holds: Callable[[str], bool], *, trims: bool = False
) -> Rule:
    """Return the rule of | label | value |: a row of headings has no label in its first cell."""
    pattern = (
        rf"^[ \t]*\|[^|\n]{{0,40}}{label}{_MARKS}:?{_MARKS}[ \t]*\|[ \t]*{_MARKS}{value}[ \t]*\|"
    )
    return Rule(kind, re.compile(pattern, re.I | re.M), "|", holds, trims)


LABELLED: Final[tuple[Rule, ...]] = (
    Rule(
        "password on a command line",
        re.compile(
            r"\b(?:curl\b[^\n]{0,1000}?\s(?:-u|--user)\s+[\"']?(?!https?:)[^\s:]+:"
            r"|(?:mysql|mysqldump|mariadb)\b[^\n]{0,1000}?\s-p(?!\w+-[a-z-]+(?:\s|$))(?=\S)"
            r"|(?:(?:docker|podman|registry|az|oc) login|sshpass)\b"
            r"[^\n]{0,1000}?\s(?:-p|--password)[ =]"
            r"|machine\s+\S+\s+login\s+\S+\s+password\s+)"
            r"[\"']?(?P<secret>[^\s\"']{4,})"
        ),
        "",
        is_password,
    ),
    Rule(
        "password of a network",
        re.compile(r"\bWIFI:[^\n]{0,80}?\bP:(?P<secret>(?:\\.|[^;\n\\]){4,});"),
        "wifi:",
    ),
    Rule(
        "cookie",
        re.compile(
            r"\bcookie:\s[^\n]*?(?:session|sid|auth|token|jwt)[\w.-]*=(?P<secret>[^\s;]{12,})", re.I
        ),
        "cookie:",
    ),
    Rule(
        "seed phrase",
        re.compile(
            r"(?:seed|recovery|mnemonic)(?: phrase| words)?\s*[:=]\s*"
            r"(?P<secret>(?:[a-z]{3,8}[ ,]+){11,23}[a-z]{3,8})\b",
            re.I,
        ),
        "",
    ),
    Rule(
        "recovery code",
        re.compile(
            r"(?:recovery|backup|rescue) codes?\s*[:=]\s*"
            r"(?P<secret>[A-Za-z0-9][\w-]{5,30}(?:[ ,;\n]+[\w-]{6,30}){0,15})",
            re.I,
        ),
        " code",
        is_codes,
    ),
    Rule(
        "password in an address",
        re.compile(
            r"\b[a-z][a-z0-9+.-]{1,20}://[^\s/:@\"'<>]*(?:@[\w.-]+)?:(?!\d{1,5}[/?#])"
            r"(?P<secret>[^\s\"'<>]{3,500})"
            r"@(?=[\w.-]+(?::\d+)?(?:[/?,\s\"'>]|$))",
            re.I,
        ),
        "://",
        is_password,
    ),
    Rule(
        "authorization header",
        re.compile(
            r"\bauthorization[\"']?\s*[:=]\s*[\"']?(?:bearer|basic|token)\s+"
            r"(?P<secret>[\w.~+/=-]{8,})",
            re.I,
        ),
        "authorization",
    ),
    _password(
        rf"{_PASSWORD}{_SAID}(?P<quote>[\"'`])"
        r"(?P<secret>(?:(?!(?P=quote)(?!\w))[^\n]){4,200})(?P=quote)",
        is_password,
    ),
    _password(  # alone on the rest of its line
        rf"{_PASSWORD}{_SAID}(?P<secret>{_ALL})(?<![,;:)])[ \t\r]*(?=\n|$)",
        is_password,
        trims=True,
    ),
    _password(rf"{_PASSWORD}{_SAID}(?P<secret>{_ALL})", is_mixed_password, trims=True),
    _password(
        rf"{_PASS}{_SAID}(?P<secret>{_ALL})",
        lambda text: len(text) > 5 and is_mixed_password(text),
        trims=True,
    ),
    _password(
        rf"{_PASSWORD}(?:{_IS}{_MARKS}|\s+(?=\S{{8}}))"
        r"(?P<secret>(?:[^\s\"'`<>|,;)\]}]|[,;)](?=\w)){5,}?)"
        r"(?=[.!?]?(?:[\s,;)\"'`<>|\]}*]|$))(?![,;)]\w)",
        is_mixed_password,
    ),
    _password(rf"{_PASSWORD}>(?P<secret>[^\s<>]{{4,}})</", is_password, sign="</"),
    _cell("password", _PASSWORD, r"(?P<secret>[^\s|]{4,})", is_mixed_password, trims=True),
    Rule("key", re.compile(rf"{_KEY}{_SAID}(?P<secret>[\w.~+/=-]{{12,}})", re.I), "", is_value),
    _cell("key", _KEY, r"(?P<secret>[\w.~+/=-]{12,})[*_`]{0,3}", is_value),
    Rule(
        "PIN",
        re.compile(
            r"(?<![A-Za-z0-9])(?:(?:(?i:PIN|PUK|CV[VC]2?)|TAN)(?i:[ -]?(?:code|number))?"
            # A word says less than a sign: "the TAN is 300 km away".
            rf"{_MARKS}(?:\s*[:=]{_MARKS}\s*|\s+(?:is|ist)\s+(?=\d{{4}}))"
            rf"|(?i:CV[VC])2?\s+(?=\d{{3}}\b)){_MARKS}"
            r"(?P<secret>\d{3,8}(?:-\d{3,4})?)\b(?![-./:]?\d)"
        ),
        "",
    ),
)
