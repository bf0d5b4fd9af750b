"""The public names as docs/api.md; `python -m tests.support.api_page` writes it."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import is_typeddict

import lmort_memory
from lmort_memory import importers, importing

PAGE = Path(__file__).parents[2] / "docs" / "api.md"
HEAD = """# API

Made from the docstrings, and held in step with them by a test. Everything below is imported from
`lmort_memory`, what belongs to imports from `lmort_memory.importers` and `lmort_memory.importing`.
Results are frozen values. Times carry a zone. Errors of ours derive from `LmortError`; a wrong
argument is a `ValueError`, one of a wrong type a `TypeError`.

**Stability.** The names on this page follow semantic versioning: before 1.0 a minor release may
change one, and the changelog says so. That includes what other people's code implements:
`Encoder`, `StateEncoder`, `TokenEncoder`, `Store` (held to `lmort_memory.testing.check_store`),
and importers (`lmort_memory.importers.Format`, registered by the entry point
`lmort_memory.importers`). The SQLite schema, the files beside the database, and everything that
is not named here are private; the formats of exports and of tuner files are read by every later
version.
"""
FIRST = ("Memory", "Chat", "ChatOptions", "Reply", "Ledger", "Turn", "Record", "Hit", "Scores")


def page() -> str:
    """Return what docs/api.md must be."""
    parts = [HEAD]
    for module in (lmort_memory, importers, importing):
        parts.append(f"## {module.__name__}\n")
        parts.extend(_entry(name, getattr(module, name)) for name in _names(module))
    return "\n".join(parts)


def _names(module: ModuleType) -> list[str]:
    names = [name for name in module.__all__ if not _is_alias(getattr(module, name))]
    return sorted(names, key=lambda name: (_place(name), name))


def _place(name: str) -> int:
    return FIRST.index(name) if name in FIRST else len(FIRST)


def _entry(name: str, value: object) -> str:
    lines = [f"### {name}\n", "```text", *_described(name, value)]
    if inspect.isclass(value):
        for method, member in _members(value):
            lines += ["", *_described(f"{name}.{method}", member)]
    return "\n".join([*lines, "```\n"])


def _members(cls: type) -> Iterator[tuple[str, object]]:
    """Yield the public methods and properties of a class, those it took over from ours included."""
    for name, _ in inspect.getmembers(cls):
        owner = next(base for base in cls.__mro__ if name in vars(base) or base is object)
        if name.startswith("_") or not owner.__module__.startswith("lmort_memory"):
            continue
        member = inspect.getattr_static(cls, name)
        member = member.__func__ if isinstance(member, classmethod | staticmethod) else member
        if inspect.isfunction(member) or isinstance(member, property):
            yield name, member


def _described(name: str, value: object) -> list[str]:
    text = inspect.getdoc(value) or ""
    indented = [f"    {line}".rstrip() for line in text.splitlines()]
    return [f"{name}{_signature(value)}", *indented]


def _signature(value: object) -> str:
    if isinstance(value, property) or not callable(value) or _is_alias(value):
        return ""
    if inspect.isclass(value) and (issubclass(value, Exception) or is_typeddict(value)):
        return ""
    signature = inspect.signature(value)
    shown = [p for p in signature.parameters.values() if p.name not in ("self", "cls")]
    flat = str(signature.replace(parameters=shown))
    if len(name := flat.replace("'", "")) <= 90 or not shown:
        return name
    inner = "".join(f"\n    {line}," for line in _one_each(shown))
    returns = (
        ""
        if signature.return_annotation is inspect.Signature.empty
        else (f" -> {signature.return_annotation}")
    )
    return f"({inner}\n){returns}".replace("'", "")


def _one_each(parameters: list[inspect.Parameter]) -> Iterator[str]:
    starred = False
    for parameter in parameters:
        if parameter.kind is parameter.KEYWORD_ONLY and not starred:
            starred = True
            yield "*"
        yield str(parameter)


def _is_alias(value: object) -> bool:
    return not inspect.isclass(value) and not inspect.isfunction(value)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
