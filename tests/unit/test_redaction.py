"""Secrets in text: what is found, and what must not be taken for one."""

import pytest

from lmort_memory.redaction import Redactor, find_secrets, masked, redact
from lmort_memory.types import Turn

# Put together here, so that no scanner of repositories takes them for leaked ones.
SECRETS = [
    ("AWS key", "AKIA" + "IOSFODNN7EXAMPLE"),
    ("AWS key", "AKIA" + "IOSFODNNGEXAMPLE"),
    ("Mailchimp key", "343ea45721923ed956e2b38c31db76aa" + "-us30"),
    ("Twilio key", "SK" + "343ea45721923ed956e2b38c31db76aa"),
    ("GitHub token", "ghp_" + "aB3dE6gH9" * 4),
    ("GitHub token", "github_pat_" + "aB3dE6gH9_" * 7),
    ("GitLab token", "glpat-" + "aB3dE6gH9jK2mN5pQ8rS"),
    ("Slack token", "xoxb-" + "1234567890-abcdefghij"),
    ("Anthropic key", "sk-ant-" + "api03-aB3dE6gH9jK2mN5pQ8rS"),
    ("OpenAI key", "sk-proj-" + "aB3dE6gH9jK2mN5pQ8rS1tU4"),
    ("Google key", "AIza" + "aB3dE6gH9jK2mN5pQ8rS1tU4vW7xY0zA2bC"),
    ("Stripe key", "sk_live_" + "aB3dE6gH9jK2mN5p"),
    ("Hugging Face token", "hf_" + "aBcDeFgHiJkLmNoPqRsTuVwXyZaBcDeFgH"),
    ("Telegram token", "123456789:AA" + "aB3dE6gH9jK2mN5pQ8rS1tU4vW7xY0zA2"),
    ("web token", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0." + "aB3dE6gH9jK2mN5p"),
    (
        "private key",
        "-----BEGIN OPENSSH PRIVATE " + "KEY-----\nabc\n-----END OPENSSH PRIVATE KEY-----",
    ),
    ("card number", "4111 1111 1111 1111"),
    ("card number", "3782-822463-10005"),
]
IN_CONTEXT = [
    ("Wifi password: swordfish", "swordfish"),
    ("password=hunter2 works", "hunter2"),
    ('DB_PASSWORD = "correct horse"', "correct horse"),
    ("The password is Tr0ub4dor&3.", "Tr0ub4dor&3"),
    ("Passwort: Geheim123", "Geheim123"),
    ("mot de passe : aZerty12", "aZerty12"),
    ("postgres://joe:s3cret@db.example.org/x", "s3cret"),
    ("Authorization: Bearer abcdef123456", "abcdef123456"),
    ("api_key: 9f8a7s6d5f4g3h2j", "9f8a7s6d5f4g3h2j"),
    ("aws_secret_access_key = wJalrXUtnFEMI/K7MDENG", "wJalrXUtnFEMI/K7MDENG"),
    ("//registry.npmjs.org/:_authToken=743b294a-cd03-11ec", "743b294a-cd03-11ec"),
    ("PIN: 4711", "4711"),
    ("**Password:** hunter22", "hunter22"),
    ("*Password*: hunter22", "hunter22"),
    ("- **Password:** `hunter22`", "hunter22"),
    ("Password: **hunter22**", "hunter22"),
    ("`password`: `hunter22`", "hunter22"),
    ("**API key:** abcdef0123456789abcdef0123456789", "abcdef0123456789abcdef0123456789"),
    ("| password | hunter22 |", "hunter22"),
    ("| API key | `abcdef0123456789` |", "abcdef0123456789"),
    ("<password>hunter22</password>", "hunter22"),
    ('psql "host=x password=hunter22"', "hunter22"),
    ("(password: hunter22).", "hunter22"),
    ("Password is: sunflower99", "sunflower99"),
    ("the password is 'sunflower99'", "sunflower99"),
    ("the password is Tr0ub,4dor!", "Tr0ub,4dor"),
    ("Password: it's9secret", "it's9secret"),
    ('Password: "it\'s9secret"', "it's9secret"),
    ("Password: pa$$)w0rd9", "pa$$)w0rd9"),
    ("Password: ab;cd12345", "ab;cd12345"),
    ("Password: Xyzw7,abcd9", "Xyzw7,abcd9"),
    ("Password: *hunter22", "hunter22"),
    *(
        (f"Password: {password}", password)
        for password in (
            "my-dog-Rex99",
            "$ecret99",
            "%hunter22",
            "(hunter22)",
            "xxx99hunter",
            "/root99pw",
            "true-love99",
            "none-shall-pass1",
            "self-made1",
            "wrong.horse.99",
            "abc(123)",
            "Sommer(2024)",
        )
    ),
    ("DB_PASS=Tr0ub4dor3", "Tr0ub4dor3"),
    ("pass: hunter22", "hunter22"),
    ("PW: hunter22", "hunter22"),
    ("ansible_become_pass: hunter22", "hunter22"),
    ("my pin: 4821", "4821"),
    ("Pin code: 4821", "4821"),
    ("PIN-Code: 4821", "4821"),
    ("pin = 4821", "4821"),
    ("cvc 123", "123"),
    ("PIN: 1234-5678", "1234-5678"),
    ("Backup codes: 12345678 87654321", "12345678 87654321"),
    ("smtp://user@example.com:pass1234@smtp.ex.org:587", "pass1234"),
]
INNOCENT = [
    "550e8400-e29b-41d4-a716-446655440000",
    "fixed in cd86b613a4f0d1c2b3a4958674839201aabbccdd",
    "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "call +47 912 34 567 or (415) 555-2671",
    "2024-05-01T10:00:00+02:00, 20240501073000",
    "DE89 3704 0044 0532 0130 00",
    "978-3-16-148410-0 and 4006381333931",
    "order 4929 1234 5678 9011",
    "message 530805779645595660",
    "the password is wrong; reset the password: see the wiki page",
    "password: required",
    "password: ${DB_PASSWORD}, <password>, os.environ['X']",
    "the secret to good bread is time, and its token: patience",
    "max_tokens=4096, tokens: 1024 per second",
    "token = tokenizer.encode(text)",
    "secret_key = settings.SECRET_KEY",
    "sk-learn, sk-image and task-management are words",
    "The password is forgotten again",
    "Password: see the safe",
    "pass: the salt, the first pass: 10 minutes, bypass: value2x9",
    "PASS: test_redaction_2",
    "password: SecretStr, password=%(pw1)s, password: %DB_PW1%, password: ***********",
    '{"password": "", "user": "ada99"}',
    "password = config.password2",
    'password = os.getenv("PW1")',
    "| user | password | web01 |",
    "| password | varchar(255) | not null |",
    "the TAN is 300 km away, my PIN is 2 digits, Pin: 2024-05-01",
    "token = tokenizer.encode_plus2",
    "token = parser2.parse_next_token",
    "secret = generate_secret_v2_for_user",
    "max token = 128000tokens",
    "The secret = 20-minute-rest-for-dough",
    "hf_" + "transformersisagreatlibraryforall",
    "mysql -uroot -production-db",
    "https://user@host.org:8080/path@v2.com",
    "59.9138688, 10.7522454 cost $12,345,678,901,234.56",
]


@pytest.mark.parametrize(("kind", "secret"), SECRETS)
def test_secrets_of_a_known_form(kind, secret):
    """A secret is found wherever it stands, and replaced by what it is."""
    text, counts = redact(f"see ({secret}), thanks")
    assert text == f"see ([redacted: {kind}]), thanks"
    assert counts == {kind: 1}


@pytest.mark.parametrize(("text", "secret"), IN_CONTEXT)
def test_secrets_that_their_context_tells(text, secret):
    """What stands behind "password:" and its like is found, and nothing beside it."""
    [found] = find_secrets(text)
    assert text[found.start : found.end] == secret


@pytest.mark.parametrize("text", INNOCENT)
def test_what_looks_like_a_secret_and_is_none(text):
    """Identifiers, hashes, numbers and prose stay as they are."""
    assert find_secrets(text) == []


def test_a_turn_is_cleaned_through_and_through():
    """Text and metadata at any depth lose their secrets, everything else stays."""
    secret = "ghp_" + "aB3dE6gH9" * 4
    turn = Turn(f"use {secret}", metadata={"a": [{"b": f"x {secret}"}], "n": 1})
    redactor = Redactor()
    cleaned = redactor.clean(turn)
    assert cleaned.text == "use [redacted: GitHub token]"
    assert cleaned.metadata == {"a": [{"b": "x [redacted: GitHub token]"}], "n": 1}
    assert redactor.counts == {"GitHub token": 2}
    innocent = Turn("use nothing")
    assert redactor.clean(innocent) is innocent


def test_a_masked_secret_cannot_be_used():
    """What is shown of a secret is a quarter of it at most."""
    text = "password: swordfish"
    assert masked(text, find_secrets(text)[0]) == "sw… (9 characters)"
