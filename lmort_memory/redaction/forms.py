"""Keys and tokens whose makers gave them a form that nothing else has."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from .rules import Rule
from .values import is_mixed

__all__ = ["FORMS"]


def _token(kind: str, pattern: str, sign: str, holds: Callable[[str], bool] = is_mixed) -> Rule:
    """Return the rule of a token that stands apart from what is beside it."""
    return Rule(kind, re.compile(rf"(?<![\w-])(?:{pattern})(?![\w])"), sign, holds)


FORMS: Final[tuple[Rule, ...]] = (
    Rule(
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
    Rule(
        "AWS secret key",
        re.compile(
            r"(?:AKIA|ASIA)[A-Z2-7]{16}[^\w/+]{1,20}(?:[a-z_ ]{0,40}[^\w/+]{1,5})?"
            r"(?P<secret>[A-Za-z0-9/+]{40})(?![\w/+])",
            re.I,
        ),
        "a",
    ),
    Rule(
        "private key",
        re.compile(r"Private-Lines: \d+\s+(?P<secret>(?:[A-Za-z0-9+/=]{20,}\s?)+)"),
        "private-lines",
    ),
    Rule(
        "Azure key",
        re.compile(r"[?&]sig=(?P<secret>[A-Za-z0-9%+/=]{30,})"),
        "sig=",
    ),
    Rule(
        "Azure key",
        re.compile(r"AccountKey=(?P<secret>[A-Za-z0-9+/]{40,}={0,2})"),
        "accountkey=",
    ),
)
