"""The typer application, and how a module adds a command to it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from .groups import expanded
from .terminal.output import visible

__all__ = ["PlainCommand", "app", "command", "examples", "in_order"]

_UsageError: Any = typer.BadParameter.__bases__[0]  # typer gives it no public name
_SENTENCE = re.compile(r"-[^=\s]*\s")  # "- buy milk"; no option has white space before its "="
_OPTION = re.compile(r"-\S")  # a lone dash is a word
_SHELLS = re.compile(r'(["$`\\])')  # a shell reads these inside double quotes
_ESCAPED = r"\\\1"
_PLACES = ("PATH", "FILE", "FOLDER", "FROM", "TO", "SOURCE", "OUT")  # names of arguments
_TALK = ("chat", "add", "recall", "list", "show", "edit", "forget")
_FILES = ("import", "watch", "export", "backup", "restore", "copy", "sync")
_SERVE = ("serve", "mcp", "install", "hook")
_CARE = (
    "status",
    "doctor",
    "audit",
    "verify",
    "reencode",
    "gc",
    "encrypt",
    "decrypt",
    "passphrase",
)


def in_order(*names: str) -> type[TyperGroup]:
    """Return a group that lists its commands in this order, not in import order."""

    class InOrder(TyperGroup):
        def list_commands(self, ctx: Any) -> list[str]:  # noqa: ANN401  a private class of typer
            return sorted(self.commands, key=names.index)

        def parse_args(self, ctx: Any, args: list[str]) -> list[str]:  # noqa: ANN401  private
            try:
                return super().parse_args(ctx, args)
            except _UsageError as error:
                error.message = visible(error.message)
                raise

    return InOrder


class PlainCommand(TyperCommand):
    """A command whose help names arguments as in the examples, without Python's types."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:  # noqa: ANN401  private, of typer
        """Parse the arguments; a text that begins with a dash is a text, not an option."""
        given = list(args)
        try:
            self._refuse_empty_places(args)
            rest = super().parse_args(ctx, self._texts_last(ctx, args))
            self._refuse_empty_paths(ctx.params, given)
        except _UsageError as error:
            if self._takes_text() and hasattr(error, "possibilities"):  # no such option
                error.message += ". Put -- before a text that begins with a dash"
            elif self._takes_text() and "unexpected extra argument" in error.message:
                error.message = self._in_quotes(ctx.command_path, given)
            error.message = visible(_with_what_was_found(error))
            raise
        return rest

    def _refuse_empty_places(self, args: Sequence[str]) -> None:
        """Refuse "" as a file or folder: Python takes it for the current folder.

        Raises:
            BadParameter: there is one, as of a script whose variable is not set.
        """
        arguments = [one for one in self.params if one.param_type_name == "argument"]
        words = self._words_of(args) if arguments else []
        empty = [
            arguments[min(number, len(arguments) - 1)].metavar or ""
            for number, word in enumerate(words)
            if not word
        ]
        for name in empty:
            if name in _PLACES:
                raise typer.BadParameter(_empty_place(name))

    def _refuse_empty_paths(self, values: Mapping[str, Any], args: Sequence[str]) -> None:
        """Refuse "" for an option that is read as a path, likewise; as a text it is none given.

        Raises:
            BadParameter: there is one.
        """
        options = [one for one in self.params if one.param_type_name == "option"]
        for one in options:
            value = values.get(one.name or "")
            read = value if isinstance(value, list) else [value]
            given = any(f"{name}=" in args or (name, "") in pairwise(args) for name in one.opts)
            if given and Path() in read:
                raise typer.BadParameter(_empty_place(f"{one.opts[0]} {one.metavar}"))

    def _in_quotes(self, command: str, args: Sequence[str]) -> str:
        """Write the command as it was meant: what stands before a text, such as an id, and it."""
        places = [one.metavar for one in self.params if one.param_type_name == "argument"]
        words = self._words_of(args)
        before = places.index("TEXT")
        text = " ".join(words[before:])
        quoted = f'"{_SHELLS.sub(_ESCAPED, text)}"'
        meant = [command, *words[:before], *(["--"] if text.startswith("-") else []), quoted]
        return f"Put a text of several words in quotes: {' '.join(meant)}"

    def _takes_text(self) -> bool:
        return any(
            one.metavar == "TEXT" and one.param_type_name == "argument" for one in self.params
        )

    def _words_of(self, args: Sequence[str]) -> list[str]:
        """Return the arguments that are neither options nor their values."""
        takes_value = self._with_values()
        end = args.index("--") if "--" in args else len(args)
        words = [
            one
            for before, one in zip(["", *args[:end]], args[:end], strict=False)
            if not _OPTION.match(one) and before not in takes_value
        ]
        return [*words, *args[end + 1 :]]

    def _with_values(self) -> set[str]:
        """Return the names of the options that take a value."""
        return {
            name
            for one in self.params
            if one.param_type_name == "option" and not getattr(one, "is_flag", False)
            for name in one.opts
        }

    def _texts_last(self, ctx: Any, args: list[str]) -> list[str]:  # noqa: ANN401
        """Move `"- buy milk"` behind a `--`, unless it is the value of an option."""
        takes_value = self._with_values()
        kept: list[str] = []
        texts: list[str] = []
        for number, one in enumerate(args):
            if one == "--":
                return [*kept, "--", *texts, *args[number + 1 :]]
            is_value = number > 0 and args[number - 1] in takes_value
            (texts if _SENTENCE.match(one) and not is_value else kept).append(one)
        return [*kept, "--", *texts] if texts else kept

    def format_options(self, ctx: Any, formatter: Any) -> None:  # noqa: ANN401  private, of typer
        """Write the options as typer does, without the types."""
        write = formatter.write_dl

        def write_plainly(rows: Sequence[tuple[str, str]], *rest: Any, **more: Any) -> None:  # noqa: ANN401
            write([(_without_type(name), text) for name, text in rows], *rest, **more)

        formatter.write_dl = write_plainly
        super().format_options(ctx, formatter)


def _empty_place(name: str) -> str:
    return f'{name} is empty — name a file or folder; the current folder is "."'


def _with_what_was_found(error: Any) -> str:  # noqa: ANN401  a private class of typer
    """Return a usage error's message; typer takes pydantic's, which leaves out what was given."""
    refusals: list[dict[str, Any]] = getattr(error.__cause__, "errors", list)()
    if not refusals:
        return str(error.message)
    told = str(refusals[0]["msg"])
    plain = told.removeprefix("Value error, ")  # of typer's own checks, which do name it
    return plain if plain != told else f"{told}; found {refusals[0]['input']!r}"


def _without_type(name: str) -> str:
    return name if name.startswith("-") else re.sub(r" <[^<>]+>$", "", name)


app = typer.Typer(
    name="lmort-mem",
    cls=in_order(*_TALK, *_FILES, *_SERVE, *_CARE, "model", "tuner", "bench", "config"),
    help="Talk to a GGUF model that remembers, and search what it remembers. Nothing leaves this"
    " computer.",
    no_args_is_help=True,
    # Plain help and errors: they load faster, and look the same in a pipe and in the docs.
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
    """Add a command, named after its function or otherwise, with examples below its help."""

    def add(function: Callable[..., None]) -> Callable[..., None]:
        return app.command(name=name, cls=PlainCommand, epilog=examples(*lines))(expanded(function))

    return add
