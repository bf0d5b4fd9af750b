"""From the command line's options to an open memory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from lmort_memory.paths import expanded
from lmort_memory.types import DEFAULT_SCOPE

from .settings import setting, tell_library
from .terminal.output import note

if TYPE_CHECKING:
    from lmort_memory.memory import Memory

    from .options import Base, Models

__all__ = ["chosen_scope", "open_memory", "scope_to_write", "setting_text"]


@contextmanager
def open_memory(
    base: Base, models: Models | None = None, *, find_tuner: bool = False
) -> Iterator[Memory]:
    """Open the memory that the options name; without `models` no model is loaded.

    With `find_tuner` the tuner is looked up for the model, whatever the settings name.

    What there is to say about the model goes to stderr.
    """
    from lmort_memory.memory import Memory

    from .commands.model import runnable_model

    path = setting_text("db", base.db)
    new = path is not None and not expanded(path).exists()
    model = tuner = None
    if models is not None:
        tell_library(gpu_layers=models.gpu_layers, threads=models.threads)
        model = runnable_model(setting_text("model", models.model))
        tuner = None if find_tuner else setting_text("tuner", models.tuner)
    with Memory.open(
        path,
        model=model,
        tuner=tuner,
        with_model=models is not None,
        token_codes=setting_text("token_codes", None) != "off",
    ) as memory:
        if new:
            note(f"a new database: {path}")  # which may be a name that was mistyped
        if memory.notice:
            note(memory.notice)
        yield memory


def chosen_scope(option: str | None) -> str | None:
    """Return the scope to look in; None is all of them."""
    scope = setting_text("scope", option) or DEFAULT_SCOPE
    return None if scope == "*" else scope


def scope_to_write(option: str | None) -> str:
    """Return the scope to store into."""
    return setting_text("scope", option) or DEFAULT_SCOPE


def setting_text(name: str, option: object) -> str | None:
    """Return the value of a setting that is a text."""
    value = setting(name, None if option is None else str(option)).value
    return None if value is None else str(value)
