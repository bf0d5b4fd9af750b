"""How many secrets `--redact` finds, and how often it takes something else for one.

    python -m benchmarks.bench_redaction --out benchmarks/results/redaction.json

Two secrets of each of 32 kinds, in the sentences and files where people have them, against 64
texts that look alike and are none; and 32 in places where they are hard to tell. All are made
here, of random letters, by the form that their makers document: none was ever valid.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import random
import uuid
from collections.abc import Callable
from pathlib import Path

from benchmarks.environment import environment, show
from lmort_memory.redaction import find_secrets, redact

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
HEX = "0123456789abcdef"
BASE32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
CHOOSER = random.Random(20261126)


def some(count: int, signs: str = LETTERS) -> str:
    """Return random signs with a digit and a letter among them."""
    middle = "".join(CHOOSER.choices(signs, k=count - 2))
    return f"{CHOOSER.choice('abcdef')}{middle}{CHOOSER.choice('23456789')}"


def upper(count: int) -> str:
    """Return random signs of AWS's alphabet."""
    return "".join(CHOOSER.choices(BASE32, k=count))


def card(prefix: str, length: int) -> str:
    """Return a card's number that passes Luhn's check."""
    digits = prefix + "".join(CHOOSER.choices("0123456789", k=length - len(prefix) - 1))
    doubled = [int(d) * 2 if i % 2 == 0 else int(d) for i, d in enumerate(reversed(digits))]
    total = sum(value - 9 * (value > 9) for value in doubled)
    return digits + str(-total % 10)


def spaced(number: str, sign: str) -> str:
    """Return a card's number in groups of four."""
    return sign.join(number[at : at + 4] for at in range(0, len(number), 4))


def token(part: dict[str, object]) -> str:
    """Return a part of a web token."""
    return base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=")


def web_token() -> str:
    """Return a signed web token."""
    return f"{token({'alg': 'HS256', 'typ': 'JWT'})}.{token({'sub': some(8)})}.{some(43)}"


def pem(kind: str) -> str:
    """Return a private key in PEM."""
    lines = "\n".join(some(64, LETTERS + "+/") for _ in range(6))
    return f"-----BEGIN {kind}PRIVATE KEY-----\n{lines}\n-----END {kind}PRIVATE KEY-----"


# Kind, what makes one, and two places where it stands.
SECRETS: tuple[tuple[str, Callable[[], str], str, str], ...] = (
    ("AWS access key", lambda: "AKIA" + upper(16), "key {} of the old account", "id={}"),
    (
        "AWS secret key",
        lambda: some(40, LETTERS + "/+"),
        "aws_secret_access_key = {}",
        "AWS_SECRET_ACCESS_KEY={}",
    ),
    ("GitHub", lambda: "ghp_" + some(36), "token for the build: {}", "git clone with {} works"),
    ("GitHub, fine", lambda: f"github_pat_{some(22)}_{some(59)}", "{}", "export GH={}"),
    ("GitLab", lambda: "glpat-" + some(20), "CI uses {}", "PRIVATE-TOKEN: {}"),
    (
        "Slack token",
        lambda: f"xoxb-{CHOOSER.randrange(10**11, 10**12)}-{some(24)}",
        "bot {}",
        '"token": "{}"',
    ),
    (
        "Slack address",
        lambda: f"https://hooks.slack.com/services/T{upper(8)}/B{upper(8)}/{some(24)}",
        "post to {}",
        "url: {}",
    ),
    ("Stripe", lambda: "sk_live_" + some(24), "Stripe: {}", "STRIPE_KEY='{}'"),
    ("OpenAI", lambda: "sk-proj-" + some(48), "OPENAI_API_KEY={}", "my key is {}"),
    ("Anthropic", lambda: f"sk-ant-api03-{some(93)}AA", "ANTHROPIC_API_KEY={}", "use {} here"),
    ("Google", lambda: "AIza" + some(35), "maps key {}", "key={}"),
    ("Google sign-in", lambda: "GOCSPX-" + some(28), '"client_secret":"{}"', "secret {}"),
    ("npm", lambda: "npm_" + some(36), "//registry.npmjs.org/:_authToken={}", "npm: {}"),
    ("PyPI", lambda: "pypi-AgEIcHlwaS5vcmc" + some(70), "password = {}", "twine with {}"),
    ("Hugging Face", lambda: "hf_" + some(34), "login({})", "HF_TOKEN={}"),
    ("SendGrid", lambda: f"SG.{some(22)}.{some(43)}", "mail key {}", "SENDGRID={}"),
    ("Twilio", lambda: "SK" + some(32, HEX), "Twilio {}", "sid: {}"),
    (
        "Telegram bot",
        lambda: f"{CHOOSER.randrange(10**9, 10**10)}:AA{some(33)}",
        "BotFather gave {}",
        "TOKEN={}",
    ),
    ("DigitalOcean", lambda: "dop_v1_" + some(64, HEX), "doctl {}", "DO={}"),
    ("Docker", lambda: "dckr_pat_" + some(27), "docker login -p {}", "pat {}"),
    (
        "Azure storage",
        lambda: some(86, LETTERS + "+/") + "==",
        "AccountName=bees;AccountKey={};EndpointSuffix=core.windows.net",
        "DefaultEndpointsProtocol=https;AccountName=a;AccountKey={}",
    ),
    (
        "Azure sign-in",
        lambda: f"{some(3)}8Q~{some(34, LETTERS + '_~.')}",
        "client secret: {}",
        "AZURE_CLIENT_SECRET={}",
    ),
    ("web token", web_token, "Authorization: Bearer {}", "the cookie is {}"),
    ("private key", lambda: pem("RSA "), "my key:\n{}\nkeep it", "{}"),
    ("OpenSSH key", lambda: pem("OPENSSH "), "{}", "id_ed25519:\n{}"),
    (
        "connection string",
        lambda: some(14),
        "postgres://ada:{}@db.example.org:5432/bees",
        "MONGO=mongodb+srv://app:{}@cluster0.example.net/x",
    ),
    (
        "basic auth",
        lambda: some(12),
        "curl https://ada:{}@example.org/feed",
        "https://user:{}@git.example.org/r.git",
    ),
    (
        "card",
        lambda: spaced(card("4", 16), " "),
        "my card is {}, valid 04/29",
        "Visa: {}",
    ),
    ("card, hyphens", lambda: spaced(card("5301", 16), "-"), "pay with {}", "MC {}"),
    ("card, plain", lambda: card("37", 15), "Amex {}", "card number {}"),
    ("password", lambda: some(11, LETTERS + "!#"), "wifi password: {}", "Passwort: {}"),
    ("PIN", lambda: str(CHOOSER.randrange(1000, 9999)), "PIN: {}", "the PIN is {}"),
)


def half(number: str) -> str:
    """Return the number of an American Express card as it is printed."""
    return f"{number[:4]} {number[4:10]} {number[10:]}"


# The same in the places and languages where they are hard to tell.
HARD: tuple[tuple[str, Callable[[], str], str], ...] = (
    (".netrc", lambda: some(12), "machine api.example.org login ada password {}"),
    ("basic authorization", lambda: some(24), "Authorization: Basic {}"),
    ("X-API-Key", lambda: some(32), "X-API-Key: {}"),
    ("key in a query", lambda: some(32), "GET https://example.org/v1?api_key={}&q=bees"),
    ("Azure signature", lambda: some(43), "https://a.blob.core.windows.net/b?sv=2022&sig={}"),
    ("UUID as a key", lambda: identifier("z"), "HEROKU_API_KEY={}"),
    ("@ in a password", lambda: f"pa@ss{some(8)}", "postgres://ada:{}@db:5432/x"),
    ("/ in a password", lambda: f"p/{some(10)}", "redis://:{}@cache:6379/0"),
    ("code of a Wi-Fi", lambda: some(10), "WIFI:S:home;T:WPA;P:{};;"),
    ("docker login", lambda: some(12), "docker login -u ada -p {}"),
    ("mysql", lambda: some(12), "mysql -uroot -p{} bees"),
    ("curl", lambda: some(12), "curl -u ada:{} https://example.org"),
    ("German", lambda: some(9), "Das Passwort ist {}."),
    ("German, bare", lambda: some(10), "WLAN-Passwort {}"),
    ("French", lambda: some(9), "mot de passe : {}"),
    ("Italian", lambda: some(10), "la password è {}"),
    ("Polish", lambda: some(10), "hasło: {}"),
    ("Russian", lambda: some(10), "пароль: {}"),
    ("Chinese", lambda: some(10), "密码：{}"),  # noqa: RUF001
    ("Japanese", lambda: some(10), "パスワード: {}"),
    ("card, no-break spaces", lambda: spaced(card("4", 16), "\u00a0"), "Visa {} ok"),
    ("card, dots", lambda: spaced(card("4", 16), "."), "Visa {} ok"),
    ("American Express", lambda: half(card("37", 15)), "Amex {}"),
    ("CVV", lambda: str(CHOOSER.randrange(100, 999)), "CVV {}"),
    ("AWS pair", lambda: some(40, LETTERS + "/+"), "AKIAABCDEFGHIJKLMNOP,{}"),
    ("Kubernetes", lambda: base64.b64encode(some(12).encode()).decode(), "  password: {}"),
    ("cookie", lambda: some(32), "Cookie: lang=de; sessionid={}"),
    ("one-time secret", lambda: upper(31) + "7", "otpauth://totp/x?secret={}&issuer=y"),
    ("PuTTY", lambda: some(64), "PuTTY-User-Key-File-3: ssh-ed25519\nPrivate-Lines: 1\n{}"),
    ("recovery code", lambda: f"{some(4)}-{some(4)}", "recovery codes: {}"),
    ("plain words", lambda: "correct-horse-battery", "The password is {}."),
    ("a name beside it", lambda: some(9), "the bank: ada / {}"),
)


def digest(name: str, word: str) -> str:
    """Return a checksum."""
    return hashlib.new(name, word.encode()).hexdigest()


def identifier(word: str) -> str:
    """Return a UUID that is the same at every run."""
    return str(uuid.uuid5(uuid.NAMESPACE_DNS, word))


ALIKE: tuple[tuple[str, tuple[str, ...]], ...] = (
    (
        "UUID",
        (
            f"session {identifier('a')} was forked",
            f'"id": "{identifier("b")}"',
            f"request_id={identifier('c')}",
            identifier("d").upper(),
        ),
    ),
    (
        "git commit",
        (
            f"fixed in {digest('sha1', 'a')}",
            f"commit {digest('sha1', 'b')[:10]}",
            f"git show {digest('sha1', 'c')[:7]}",
            f"https://github.com/a/b/commit/{digest('sha1', 'd')}",
        ),
    ),
    (
        "checksum",
        (
            f"sha256:{digest('sha256', 'a')}",
            f"md5 {digest('md5', 'b')}  bees.iso",
            f"integrity sha512-{base64.b64encode(hashlib.sha512(b'c').digest()).decode()}",
            f"docker pull bees@sha256:{digest('sha256', 'd')}",
        ),
    ),
    (
        "ISBN, ISSN, DOI",
        (
            "ISBN 978-0-306-40615-7",
            "ISBN 9783161484100",
            "doi:10.1038/s41586-020-2649-2",
            "arXiv:2401.04088v1, ISSN 2049-3630",
        ),
    ),
    (
        "telephone",
        (
            "call +44 20 7946 0958",
            "Tel. 0049 89 1234567890",
            "(202) 555-0179 or 202-555-0143",
            "+1 415 555 2671 ext. 1234",
        ),
    ),
    (
        "IBAN, account",
        (
            "IBAN DE89 3704 0044 0532 0130 00",
            "GB82WEST12345698765432",
            "FR1420041010050500013M02606",
            "account 4012 8888, order 1234 5678 9012 3456",
        ),
    ),
    (
        "picture, font",
        (
            "![](data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk)",
            "url(data:font/woff2;base64,d09GMgABAAAAAAQ4AA4AAAAACHwAAAPlAAEAAAAAAAAAAAAA)",
            "src='data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7'",
            "thumbnail iVBORw0KGgoAAAANSUhEUgAAAAUAAAAFCAYAAACNbyblAAAAHElEQVQI12P4",
        ),
    ),
    (
        "placeholder",
        (
            "api_key = YOUR_API_KEY_GOES_HERE_1",
            "password: ${DB_PASSWORD}",
            "OPENAI_API_KEY=<your key>",
            "token: xxxxxxxxxxxxxxxxxxxx",
        ),
    ),
    (
        "talk of secrets",
        (
            "I forgot my password again, and the token had expired.",
            "password = os.environ['DB_PASSWORD']",
            "The secret: cook it for 45 minutes at 180 degrees.",
            "Her password was changed on Monday by the admin.",
        ),
    ),
    (
        "public key",
        (
            f"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI{some(43)} ada@bees",
            "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj\n-----END PUBLIC KEY-----",
            "-----BEGIN CERTIFICATE-----\nMIIBkTCB+wIJAKHHCgVZU\n-----END CERTIFICATE-----",
            f"fingerprint SHA256:{some(43)}",
        ),
    ),
    (
        "address without a password",
        (
            "https://ada@example.org/bees",
            "postgres://localhost:5432/bees",
            "http://example.org:8080/a@b",
            "git@github.com:ada/bees.git",
        ),
    ),
    (
        "time, version, number",
        (
            "2024-05-01T10:15:30.123456+02:00",
            "1714550400123 ms since 1970",
            "numpy 1.26.4, build 20240501123456",
            "3.14159265358979 and 1.4142135623730951",
        ),
    ),
    (
        "parcel, order",
        (
            "UPS 1Z999AA10123456784",
            "DHL 00340434161094042557",
            "order 302-1234567-8901234",
            "invoice 2024-000123456789",
        ),
    ),
    (
        "identifier of a service",
        (
            "arn:aws:iam::123456789012:user/ada",
            "projects/bees-123456/locations/eu",
            "channel C024BE91L, user U012A3CDE",
            "https://youtu.be/dQw4w9WgXcQ?si=a1B2c3D4e5F6g7H8",
        ),
    ),
    (
        "words of these rules",
        (
            "sk-learn 1.5, sk-toolkit-for-many-things-2024-edition",
            "token: 2024-05-01T10:00:00Z",
            "pwd: /home/ada/bees2024",
            "My PIN code arrives by post; CVC 2024 is a congress",
        ),
    ),
    (
        "code",
        (
            "token = tokenizer.encode(text)[0]",
            "const secret = await readSecret('bees-1')",
            "def password(self): return self._password2",
            "key=lambda pair: pair[1]",
        ),
    ),
)


def measure() -> dict[str, object]:
    """Return what was found of each kind, and what was taken for a secret and is none."""
    kinds = {}
    found_alike: list[str] = []
    for kind, make, *places in SECRETS:
        found = 0
        for place in places:
            secret = make()
            left, _ = redact(place.format(secret))
            found += secret not in left and not _rest(secret, left)
        kinds[kind] = {"secrets": len(places), "found": found}
    hard = {}
    for kind, make, place in HARD:
        secret = make()
        left, _ = redact(place.format(secret))
        hard[kind] = secret not in left and not _rest(secret, left)
    alike = {}
    for kind, texts in ALIKE:
        wrong = [text for text in texts if find_secrets(text)]
        found_alike += wrong
        alike[kind] = {"texts": len(texts), "taken": len(wrong)}
    hits = sum(one["found"] for one in kinds.values())
    return {
        "secrets": kinds,
        "hard": hard,
        "alike": alike,
        "taken": found_alike,
        "recall": round(hits / sum(one["secrets"] for one in kinds.values()), 3),
        "precision": round(hits / (hits + len(found_alike)), 3),
    }


def _rest(secret: str, text: str) -> bool:
    """Whether half of a secret is left standing, which would be no redaction."""
    half = len(secret) // 2
    return len(secret) >= 8 and (secret[:half] in text or secret[half:] in text)


def main() -> None:
    """Print, or write, the JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path)
    show({**environment("benchmarks.bench_redaction"), **measure()}, parser.parse_args().out)


if __name__ == "__main__":
    main()
