"""The table of formats: every importer, in the order in which it is listed to people.

A `Format` says its name, the suffixes it may have, how it is recognised, how it is read, and what
it is in one line (`about`). To add one to the package, write its file and name it here. A package
of somebody else's names its `Format` objects as entry points of the group `lmort_memory.importers`:

    [project.entry-points."lmort_memory.importers"]
    roam = "my_package:FORMAT"
"""

from __future__ import annotations

from functools import cache
from importlib.metadata import entry_points

from lmort_memory.errors import LmortError
from lmort_memory.importers.format import Format
from lmort_memory.importers.formats import (
    backup,
    chatgpt,
    claude,
    claude_code,
    codex,
    csv_table,
    discord,
    docx,
    epub,
    evernote,
    gemini,
    gemini_cli,
    html,
    mail,
    markdown,
    mcp_memory,
    mem0,
    notion,
    opml,
    org,
    pdf,
    slack,
    telegram,
    text,
    turns,
    whatsapp,
)

__all__ = ["FORMATS", "GROUP", "known_formats"]

GROUP = "lmort_memory.importers"

FORMATS: tuple[Format, ...] = (
    markdown.FORMAT,
    text.FORMAT,
    org.FORMAT,
    html.FORMAT,
    pdf.FORMAT,
    docx.FORMAT,
    epub.FORMAT,
    notion.FORMAT,
    evernote.FORMAT,
    opml.FORMAT,
    csv_table.FORMAT,
    chatgpt.FORMAT,
    claude.FORMAT,
    gemini.FORMAT,
    claude_code.FORMAT,
    codex.FORMAT,
    gemini_cli.FORMAT,
    whatsapp.FORMAT,
    telegram.FORMAT,
    slack.FORMAT,
    discord.FORMAT,
    mail.FORMAT,
    mem0.FORMAT,
    mcp_memory.FORMAT,
    turns.FORMAT,
    turns.EXPORT,
    backup.FORMAT,
)


@cache
def known_formats() -> tuple[Format, ...]:
    """Return the formats of the package and those that other installed packages register.

    Raises:
        LmortError: an entry point cannot be loaded, or is no `Format` with a name of its own.
    """
    found = {form.name: form for form in FORMATS}
    for entry in entry_points(group=GROUP):
        try:
            form = entry.load()
        except (ImportError, AttributeError) as error:
            raise LmortError(
                f"importer {entry.name!r} ({entry.value}) cannot be loaded: {error} — update or"
                " uninstall the package that registers it"
            ) from error
        if not isinstance(form, Format) or form.name in found:
            raise LmortError(
                f"importer {entry.name!r} ({entry.value}) must be a Format with a name of its own;"
                f" found {form!r}"
            )
        found[form.name] = form
    return tuple(found.values())
