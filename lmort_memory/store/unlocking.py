"""Opening an encrypted database: the passphrase tried before anything is loaded or written."""

from __future__ import annotations

import secrets
from contextlib import closing, suppress
from pathlib import Path
from urllib.parse import quote

from lmort_memory.errors import PassphraseError, StoreError
from lmort_memory.paths import make_private_dir, put_in_place, touch_private
from lmort_memory.store import schema
from lmort_memory.store.encryption import (
    MAGIC,
    SALT_BYTES,
    Key,
    connect,
    derive_key,
    failures,
    failures_or,
    new_key,
    sqlcipher,
)
from lmort_memory.store.file_checks import refuse_foreign

__all__ = ["check_passphrase", "create_encrypted", "unlock"]


def check_passphrase(path: Path, passphrase: str | Key | None) -> str | Key | None:
    """Try a passphrase on a database that may not exist yet; nothing is written.

    Returns:
        What `SQLiteStore` takes as its key: derived already where there is a file.

    Raises:
        PassphraseError: it is missing, wrong, or given for a file that is not encrypted.
        MissingDependencyError: SQLCipher is not installed.
        StoreError: the file is not a database of ours, or is of a newer schema.
    """
    if passphrase is None:
        refuse_foreign(path)
        return None
    sqlcipher()
    if _is_new(path):
        if passphrase == "":
            derive_key(passphrase, b"")  # refuses it
        return passphrase
    key = passphrase if isinstance(passphrase, Key) else derive_key(passphrase, _salt(path))
    _try(path, key)
    return key


def unlock(path: Path, passphrase: str | Key | None, *, create: bool = False) -> Key | None:
    """Return the key of a database, or None for one that is not encrypted.

    Args:
        path: The database.
        passphrase: Its passphrase, a key that was derived from it, or None.
        create: Make an encrypted database where there is none.

    Raises:
        PassphraseError, MissingDependencyError, StoreError: as `check_passphrase`.
    """
    checked = check_passphrase(path, passphrase)
    if not isinstance(checked, str):
        return checked
    key = new_key(checked)
    if not create or create_encrypted(path, key):
        return key
    return unlock(path, passphrase)  # another process has just made it, with a salt of its own


def create_encrypted(path: Path, key: Key) -> bool:
    """Write an empty encrypted database; False where a file has come to be there meanwhile.

    It is written under another name, so that nobody ever meets one without its salt.

    Raises:
        StoreError: it cannot be written.
    """
    part = path.with_name(f".{path.name}.{secrets.token_hex(8)}.part")
    try:
        make_private_dir(path.parent)
        touch_private(part)
        with closing(connect(part, key, isolation_level=None)) as connection:
            connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
            connection.execute("BEGIN IMMEDIATE")
            schema.migrate(connection, path)
            connection.execute("COMMIT")
        return _put_in_place(part, path)
    except failures_or(OSError) as error:
        raise StoreError(
            f"cannot create {path}: {getattr(error, 'strerror', None) or error} — "
            "check that the folder exists, is yours and has room"
        ) from error
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)


def _put_in_place(part: Path, path: Path) -> bool:
    if path.exists() and path.stat().st_size == 0:  # such as `tempfile` makes
        part.replace(path)
        return True
    return put_in_place(part, path)


def _is_new(path: Path) -> bool:
    return not path.exists() or (path.is_file() and path.stat().st_size == 0)


def _salt(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            salt = file.read(SALT_BYTES)
    except OSError as error:
        raise StoreError(f"cannot open {path}: {error.strerror} — check its permissions") from error
    if salt == MAGIC:
        raise PassphraseError(
            f"cannot open {path}: it is not encrypted, and a passphrase was given — open it"
            " without one, or encrypt it: lmort-mem encrypt"
        )
    return salt


def _try(path: Path, key: Key) -> None:
    """Read the first page.

    Raises:
        PassphraseError: the key does not fit.
        StoreError: the file is another program's, of a newer schema, or cannot be read.
    """
    uri = f"file:{quote(str(path.absolute()))}?mode=ro"
    try:
        try:
            application, version = _header(uri, key)
        except failures("OperationalError"):  # see Database._read_only
            application, version = _header(f"{uri}&immutable=1", key)
    except failures("DatabaseError") as error:
        if "not a database" not in str(error):
            raise StoreError(f"cannot open {path}: {error} — check its permissions") from error
        raise PassphraseError(
            f"cannot open {path}: the passphrase is wrong — or the file is not an encrypted"
            " database, or its first page is damaged (`lmort-mem restore BACKUP`)"
        ) from error
    schema.refuse_other(path, application, version)


def _header(uri: str, key: Key) -> tuple[int, int]:
    with closing(connect(uri, key, uri=True)) as connection:
        connection.execute("PRAGMA writable_schema = ON")  # opens a file that was cut, too
        (application,) = connection.execute("PRAGMA application_id").fetchone()
        (version,) = connection.execute("PRAGMA user_version").fetchone()
    return application, version
