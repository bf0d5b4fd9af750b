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
