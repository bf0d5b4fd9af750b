"""The command `config`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from lmort_memory.errors import LmortError
from lmort_memory.paths import chosen_db, is_server
from lmort_memory.settings import (
    KINDS,
    Setting,
    config_path,
    parse_value,
    read_config,
    setting,
    write_config,
)

from ..app import command
from ..options import WrongUsage
from ..terminal.output import note, print_json, say
from .chat import speakers_of

_FILES = ("db", "llama_lib", "model", "passphrase_file", "template", "tuner")


@command(
    "lmort-mem config",
    "lmort-mem config model ~/models/qwen3-4b.gguf",
    "lmort-mem config model --unset",
)
def config(
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help=f"One of {', '.join(KINDS)}.")
    ] = None,
    value: Annotated[str | None, typer.Argument(metavar="VALUE", help="The new value.")] = None,
    *,
    unset: Annotated[bool, typer.Option("--unset", help="Restore the default.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Show the settings and where each comes from, or change them.

    Precedence: option, $LMORT_<NAME>, settings file, default.
    """
    if unset and (name is None or value is not None):
        raise WrongUsage("--unset takes a setting's name and no value")
    if name is None:
        _show(json=json)
        return
    if name not in KINDS:
        raise WrongUsage(f"unknown setting {name!r}; choose one of {', '.join(KINDS)}")
    if value is None and not unset:
        found = _public(setting(name))
        if json:
            print_json(found)
        elif found.value is None:
            note("not set")
        else:
            say(str(found.value))
        return
    entries = read_config()
    if value is None:
        entries.pop(name, None)
    else:
        entries[name] = _parsed(name, value)
    path = write_config(entries)
    if json:
        written = entries.get(name)
        print_json({"file": path, name: _public(Setting(written, "file")).value})
    else:
        note(f"written to {path}")


def _public(found: Setting) -> Setting:
    """Return a setting for people: a URL without its password."""
    if not isinstance(found.value, str) or not is_server(found.value):
        return found
    from lmort_memory.store.places import shown_place

    return replace(found, value=shown_place(found.value))


def _parsed(name: str, value: str) -> str | int | float:
    if not value:
        raise WrongUsage(f"give a value; lmort-mem config {name} --unset restores the default")
    try:
        parsed = parse_value(name, value, where="config")
        if name == "speakers":
            speakers_of(value)
        elif name == "db":
            chosen_db(value)
    except LmortError as error:
        raise WrongUsage(str(error)) from error
    return _in_full(name, value) if name in _FILES else parsed


def _in_full(name: str, value: str) -> str:
    """Return a path that means the same in every folder; a model may also be known by a name."""
    if is_server(value) or value.startswith("~"):
        return value
    return str(Path(value).absolute()) if name == "db" or Path(value).exists() else value


def _show(*, json: bool) -> None:
    found = {name: _public(setting(name)) for name in KINDS}
    if json:
        print_json({"file": config_path(), "settings": found})
        return
    say(f"# {config_path()}")
    width = max(map(len, found))
    for name, one in found.items():
        say(f"{name:<{width}} {'' if one.value is None else one.value}  ({one.origin})")
