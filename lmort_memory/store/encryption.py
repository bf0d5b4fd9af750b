"""Encryption at rest with SQLCipher: keys, and connections with or without one.

The file is a plain SQLCipher 4 database, which any SQLCipher tool opens with the passphrase: pages
of 4096 bytes under AES-256-CBC, each with an HMAC-SHA512, and 16 bytes of salt where SQLite has its
magic. The key is PBKDF2-HMAC-SHA512 of the passphrase. It is derived here, once, and handed to
every connection raw, since SQLCipher would take those tenths of a second for each.
"""

from __future__ import annotations

import hashlib
import math
import os
import sqlite3
import sys
import unicodedata
from collections import Counter
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

from lmort_memory.errors import MissingDependencyError, PassphraseError

__all__ = [
    "Key",
    "connect",
    "derive_key",
    "failures",
    "failures_or",
    "is_encrypted",
    "new_key",
    "secret_of",
]

MAGIC = b"SQLite format 3\0"
SALT_BYTES = 16
KEY_BYTES = 32
ROUNDS = 256_000  # SQLCipher 4's own number: another would shut its tools out
PAGE = 4096
SAMPLE = 16  # pages of a file that are looked at
RANDOM_BITS = 7.9  # a byte of an encrypted page; 4096 random bytes measure 7.955 +- 0.01
_SQLCIPHER = "sqlcipher3.dbapi2"


@dataclass(frozen=True, slots=True)
class Key:
    """What opens one encrypted file. Neither part is ever shown.

    Attributes:
        secret: The derived key, 32 bytes.
        salt: The file's first 16 bytes.
    """

    secret: bytes = field(repr=False)
    salt: bytes = field(repr=False)

    @property
    def literal(self) -> str:
        """The key as SQLCipher takes it raw: no derivation follows."""
        return f"x'{self.secret.hex()}{self.salt.hex()}'"


def derive_key(passphrase: str, salt: bytes) -> Key:
    """Derive the key of a file; takes 0.2 s.

    The passphrase is taken in Unicode's NFC, so that it is the same from every keyboard.

    Raises:
        PassphraseError: the passphrase is empty.
    """
    secret = secret_of(passphrase)
    return Key(hashlib.pbkdf2_hmac("sha512", secret, salt, ROUNDS, KEY_BYTES), salt)


def secret_of(passphrase: str) -> bytes:
    """Return the bytes that keys are derived from.

    Raises:
        PassphraseError: the passphrase is empty.
    """
    if not passphrase:
        raise PassphraseError("the passphrase is empty — give one of several words")
    return unicodedata.normalize("NFC", passphrase).encode()


def new_key(passphrase: str) -> Key:
    """Derive a key for a file that does not exist yet, with a salt of its own."""
    return derive_key(passphrase, os.urandom(SALT_BYTES))


def connect(name: str | Path, key: Key | None, **options: Any) -> sqlite3.Connection:  # noqa: ANN401
    """Connect with Python's own SQLite, or with SQLCipher where there is a key.

    Args:
        name: Path or URI.
        key: A wrong one shows in the first statement, as "file is not a database".
        options: As `sqlite3.connect` takes them.

    Raises:
        MissingDependencyError: there is a key, and SQLCipher is not installed.
    """
    if key is None:
        plain: sqlite3.Connection = sqlite3.connect(name, **options)
        return plain
    module: Any = sqlcipher()
    connection: sqlite3.Connection = module.connect(str(name), **options)
    connection.execute("PRAGMA cipher_log_level = NONE")  # it would write to stderr
    connection.execute(f'PRAGMA key = "{key.literal}"')
    return connection


def sqlcipher() -> Any:  # noqa: ANN401  a module without types that mirrors sqlite3
    """Import SQLCipher's module.

    Raises:
        MissingDependencyError: it is not installed.
    """
    try:
        return import_module(_SQLCIPHER)
    except ImportError as error:
        raise MissingDependencyError("sqlcipher3", extra="encrypt") from error


def failures(name: str = "Error") -> tuple[type[sqlite3.Error], ...]:
    """Return an exception of the DB API, of each SQLite that is loaded, for an `except`.

    SQLCipher's module has classes of its own. What has not been imported has raised nothing.
    """
    modules = (sqlite3, sys.modules.get(_SQLCIPHER))
    # Another thread may be half-way through the import.
    return tuple(getattr(module, name) for module in modules if hasattr(module, name))


def failures_or(*others: type[Exception], name: str = "Error") -> tuple[type[Exception], ...]:
    """Return `failures(name)` and other exceptions."""
    return (*failures(name), *others)


def is_encrypted(path: Path) -> bool:
    """Whether a file looks like an encrypted database: whole pages, and most of them noise.

    An encrypted file has no mark, on purpose: a compressed file whose length is a multiple of 4096
    is mistaken for one. A few damaged pages, of either kind, mislead nobody.
    """
    try:
        if not path.is_file() or path.stat().st_size % PAGE:
            return False
        pages = path.stat().st_size // PAGE
        with path.open("rb") as file:
            if file.read(len(MAGIC)) == MAGIC:
                return False
            chosen = sorted({i * pages // SAMPLE for i in range(SAMPLE)}) if pages else []
            noisy = 0
            for number in chosen:
                file.seek(number * PAGE)
                noisy += is_noise(file.read(PAGE))
    except OSError:
        return False
    return 2 * noisy > len(chosen)


def is_noise(page: bytes) -> bool:
    """Whether a page's bytes are as evenly spread as those of an encrypted one."""
    if len(page) < PAGE:
        return False
    shares = (count / len(page) for count in Counter(page).values())
    return -sum(share * math.log2(share) for share in shares) > RANDOM_BITS
