"""Settings: an option wins over `$LMORT_…`, that over the settings file, that over the default.

The file is config.toml in the platform's folder, or the one named by `$LMORT_CONFIG`. A file in the
working folder is never read: an untrusted folder must not choose what runs.
"""

from __future__ import annotations

import math
import os
import tomllib
from dataclasses import dataclass
from pathlib import Path

from lmort_memory import paths
from lmort_memory.errors import LmortError

__all__ = [
    "KINDS",
    "Setting",
    "config_path",
    "parse_value",
    "read_config",
    "setting",
    "tell_library",
    "write_config",
]

KINDS: dict[str, type] = {
    "ctx": int,
    "db": str,
    "gpu_layers": int,
    "keyring": bool,
    "llama_lib": str,
    "max_tokens": int,
    "model": str,
    "passphrase_file": str,
    "redact": bool,
    "scope": str,
    "speakers": str,
    "stop": str,
    "system": str,
    "temperature": float,
    "template": str,
    "threads": int,
    "token_codes": str,
    "tuner": str,
}
_CHOICES = {"token_codes": ("on", "off")}


@dataclass(frozen=True, slots=True)
class Setting:
    """The value in use, and which of "option", "environment", "file", "default" it came from."""

    value: str | int | float | None
    origin: str


def tell_library(*, gpu_layers: int | None = None, threads: int | None = None) -> None:
    """Export the settings about computing to this process and its children.

    The library takes them from the environment: they concern the process, not one memory.

    Raises:
        LmortError: as `setting` does.
    """
    named = {"llama_lib": None, "gpu_layers": gpu_layers, "threads": threads}
    for name, option in named.items():
        if (value := setting(name, option).value) is not None:
            os.environ[f"LMORT_{name.upper()}"] = str(value)


def config_path() -> Path:
    """Where the settings file is, or would be."""
    named = os.environ.get("LMORT_CONFIG")
    return paths.expanded(named) if named else paths.config_dir() / "config.toml"


def setting(name: str, option: str | float | None = None) -> Setting:
    """Find the value of a setting.

    Raises:
        LmortError: the settings file or the variable's value is invalid.
    """
    # Scripts pass "" for an unset variable; in the file it is unset too.
    if option not in (None, ""):
        return Setting(option, "option")
    variable = f"LMORT_{name.upper()}"
    if text := os.environ.get(variable):
        return Setting(parse_value(name, text, where=f"${variable}"), "environment")
    if (value := read_config().get(name)) not in (None, ""):
        return Setting(value, "file")
    return Setting(None, "default")


def parse_value(name: str, text: str, *, where: str) -> str | int | float:
    """Parse a setting's value.

    Raises:
        LmortError: there is no such setting, or the value has the wrong type.
    """
    kind = _kind(name, where)
    try:
        if kind is bool:
            return _SWITCH[text.strip().lower()]
        value: str | int | float = kind(text)
        if not _is_possible(name, value):
            raise ValueError(text)
    except (KeyError, ValueError) as error:
        raise LmortError(f"{where}: {name} must be {_wanted(name)}, not {text!r}") from error
    return value


_LEAST = {"ctx": 256, "gpu_layers": -1, "max_tokens": 1, "temperature": 0.0, "threads": 1}


def _is_possible(name: str, value: object) -> bool:
    if not isinstance(value, int | float):
        return value in _CHOICES.get(name, (value,))
    return math.isfinite(value) and value >= _LEAST.get(name, -math.inf)


def _wanted(name: str) -> str:
    if name in _CHOICES:
        return " or ".join(_CHOICES[name])
    least = f" of at least {_LEAST[name]:g}" if name in _LEAST else ""
    return f"{_A[KINDS[name]]}{least}"


_A = {bool: "true or false", str: "a text", int: "a whole number", float: "a number"}
_SWITCH = {"true": True, "1": True, "yes": True, "on": True}
_SWITCH |= {"false": False, "0": False, "no": False, "off": False}


def _kind(name: str, where: str) -> type:
    if name not in KINDS:
        raise LmortError(f"{where}: unknown setting {name!r} — choose one of {', '.join(KINDS)}")
    return KINDS[name]


def read_config() -> dict[str, str | int | float]:
    """Read the settings file; a missing file is empty.

    Raises:
        LmortError: it cannot be read, is not TOML, or has an unknown setting.
    """
    path = config_path()
    try:
        entries = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError) as error:  # [[[[… is TOML too
        raise LmortError(
            f"cannot read the settings file {path}: {error} — correct or remove it"
        ) from error
    for name, value in entries.items():
        kind = _kind(name, str(path))
        wanted = (int, float) if kind is float else (kind,)
        if type(value) not in wanted or not _is_possible(name, value):
            raise LmortError(
                f"{path}: {name} must be {_wanted(name)}, not {value!r} — correct that line"
            )
    return entries


def write_config(entries: dict[str, str | int | float]) -> Path:
    """Replace the settings file, mode 0600.

    Raises:
        LmortError: it cannot be written.
    """
    path = config_path()
    lines = [f"{name} = {_toml(value)}\n" for name, value in sorted(entries.items())]
    try:
        paths.make_private_dir(path.parent)
        with paths.replacing(path) as fresh:
            fresh.write_text("".join(lines), encoding="utf-8")
    except OSError as error:
        raise LmortError(f"cannot write the settings file {path}: {error}") from error
    return path


def _toml(value: str | float) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if not isinstance(value, str):
        return repr(value)
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(c if c.isprintable() else f"\\U{ord(c):08x}" for c in escaped) + '"'
