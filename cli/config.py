"""The command `config`."""

from __future__ import annotations

from typing import Annotated

import typer

from ._app import command
from ._output import note, print_json, say
from ._settings import KINDS, config_path, parse_value, read_config, setting, write_config


@command(
    "lmort-mem config",
    "lmort-mem config model ~/models/qwen3-4b.gguf",
    "lmort-mem config model --unset",
)
def config(
    name: Annotated[str | None, typer.Argument(help=f"One of {', '.join(KINDS)}.")] = None,
    value: Annotated[str | None, typer.Argument(help="What to set it to.")] = None,
    *,
    unset: Annotated[bool, typer.Option("--unset", help="Go back to the default.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Show the settings and where each comes from, or change the settings file.

    An option wins over $LMORT_<NAME>, that over the file, that over the default.
    """
    if name is None:
        _show(json=json)
        return
    if name not in KINDS:
        raise typer.BadParameter(f"no setting is named {name!r}; there are {', '.join(KINDS)}")
    if value is None and not unset:
        say(str(setting(name).value or ""))
        return
    entries = read_config()
    if value is None:
        entries.pop(name, None)
    else:
        entries[name] = parse_value(name, value, where="command line")
    note(f"written to {write_config(entries)}")


def _show(*, json: bool) -> None:
    found = {name: setting(name) for name in KINDS}
    if json:
        print_json({"file": config_path(), "settings": found})
        return
    say(f"# {config_path()}")
    for name, one in found.items():
        say(f"{name:<12} {'' if one.value is None else one.value}  ({one.origin})")
