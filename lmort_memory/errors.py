"""The exceptions, grouped by what a caller can do about them.

    LmortError                        catch this to catch everything lmort-memory raises
    ├── BackboneError                 GGUF missing, unreadable, unsupported; forward pass refused
    ├── TunerError                    tuner file missing, damaged, or of a newer format
    │   └── TunerMismatchError        made for another backbone        .expected .found
    ├── StoreError                    database unreadable, damaged, full, or of a newer schema
    │   ├── DamagedStoreError         no database, or a damaged one
    │   ├── NewerSchemaError          made by a later version of lmort-memory
    │   ├── PassphraseError           an encrypted database, and no passphrase or a wrong one
    │   └── SpaceMismatchError        vectors of another space         .expected .found
    ├── ImportFileError               a file that no importer understands       .path
    ├── RecordNotFoundError           (also a LookupError)             .record_id
    └── MissingDependencyError        (also an ImportError)            .package .extra

Every message says what failed, what was found and what was expected, and what to do. Bad arguments
raise `ValueError` or `TypeError`: those are bugs in the calling code. This module imports nothing.
"""

__all__ = [
    "BackboneError",
    "DamagedStoreError",
    "ImportFileError",
    "LmortError",
    "MissingDependencyError",
    "NewerSchemaError",
    "PassphraseError",
    "RecordNotFoundError",
    "SpaceMismatchError",
    "StoreError",
    "TunerError",
    "TunerMismatchError",
]


class LmortError(Exception):
    """Base of every error that lmort-memory raises on purpose."""


class BackboneError(LmortError):
    """The GGUF model is missing, unreadable or unsupported, or llama.cpp refused to run it."""


class TunerError(LmortError):
    """The tuner file is missing, damaged, or in a format newer than this version reads."""


class TunerMismatchError(TunerError):
    """The tuner was made for another backbone."""

    def __init__(self, message: str, *, expected: str, found: str) -> None:
        super().__init__(message)
        self.expected = expected
        self.found = found


class StoreError(LmortError):
    """The database is unreadable, damaged, full, read-only, or of a newer schema."""


class DamagedStoreError(StoreError):
    """The file is not a database, or parts of it are not what was written."""


class NewerSchemaError(StoreError):
    """The database was made by a later version of lmort-memory; it was not touched."""


class PassphraseError(StoreError):
    """The database is encrypted, and the passphrase is missing or wrong; or it is not encrypted."""


class SpaceMismatchError(StoreError):
    """A vector belongs to another space than the one in use."""

    def __init__(self, message: str, *, expected: str, found: str) -> None:
        super().__init__(message)
        self.expected = expected
        self.found = found


class ImportFileError(LmortError):
    """A file could not be read, or no importer understands it."""

    def __init__(self, message: str, *, path: str) -> None:
        super().__init__(message)
        self.path = path


class RecordNotFoundError(LmortError, LookupError):
    """No record has this id."""

    def __init__(self, record_id: str) -> None:
        super().__init__(
            f"no record has the id {record_id!r} — `lmort-mem list` shows the existing ids"
        )
        self.record_id = record_id


class MissingDependencyError(LmortError, ImportError):
    """An optional package is not installed."""

    def __init__(self, package: str, *, extra: str) -> None:
        super().__init__(f"{package} is not installed — run: pip install 'lmort-memory[{extra}]'")
        self.package = package
        self.extra = extra
