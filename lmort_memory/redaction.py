"""Find secrets in text, and replace them before they are stored.

A small rule set: keys and tokens whose makers gave them a form that nothing else has (the forms are
those that https://github.com/gitleaks/gitleaks and the makers' own pages list), private keys, card
numbers that pass Luhn's check, passwords in addresses, and what stands behind a word such as
"password:". Randomness alone is not a rule: commit hashes, UUIDs, checksums and identifiers look as
random as keys do, and notes are full of them.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from threading import Lock
from typing import TypeVar

from lmort_memory.types import JsonValue, Record, Turn

__all__ = ["Redactor", "Secret", "find_secrets", "masked", "redact"]


_Item = TypeVar("_Item", Turn, Record)


@dataclass(frozen=True, slots=True)
class Secret:
    """A secret in a text: what it is, and the span of characters that it takes."""

    kind: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class _Rule:
    """One form of secrets.

    Attributes:
        kind: What it is called.
        pattern: Its group `secret` is the secret, or the whole match where it has no such group.
        sign: A text without this, in lower case, has none: a quick test before the slow one.
        holds: A second test that no pattern can make.
        trims: Whether the pattern takes everything up to white space, so that the marks which close
            the sentence or the markup around the secret must go.
    """

    kind: str
    pattern: re.Pattern[str]
    sign: str = ""
    holds: Callable[[str], bool] = lambda text: True
    trims: bool = False


def find_secrets(text: str) -> list[Secret]:
    """Return the secrets of a text in order; where two overlap, the one that begins first."""
    lowered = text.lower()
    found = [secret for rule in _RULES if rule.sign in lowered for secret in _matches(rule, text)]
    kept: list[Secret] = []
    for secret in sorted(found, key=lambda one: (one.start, -one.end)):
        if not kept or secret.start >= kept[-1].end:
            kept.append(secret)
    return kept


def redact(text: str) -> tuple[str, Counter[str]]:
    """Return the text with each secret replaced by its kind, and how many of each there were."""
    secrets = find_secrets(text)
    for secret in reversed(secrets):
        text = f"{text[: secret.start]}[redacted: {secret.kind}]{text[secret.end :]}"
    return text, Counter(secret.kind for secret in secrets)


def masked(text: str, secret: Secret) -> str:
    """Show enough of a secret to know it by: its first characters and its length."""
    value = text[secret.start : secret.end]
    shown = value[: min(4, len(value) // 4)]
    return f"{shown}… ({len(value)} characters)"


class Redactor:
    """Cleans turns and records, and counts what it has replaced. Any thread may use it."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._lock = Lock()

    @property
    def counts(self) -> Counter[str]:
        """How many secrets of each kind were replaced so far."""
        with self._lock:
            return self._counts.copy()

    def clean(self, item: _Item) -> _Item:
        """Return the turn or record without secrets in its text and metadata."""
        text, metadata = self.text(item.text), self.metadata(item.metadata)
        if text == item.text and metadata == item.metadata:
            return item
        return replace(item, text=text, metadata=metadata)

    def text(self, text: str) -> str:
        """Return a text without secrets."""
        text, found = redact(text)
        if found:
            with self._lock:
                self._counts.update(found)
        return text

    def metadata(self, metadata: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
        """Return metadata without secrets in their texts."""
        return {key: self._value(value) for key, value in metadata.items()}

    def _value(self, value: JsonValue) -> JsonValue:
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, list):
            return [self._value(item) for item in value]
        if isinstance(value, Mapping):
            return {key: self._value(item) for key, item in value.items()}
        return value


def _matches(rule: _Rule, text: str) -> Iterator[Secret]:
    group = "secret" if "secret" in rule.pattern.groupindex else 0
    for match in rule.pattern.finditer(text):
        value = _trimmed(match[group]) if rule.trims else match[group]
        if rule.holds(value):
            start = match.start(group)
            yield Secret(rule.kind, start, start + len(value))


def _trimmed(value: str) -> str:
    """Return a value without the marks that close what is around it, as in "(password: x9)."."""
    for _ in range(8):  # more marks than any sentence closes with, and no long work on a long row
        last = value[-1:]
        opening = {")": "(", "]": "[", "}": "{"}.get(last, "")
        unopened = opening and value.count(last) > value.count(opening)
        if not last or not (unopened or last in ".,;:*_`~\"'"):
            break
        value = value[:-1]
    return value


def _is_card(text: str) -> bool:
    """Whether digits have a card's length, a network's first digits, and pass Luhn's check."""
    digits = [int(sign) for sign in text if sign.isdigit()]
    number = "".join(map(str, digits))
    networks = {
        14: r"3(?:0[0-5]|[68])",
        15: r"3[47]",
        16: r"4|5[1-5]|2(?:22[1-9]|2[3-9]|[3-6]|7[01]|720)|6(?:011|5|4[4-9]|2)|35",
    }
    if len(digits) not in networks or not re.match(networks[len(digits)], number):
        return False
    if len(set(digits[:-1])) == 1:  # 4444 4444 4444 4448 is a placeholder
        return False
    doubled = [digit * 2 - 9 * (digit > 4) for digit in digits[-2::-2]]
    return (sum(digits[::-2]) + sum(doubled)) % 10 == 0


def _is_mixed(text: str) -> bool:
    """Whether a key has letters as well as digits, as a word of prose has not."""
    return any(sign.isdigit() for sign in text) and any(sign.isalpha() for sign in text)


# The whole value must be a placeholder: people do begin passwords with "my-", "$" or "true".
_PLACEHOLDER = re.compile(
    r"<.*>|\{.*\}|\{\w+\}&.*|%\(\w+\)[sd]|\[.*\](?:\(.*\))?|%.*%|[x*•.…-]+"
    r"|\$[{(].*|\$(?:[a-z_]+|(?-i:[A-Z_][A-Z0-9_]+)|\w+(?:\[|-).*)"
    r"|~?/[\w.-]+/.*|~/.*|\.{1,2}/.*|[a-z]:\\.*|\d{4}-\d\d-\d\d(?:[t ].*)?"
    r"|\w+(?:\.\w+)+[(\[].*|\w+[(\[](?:[a-z_\"')\]].*)?|n?(?:var)?char(?:\(\d+\))?"
    r"|(?:self|this|process|os|env|import|config|settings|request)(?:\.[a-z_]\w*)+"
    r"|your[_-].*|(?:my|some|example)(?:[_-][a-z]+)*[_-](?:password|passwd|pass|pwd|key|token|secret)"
    r"|(?:your|my|some|example|changeme|placeholder|redacted|none|null|nil|true|false|undefined"
    r"|string|required|optional|forgotten|vergessen|reset|changed|wrong|expired|invalid|missing|unknown"
    r"|hidden|empty|same|siehe|see|ask|self|this|process|os|env|import|config|settings|request)[.!?]*",
    re.I,
)
# What stands behind "token =" in code and recipes: a dotted name, a long name, words with hyphens.
_WORDS = re.compile(
    r"[a-z_]+\d?(?:\.[a-z_]+\d?)+|[a-z]+(?:_[a-z]+\d{0,2}){2,}|\d+[ -]?tokens?"
    r"|(?:[a-z]+|\d{1,3})(?:-(?:[a-z]+|\d{1,3})){3,}"
)


def _is_value(text: str) -> bool:
    """Whether what stands behind "token:" is a value, and neither prose nor a placeholder."""
    return not _PLACEHOLDER.fullmatch(text) and not _WORDS.fullmatch(text) and _is_mixed(text)


def _is_password(text: str) -> bool:
    """Whether what stands alone behind "password:" is one; people do choose plain words."""
    return len(text) > 3 and not _PLACEHOLDER.fullmatch(text)


def _is_mixed_password(text: str) -> bool:
    """Whether what stands in running text behind "password" is one, and not the next word."""
    return len(text) > 4 and _is_password(text) and _is_mixed(text) and not _SENTENCE.search(text)


def _is_codes(text: str) -> bool:
    """Whether recovery codes have letters and digits, or are long numbers all of them."""
    return _is_mixed(text) or all(len(code) > 5 for code in re.split(r"[ ,;\n]+", text))


_SENTENCE = re.compile(r"://|\.\w{2,4}$")  # an address, or the name of a file


def _token(kind: str, pattern: str, sign: str, holds: Callable[[str], bool] = _is_mixed) -> _Rule:
    """Return the rule of a token that stands apart from what is beside it."""
    return _Rule(kind, re.compile(rf"(?<![\w-])(?:{pattern})(?![\w])"), sign, holds)


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
) -> _Rule:
    return _Rule("password", re.compile(pattern, re.I), sign, holds, trims)


def _cell(
    kind: str, label: str, value: str, holds: Callable[[str], bool], *, trims: bool = False
) -> _Rule:
    """Return the rule of | label | value |: a row of headings has no label in its first cell."""
    pattern = (
        rf"^[ \t]*\|[^|\n]{{0,40}}{label}{_MARKS}:?{_MARKS}[ \t]*\|[ \t]*{_MARKS}{value}[ \t]*\|"
    )
    return _Rule(kind, re.compile(pattern, re.I | re.M), "|", holds, trims)


_RULES: tuple[_Rule, ...] = (
    _Rule(
        "private key",
        re.compile(
            r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----.*?"
            r"(?:-----END [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----|\Z)",
            re.S,
        ),
        "private key",
    ),
    _token("AWS key", r"(?:AKIA|ASIA|ABIA|ACCA)[A-Z2-7]{16}", "a", lambda text: True),
    _token("GitHub token", r"gh[pousr]_[A-Za-z0-9]{36,255}", "gh"),
    _token("GitHub token", r"github_pat_[A-Za-z0-9_]{60,255}", "github_pat_"),
    _token("GitLab token", r"gl(?:pat|ptt|dt|rt|soat|cbt|ft|agent)-[\w-]{20,}", "gl"),
    _token("Slack token", r"xox[abeoprs]-[\w-]{10,}|xapp-\d-[\w-]{20,}", "x"),
    _token(
        "Slack address", r"https://hooks\.slack\.com/(?:services|workflows)/[\w/+-]{20,}", "hooks"
    ),
    _token(
        "Discord address", r"https://discord(?:app)?\.com/api/webhooks/\d+/[\w-]{40,}", "webhooks"
    ),
    _token("Discord token", r"[MNO][A-Za-z\d_-]{23,27}\.[\w-]{6}\.[\w-]{27,40}", "."),
    _token("Telegram token", r"\d{8,10}:AA[\w-]{33}", ":aa"),
    _token("Anthropic key", r"sk-ant-[\w-]{24,}", "sk-ant-"),
    _token("OpenAI key", r"sk-(?:(?:proj|svcacct|admin|or-v1)-[\w-]{24,}|\w{24,})", "sk-"),
    _token("Google key", r"AIza[\w-]{35}|ya29\.[\w-]{20,}|GOCSPX-[\w-]{28}", ""),
    _token(
        "Stripe key", r"(?:sk|rk)_(?:live|test)_[A-Za-z0-9]{16,}|whsec_[A-Za-z0-9+/=]{24,}", "_"
    ),
    _token("npm token", r"npm_[A-Za-z0-9]{36}", "npm_"),
    _token("PyPI token", r"pypi-AgE[\w-]{50,}", "pypi-"),
    _token(
        "Hugging Face token",
        r"hf_[A-Za-z0-9]{30,40}",
        "hf_",
        lambda text: text != text.lower() or any(sign.isdigit() for sign in text),
    ),
    _token("SendGrid key", r"SG\.[\w-]{22}\.[\w-]{43}", "sg."),
    _token("Mailgun key", r"key-[0-9a-f]{32}", "key-"),
    _token("Mailchimp key", r"[0-9a-f]{32}-us\d{1,2}", "-us"),
    _token("Twilio key", r"SK[0-9a-f]{32}", "sk"),
    _token("GitLab token", r"GR1348941[\w-]{20,}", "gr1348941"),
    _token("DigitalOcean token", r"do[opr]_v1_[0-9a-f]{64}", "_v1_"),
    _token("Databricks token", r"dapi[0-9a-f]{32}(?:-\d)?", "dapi"),
    _token("Docker token", r"dckr_pat_[\w-]{27}", "dckr_pat_"),
    _token("Shopify token", r"shp(?:at|ca|pa|ss)_[0-9a-fA-F]{32}", "shp"),
    _token("Atlassian token", r"ATATT3[\w=-]{100,}", "atatt3"),
    _token("Linear key", r"lin_api_[A-Za-z0-9]{40}", "lin_api_"),
    _token("Notion token", r"(?:ntn|secret)_[A-Za-z0-9]{40,}", "_"),
    _token("Groq key", r"gsk_[A-Za-z0-9]{40,}", "gsk_"),
    _token("xAI key", r"xai-[A-Za-z0-9]{60,}", "xai-"),
    _token("Replicate token", r"r8_[A-Za-z0-9]{37}", "r8_"),
    _token("Vault token", r"hv[sb]\.[\w-]{24,}", "hv"),
    _token("Tailscale key", r"tskey-[a-z]+-[\w-]{20,}", "tskey-"),
    _token("Supabase key", r"sb_secret_[\w-]{20,}|sbp_[0-9a-f]{40}", "sb"),
    _token("Perplexity key", r"pplx-[A-Za-z0-9]{40,}", "pplx-"),
    _token("NVIDIA key", r"nvapi-[\w-]{40,}", "nvapi-"),
    _token("Figma token", r"figd_[\w-]{36,}", "figd_"),
    _token("New Relic key", r"NRAK-[A-Z0-9]{27}", "nrak-"),
    _token("Postman key", r"PMAK-[0-9a-f]{24}-[0-9a-f]{34}", "pmak-"),
    _token("Netlify token", r"nfp_[A-Za-z0-9]{36,}", "nfp_"),
    _token("Fly token", r"fo1_[\w-]{40,}", "fo1_"),
    _token("age key", r"AGE-SECRET-KEY-1[0-9A-Z]{58}", "age-secret-key-"),
    _token("web token", r"eyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]{10,}", "eyj"),
    _Rule(
        "AWS secret key",
        re.compile(
            r"(?:AKIA|ASIA)[A-Z2-7]{16}[^\w/+]{1,20}(?:[a-z_ ]{0,40}[^\w/+]{1,5})?"
            r"(?P<secret>[A-Za-z0-9/+]{40})(?![\w/+])",
            re.I,
        ),
        "a",
    ),
    _Rule(
        "private key",
        re.compile(r"Private-Lines: \d+\s+(?P<secret>(?:[A-Za-z0-9+/=]{20,}\s?)+)"),
        "private-lines",
    ),
    _Rule(
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
        _is_password,
    ),
    _Rule(
        "password of a network",
        re.compile(r"\bWIFI:[^\n]{0,80}?\bP:(?P<secret>(?:\\.|[^;\n\\]){4,});"),
        "wifi:",
    ),
    _Rule(
        "cookie",
        re.compile(
            r"\bcookie:\s[^\n]*?(?:session|sid|auth|token|jwt)[\w.-]*=(?P<secret>[^\s;]{12,})", re.I
        ),
        "cookie:",
    ),
    _Rule(
        "seed phrase",
        re.compile(
            r"(?:seed|recovery|mnemonic)(?: phrase| words)?\s*[:=]\s*"
            r"(?P<secret>(?:[a-z]{3,8}[ ,]+){11,23}[a-z]{3,8})\b",
            re.I,
        ),
        "",
    ),
    _Rule(
        "recovery code",
        re.compile(
            r"(?:recovery|backup|rescue) codes?\s*[:=]\s*"
            r"(?P<secret>[A-Za-z0-9][\w-]{5,30}(?:[ ,;\n]+[\w-]{6,30}){0,15})",
            re.I,
        ),
        " code",
        _is_codes,
    ),
    _Rule(
        "Azure key",
        re.compile(r"[?&]sig=(?P<secret>[A-Za-z0-9%+/=]{30,})"),
        "sig=",
    ),
    _Rule(
        "Azure key",
        re.compile(r"AccountKey=(?P<secret>[A-Za-z0-9+/]{40,}={0,2})"),
        "accountkey=",
    ),
    _Rule(
        "password in an address",
        re.compile(
            r"\b[a-z][a-z0-9+.-]{1,20}://[^\s/:@\"'<>]*(?:@[\w.-]+)?:(?!\d{1,5}[/?#])"
            r"(?P<secret>[^\s\"'<>]{3,500})"
            r"@(?=[\w.-]+(?::\d+)?(?:[/?,\s\"'>]|$))",
            re.I,
        ),
        "://",
        _is_password,
    ),
    _Rule(
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
        _is_password,
    ),
    _password(  # alone on the rest of its line
        rf"{_PASSWORD}{_SAID}(?P<secret>{_ALL})(?<![,;:)])[ \t\r]*(?=\n|$)",
        _is_password,
        trims=True,
    ),
    _password(rf"{_PASSWORD}{_SAID}(?P<secret>{_ALL})", _is_mixed_password, trims=True),
    _password(
        rf"{_PASS}{_SAID}(?P<secret>{_ALL})",
        lambda text: len(text) > 5 and _is_mixed_password(text),
        trims=True,
    ),
    _password(
        rf"{_PASSWORD}(?:{_IS}{_MARKS}|\s+(?=\S{{8}}))"
        r"(?P<secret>(?:[^\s\"'`<>|,;)\]}]|[,;)](?=\w)){5,}?)"
        r"(?=[.!?]?(?:[\s,;)\"'`<>|\]}*]|$))(?![,;)]\w)",
        _is_mixed_password,
    ),
    _password(rf"{_PASSWORD}>(?P<secret>[^\s<>]{{4,}})</", _is_password, sign="</"),
    _cell("password", _PASSWORD, r"(?P<secret>[^\s|]{4,})", _is_mixed_password, trims=True),
    _Rule("key", re.compile(rf"{_KEY}{_SAID}(?P<secret>[\w.~+/=-]{{12,}})", re.I), "", _is_value),
    _cell("key", _KEY, r"(?P<secret>[\w.~+/=-]{12,})[*_`]{0,3}", _is_value),
    _Rule(
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
    _Rule(
        "card number",
        re.compile(
            r"(?<![\w+.,/-])(?<![A-Z]{2}\d{2} )(?:\d(?:[ \u00a0\u2009\u202f-]?\d){13,15}"
            r"|\d{4}(?:\.\d{4}){3})(?![\w/-]|[ ]?\d|[.,]\d)"
        ),
        "",
        _is_card,
    ),
)
