"""The typer application, and how a module adds a command to it."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from .groups import expanded

__all__ = ["PlainCommand", "app", "command", "examples", "in_order"]

_TALK = ("chat", "add", "recall", "list", "show", "edit", "forget")
_FILES = ("import", "export", "backup")
_CARE = ("status", "doctor", "verify", "reencode", "gc")


def in_order(*names: str) -> type[TyperGroup]:
    """Return a group that lists its commands in this order, and not as modules are imported."""

    class InOrder(TyperGroup):
        def list_commands(self, ctx: Any) -> list[str]:  # noqa: ANN401  a private class of typer
            return sorted(self.commands, key=names.index)

    return InOrder


class PlainCommand(TyperCommand):
    """A command whose help names its arguments as the examples do, without Python's types."""

    def format_options(self, ctx: Any, formatter: Any) -> None:  # noqa: ANN401  private, of typer
        """Write the options as typer does, but without the types."""
        write = formatter.write_dl

        def write_plainly(rows: Sequence[tuple[str, str]], *rest: Any, **more: Any) -> None:  # noqa: ANN401
            write([(_without_type(name), text) for name, text in rows], *rest, **more)

        formatter.write_dl = write_plainly
        super().format_options(ctx, formatter)


def _without_type(name: str) -> str:
    return name if name.startswith("-") else re.sub(r" <[^<>]+>$", "", name)


app = typer.Typer(
    name="lmort-mem",
    cls=in_order(*_TALK, *_FILES, *_CARE, "model", "tuner", "bench", "config"),
    help="Talk to a GGUF model that remembers, and search what it remembers. Nothing leaves this"
    " computer.",
    no_args_is_help=True,
    # Plain help and plain errors: they are quicker to load, and the same in a pipe and in the docs.
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)


def _say_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        print(f"lmort-mem {version('lmort-memory')}")
        raise typer.Exit


@app.callback()
def _options(
    *,
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_say_version, is_eager=True, help="Show the version and exit."
        ),
    ] = False,
) -> None:
    pass


def examples(*lines: str) -> str:
    """Return the epilog of a command's help."""
    shown = "\n".join(f"  {line}" for line in lines)
    return f"\b\nExamples:\n{shown}"  # \b keeps the lines as they are


def command(
    *lines: str, name: str | None = None
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Add a command, under its function's name or another one, with examples below its help."""

    def add(function: Callable[..., None]) -> Callable[..., None]:
        return app.command(name=name, cls=PlainCommand, epilog=examples(*lines))(expanded(function))

    return add
