"""The URL of a PostgreSQL database, with our own options taken out of its query.

    postgresql://ada@db.example.com/memories?scope=team/ada&schema=lmort_memory&pool_size=8

`scope`, `schema` and `pool_size` are ours; everything else is libpq's. The password is kept out of
every text that people or logs may see.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit, urlunsplit

from lmort_memory.errors import StoreError

__all__ = ["Address", "parse_address", "shown"]

_SECRET = {"password", "sslpassword", "passfile"}
_NAME = re.compile(r"[a-z_][a-z0-9_]{0,62}")
_MOST_CONNECTIONS = 200


@dataclass(frozen=True, slots=True)
class Address:
    """Where a database is.

    Attributes:
        url: What libpq connects to, with the password if it holds one.
        shown: The same for people, without it.
        schema: The schema of our tables.
        scope: The only scope, with those below it, that this store may see; None for all.
        pool_size: Most connections at once.
        secrets: Texts that must not appear anywhere.
    """

    url: str = field(repr=False)
    shown: str
    schema: str = "lmort_memory"
    scope: str | None = None
    pool_size: int = 8
    secrets: tuple[str, ...] = field(default=(), repr=False)

    def scrubbed(self, text: str) -> str:
        """Return a message without the password."""
        for secret in self.secrets:
            text = text.replace(secret, "***")
        return text


def parse_address(url: str) -> Address:
    """Read a URL.

    Raises:
        StoreError: an option of ours has no valid value, or it is no URL at all.
    """
    try:
        parts = urlsplit(url)
        pairs = parse_qsl(parts.query, keep_blank_values=True)
    except ValueError:
        raise StoreError(
            "the URL of the PostgreSQL database cannot be read — write"
            " postgresql://USER@HOST:PORT/DATABASE; special characters need percent-encoding"
        ) from None
    ours = {key: value for key, value in pairs if key in ("scope", "schema", "pool_size")}
    theirs = [(key, value) for key, value in pairs if key not in ours]
    schema = ours.get("schema", "lmort_memory")
    if not _NAME.fullmatch(schema) or schema.startswith("pg_"):
        raise StoreError(
            f"schema={schema} in the URL cannot be used — use lower-case letters, digits and _"
        )
    scope = ours.get("scope")
    if scope is not None and not scope.strip("/ "):
        raise StoreError("scope= in the URL is empty — name a scope, or leave the option out")
    size = ours.get("pool_size", "8")
    if not size.isdecimal() or not 1 <= int(size) <= _MOST_CONNECTIONS:
        raise StoreError(
            f"pool_size={size} in the URL cannot be used — give 1 to {_MOST_CONNECTIONS}"
        )
    query = urlencode(theirs, quote_via=quote)
    return Address(
        url=urlunsplit(parts._replace(query=query)),
        shown=shown(url),
        schema=schema,
        scope=scope,
        pool_size=int(size),
        secrets=_secrets(url),
    )


def shown(url: str) -> str:
    """Return a URL without its passwords."""
    scheme, _, rest = url.partition("://")
    place, mark, query = rest.partition("?")
    authority, slash, path = place.partition("/")
    user, at, host = authority.rpartition("@")
    named = f"{user.partition(':')[0]}{at}{host}"
    kept = [one for one in query.split("&") if one.partition("=")[0].lower() not in _SECRET]
    return f"{scheme}://{named}{slash}{path}{mark if any(kept) else ''}{'&'.join(kept)}"


def _secrets(url: str) -> tuple[str, ...]:
    """Return the passwords in a URL, as written and decoded, the longest first."""
    place, _, query = url.partition("://")[2].partition("?")
    password = place.partition("/")[0].rpartition("@")[0].partition(":")[2]
    pairs = (one.partition("=") for one in query.split("&"))
    found = {password, *(value for key, _, value in pairs if key.lower() in _SECRET)}
    found |= {unquote(one) for one in found}
    return tuple(sorted((one for one in found if one), key=len, reverse=True))
