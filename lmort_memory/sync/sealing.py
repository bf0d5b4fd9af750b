"""A bundle as a file: a header in the clear, and its changes encrypted and authenticated.

    MAGIC, length of the header (4 bytes, big-endian), header (JSON), ciphertext

scrypt derives 64 bytes from the passphrase and the device's salt: the first 32 are the key of
ChaCha20-Poly1305, the next 16 lie in the header, to tell a wrong passphrase from a damaged file.
The nonce is random. The header is authenticated with the changes, so that no file passes for
another.
"""

from __future__ import annotations

import json
import secrets
import struct
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from lmort_memory.errors import MissingDependencyError
from lmort_memory.store.encryption import secret_of
from lmort_memory.store.replica.state import Changes
from lmort_memory.sync import wire

__all__ = ["Head", "Sealer", "UnreadableError", "read_head"]

MAGIC = b"lmort-sync\n"
FORMAT = 1
COST = 17  # log2 of scrypt's N: 128 MB and about 0.4 s a device
MOST_COST = 20
NONCE_BYTES = 12
MOST_HEADER = 4096
_LENGTH = struct.Struct(">I")


class UnreadableError(Exception):
    """A file that cannot be read as a bundle, now or ever; its text follows the file's name."""


@dataclass(frozen=True, slots=True)
class Head:
    """What stands in a bundle's header, in the clear.

    Attributes:
        device: Whose it is.
        first: The first number that it covers.
        last: The last one.
        revision: How often it was written again.
        id: Its random id.
        salt: What its key is derived with, in hex.
        cost: log2 of scrypt's N.
        check: 16 bytes that only the right passphrase gives, in hex.
        nonce: In hex.
        size: Length of the ciphertext in bytes.
        format: Of the file.
    """

    device: str
    first: int
    last: int
    revision: int
    id: str
    salt: str
    cost: int
    check: str
    nonce: str
    size: int
    format: int = FORMAT


class Sealer:
    """Encrypts and decrypts bundles under one passphrase. Derived keys are kept while it lives.

    Raises:
        PassphraseError: the passphrase is empty.
        MissingDependencyError: `cryptography`, the extra `sync`, is not installed.
    """

    def __init__(self, passphrase: str) -> None:
        self._secret = secret_of(passphrase)
        try:
            import cryptography  # noqa: F401
        except ImportError as error:
            raise MissingDependencyError("cryptography", extra="sync") from error
        self._keys: dict[tuple[bytes, int], bytes] = {}

    def seal(self, changes: Changes, *, salt: bytes, **named: Any) -> bytes:  # noqa: ANN401
        """Return the file of a bundle; `named` are the fields of `Head` that say which it is."""
        from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

        key = self._derive(salt, COST)
        nonce = secrets.token_bytes(NONCE_BYTES)
        plain = wire.encode(changes)
        head = Head(
            **named,
            salt=salt.hex(),
            cost=COST,
            check=key[32:48].hex(),
            nonce=nonce.hex(),
            size=len(plain) + 16,
        )
        text = json.dumps(asdict(head), sort_keys=True).encode()
        start = MAGIC + _LENGTH.pack(len(text)) + text
        return start + ChaCha20Poly1305(key[:32]).encrypt(nonce, plain, start)

    def fits(self, head: Head) -> bool:
        """Whether the passphrase is the one that a bundle was written with."""
        key = self._derive(bytes.fromhex(head.salt), head.cost)
        return secrets.compare_digest(key[32:48], bytes.fromhex(head.check))

    def open(self, path: Path, expected: Head) -> Changes:
        """Return what a bundle says.

        Raises:
            UnreadableError: it is incomplete, damaged, or sealed with another passphrase.
        """
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

        try:
            data = path.read_bytes()
        except OSError as error:
            raise UnreadableError(f"cannot be read: {error.strerror}") from error
        head, start = _parse(data, len(data))
        if head != expected:
            raise UnreadableError("was changed while it was read")
        if not self.fits(head):
            raise UnreadableError("was written with another passphrase")
        key = self._derive(bytes.fromhex(head.salt), head.cost)
        try:
            plain = ChaCha20Poly1305(key[:32]).decrypt(
                bytes.fromhex(head.nonce), data[start:], data[:start]
            )
            return wire.decode(plain)
        except InvalidTag as error:
            raise UnreadableError("is damaged, or somebody changed it") from error
        except ValueError as error:
            raise UnreadableError(f"cannot be understood ({error})") from error

    def _derive(self, salt: bytes, cost: int) -> bytes:
        from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

        if (salt, cost) not in self._keys:
            derive = Scrypt(salt=salt, length=64, n=1 << cost, r=8, p=1)
            self._keys[salt, cost] = derive.derive(self._secret)
        return self._keys[salt, cost]


def read_head(path: Path) -> Head:
    """Return a bundle's header.

    Raises:
        UnreadableError: it is not a bundle, is incomplete, or is of a newer version.
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            start = file.read(len(MAGIC) + _LENGTH.size + MOST_HEADER)
    except OSError as error:
        raise UnreadableError(f"cannot be read: {error.strerror}") from error
    return _parse(start, size)[0]


def _parse(data: bytes, size: int) -> tuple[Head, int]:
    """Return the header and where the ciphertext starts, of a file of `size` bytes."""
    if not MAGIC.startswith(data[: len(MAGIC)]):
        raise UnreadableError("is not a bundle")
    at = len(MAGIC) + _LENGTH.size
    length = _LENGTH.unpack_from(data, len(MAGIC))[0] if len(data) >= at else 0
    if length > MOST_HEADER:
        raise UnreadableError("is damaged, or somebody changed it")
    if not length or len(data) < at + length:
        raise UnreadableError("is incomplete")
    head = _head(data[at : at + length])
    missing = at + length + head.size - size
    if missing > 0:
        raise UnreadableError(f"is incomplete: {missing:,} bytes are missing")
    return head, at + length


def _head(text: bytes) -> Head:
    try:
        value = json.loads(text)
        if value["format"] != FORMAT:
            raise UnreadableError(f"has format {value['format']!r:.20}, not {FORMAT}")
        head = Head(**value)
        if not isinstance(head.id, str) or not isinstance(head.device, str):
            raise TypeError("an id that is not text")
        for hexadecimal in (head.salt, head.check, head.nonce):
            bytes.fromhex(hexadecimal)
        numbers = (head.first, head.last, head.revision, head.size, head.cost)
        if not all(type(number) is int and number >= 0 for number in numbers):
            raise ValueError(f"not numbers: {numbers}")
        if not 0 < head.cost <= MOST_COST:
            raise ValueError(f"cost {head.cost}")
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise UnreadableError("is damaged, or somebody changed it") from error
    return head
