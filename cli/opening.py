"""From the command line's options to an open memory."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from lmort_memory.errors import NewerSchemaError, PassphraseError, StoreError
from lmort_memory.paths import chosen_db
from lmort_memory.settings import setting, tell_library
from lmort_memory.types import ALL_SCOPES, DEFAULT_SCOPE, one_scope

from .passphrase import passphrase_for
from .terminal.output import note
from .terminal.progress import Waiting

if TYPE_CHECKING:
    from lmort_memory.memory import Memory

    from .options import Base, Models

__all__ = [
    "borrowed_or_own",
    "chosen_scope",
    "database_path",
    "database_place",
    "open_damaged",
    "open_memory",
    "passphrase_of",
    "scope_to_write",
    "setting_text",
    "wants_codes",
    "wants_redaction",
]


def borrowed_or_own(base: Base, models: Models, *, redact: bool | None = None) -> Memory:
    """Open the memory named by the options, with the running server's model or its own.

    Args:
        base: Where the memory is.
        models: Which weights make the vectors.
        redact: Whether to replace secrets before storing; None takes the setting.
    """
    from lmort_memory.memory import Memory
    from lmort_memory.serve.borrowed import borrow_memory

    from .commands.model import runnable_model

    path = setting_text("db", base.db)
    passphrase = passphrase_of(base)
    model = runnable_model(setting_text("model", models.model))
    tuner = setting_text("tuner", models.tuner)
    redacts = wants_redaction(redact)
    borrowed = borrow_memory(
        path,
        model=model,
        tuner=tuner,
        token_codes=wants_codes(),
        passphrase=passphrase,
        redact=redacts,
    )
    tell_library(gpu_layers=models.gpu_layers, threads=models.threads)
    return borrowed or Memory.open(
        path,
        model=model,
        tuner=tuner,
        token_codes=wants_codes(),
        redact=redacts,
        passphrase=passphrase,
    )


def wants_redaction(option: bool | None = None) -> bool:
    """Return whether secrets are replaced before anything is stored."""
    return setting("redact").value is True if option is None else option


def wants_codes() -> bool:
    """Return whether records get codes of their tokens."""
    return setting_text("token_codes", None) != "off"


@contextmanager
def open_memory(
    base: Base,
    models: Models | None = None,
    *,
    talks: bool = False,
    find_tuner: bool = False,
    redact: bool | None = None,
    notices: bool = True,
    existing: bool = False,
) -> Iterator[Memory]:
    """Open the memory named by the options; without `models` no model is loaded.

    Notices about the model and counts of redacted secrets go to stderr.

    Args:
        base: Where the memory is.
        models: Which weights make the vectors; the running server's if it has them loaded.
        talks: Load the model in this process, for text and tokens.
        find_tuner: Look up the model's own tuner and ignore the one in the settings.
        redact: Whether to replace secrets before storing; None takes the setting.
        notices: Whether to say what is to be done about the model or its vectors.
        existing: Whether a database that was named must be there: a command that saves or checks
            what is stored would be right about a new one, whose name was mistyped.

    Raises:
        StoreError: it must be there, and is not.
    """
    from lmort_memory.memory import Memory

    from .commands.model import runnable_model

    path = setting_text("db", base.db)
    place = chosen_db(path)
    new = path is not None and isinstance(place, Path) and not place.exists()
    if new and existing:
        raise StoreError(f"there is no database at {path} — name an existing one with --db")
    if models is None:
        opened = Memory.open(
            path, with_model=False, redact=wants_redaction(redact), passphrase=passphrase_of(base)
        )
    elif talks:
        tell_library(gpu_layers=models.gpu_layers, threads=models.threads)
        model = runnable_model(setting_text("model", models.model))
        tuner = None if find_tuner else setting_text("tuner", models.tuner)
        passphrase = passphrase_of(base)
        with Waiting("loading the model", sys.stderr):
            opened = Memory.open(
                path,
                model=model,
                tuner=tuner,
                token_codes=wants_codes(),
                redact=wants_redaction(redact),
                passphrase=passphrase,
            )
    else:
        opened = borrowed_or_own(base, models, redact=redact)
    with opened as memory:
        if new:
            note(f"a new database: {path}")  # perhaps a mistyped name
        if told := memory.notice if notices else None:
            note(told)
        try:
            yield memory
        finally:
            if notices and (now := memory.notice) and now != told:  # the work has shown it
                note(now)
            if memory.redactor is not None and (counts := memory.redactor.counts):
                kinds = ", ".join(f"{count} x {kind}" for kind, count in sorted(counts.items()))
                note(f"redacted before storing: {kinds}")


def database_place(base: Base) -> Path | str:
    """Return the database named by the options: a file, or a server's URL."""
    place = chosen_db(setting_text("db", base.db))
    if isinstance(place, str):
        from .secrets import hide_arguments

        hide_arguments()
    return place


def database_path(base: Base) -> Path:
    """Return the path of the database named by the options.

    Raises:
        StoreError: it is on a server.
    """
    place = database_place(base)
    if isinstance(place, str):
        from lmort_memory.store.places import shown_place

        raise StoreError(
            f"this command works on files, and {shown_place(place)} is on a server — name a file"
            " with --db; `lmort-mem copy` copies everything into one"
        )
    return place


def passphrase_of(base: Base) -> str | None:
    """Return the passphrase of the database that the options name; asks a person for it."""
    place = database_place(base)
    return None if isinstance(place, str) else passphrase_for(place, base.passphrase_file)


@contextmanager
def open_damaged(base: Base) -> Iterator[Memory]:
    """Open what can be read of a database, even if it is damaged, without writing to it."""
    from lmort_memory.memory import Memory
    from lmort_memory.store import SQLiteStore
    from lmort_memory.store.salvage import repaired_copy

    path = database_path(base)
    passphrase = passphrase_of(base)
    with repaired_copy(path, passphrase=passphrase) as copy:
        try:
            store = SQLiteStore(copy, key=passphrase, read_only=True)
        except (PassphraseError, NewerSchemaError):
            raise
        except StoreError as error:
            raise nothing_left(path) from error
        with Memory(None, store) as memory:
            yield memory


def nothing_left(path: Path) -> StoreError:
    """Return the error for a damaged database of which nothing can be read."""
    return StoreError(
        f"cannot read anything from {path} — restore a backup: lmort-mem restore BACKUP"
    )


def chosen_scope(option: str | None) -> str | None:
    """Return the scope to search; None for all."""
    scope = setting_text("scope", option) or DEFAULT_SCOPE
    return None if scope == ALL_SCOPES else scope


_ORIGINS = {
    "environment": "; it comes from $LMORT_SCOPE",
    "file": "; it comes from the settings: lmort-mem config scope",
}


def scope_to_write(option: str | None) -> str:
    """Return the scope to store in.

    Raises:
        WrongUsage: it is "*": what is stored there could not be told from everything.
    """
    scope = setting_text("scope", option) or DEFAULT_SCOPE
    try:
        return one_scope(scope)
    except ValueError as error:
        from .options import WrongUsage

        origin = _ORIGINS.get(setting("scope", option).origin, "")
        raise WrongUsage(f"{error}{origin}") from error


def setting_text(name: str, option: object) -> str | None:
    """Return the value of a text setting."""
    value = setting(name, None if option is None else str(option)).value
    return None if value is None else str(value)
