"""The command `chat`."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lmort_memory.errors import LmortError
from lmort_memory.paths import expanded
from lmort_memory.settings import setting

from ..app import command
from ..opening import open_memory, scope_to_write, setting_text
from ..options import Base, Models, WrongUsage
from ..terminal.output import is_terminal

if TYPE_CHECKING:
    from lmort_memory.chat import ChatOptions
    from lmort_memory.memory import Memory

_PARTLY = 3


@dataclass(frozen=True, slots=True)
class Style:
    """How to talk to the model, and how it answers."""

    system: Annotated[
        str | None, typer.Option(metavar="TEXT", help="System prompt.", show_default=False)
    ] = None
    max_tokens: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, help="Maximum tokens of a reply.", show_default=False),
    ] = None
    ctx: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=256,
            help="Context size in tokens; 2048 by default, at most the model's own.",
            show_default=False,
        ),
    ] = None
    temperature: Annotated[
        float | None,
        typer.Option(
            metavar="X",
            min=0.0,
            help="Sampling temperature; 0 always takes the likeliest token.",
            show_default=False,
        ),
    ] = None
    template: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="Chat template (Jinja) to use instead of the model's; plain for speaker lines.",
            show_default=False,
        ),
    ] = None
    speakers: Annotated[
        str | None,
        typer.Option(
            metavar="NAMES",
            help="Speaker names for plain lines; User,Assistant by default.",
            show_default=False,
        ),
    ] = None
    stop: Annotated[
        list[str] | None,
        typer.Option(
            metavar="TEXT", help="Text that ends a reply; repeatable.", show_default=False
        ),
    ] = None


@command(
    "lmort-mem chat",
    "lmort-mem chat --session trip --model ~/models/qwen3-4b.gguf",
    "echo 'Where does my sister live?' | lmort-mem chat --json",
    "lmort-mem chat --model gpt2-large.gguf --speakers Q,A --stop '###'",
)
def chat(
    *,
    session: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Session to resume; a new one by default."),
    ] = None,
    scope: Annotated[
        str | None, typer.Option(metavar="NAME", help="Scope to recall from and store in.")
    ] = None,
    style: Style,
    base: Base,
    models: Models,
) -> None:
    """Talk to a model that remembers; /help lists its commands.

    Each line from a pipe is a turn; replies are printed as plain text, or with --json as one object
    per line.
    """
    from ..chat.conversation import Conversation
    from ..chat.current import CurrentChat
    from ..terminal.screen import Pipe, Terminal

    person = sys.stdin.isatty() and is_terminal(sys.stdout) and not base.json
    with ExitStack() as stack:

        def reopen(model: str) -> Memory:
            other = replace(models, model=model)
            return stack.enter_context(open_memory(base, other, talks=True, find_tuner=True))

        memory = stack.enter_context(open_memory(base, models, talks=True))
        screen = Terminal() if person else Pipe(json_lines=base.json)
        if person:
            screen.say("Ctrl-D leaves, /help lists the commands")
        current = CurrentChat(
            memory,
            screen,
            scope=scope_to_write(scope),
            options=_options(style),
            reopen=reopen,
        )
        conversation = Conversation(current, screen)
        conversation.run(session)
    if conversation.failed and not person:
        raise typer.Exit(_PARTLY)


def _options(style: Style) -> ChatOptions:
    """Build the chat's options from the command line, the environment and the settings file."""
    from lmort_memory.backbone import Sampling
    from lmort_memory.chat import ChatOptions

    chosen: dict[str, Any] = {
        "system": setting("system", style.system).value,
        "max_tokens": setting("max_tokens", style.max_tokens).value,
        "n_ctx": setting("ctx", style.ctx).value,
        "template": _template(setting_text("template", style.template)),
        "speakers": speakers_of(setting_text("speakers", style.speakers)),
        "stop": tuple(style.stop or filter(None, [setting_text("stop", None)])),
    }
    heat = setting("temperature", style.temperature).value
    try:
        if heat is not None:
            chosen["sampling"] = Sampling(temperature=float(heat))
        return ChatOptions(**{name: value for name, value in chosen.items() if value is not None})
    except ValueError as error:
        raise WrongUsage(str(error)) from error


def _template(named: str | None) -> str | None:
    """Read the named chat template if it is a file."""
    from lmort_memory.backbone.template import PLAIN

    if named is None or named == PLAIN:
        return named
    try:
        source = expanded(named).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise LmortError(
            f"cannot read the chat template {named}: {error} — give a Jinja file, or plain"
        ) from error
    if not source.strip():
        raise LmortError(f"the chat template {named} is empty — give a Jinja file, or plain")
    return source


def speakers_of(named: str | None) -> tuple[str, ...] | None:
    """Read the names of user and model, separated by a comma."""
    from lmort_memory.backbone.template import check_speakers

    if named is None:
        return None
    names = tuple(name.strip() for name in named.split(","))
    try:
        check_speakers(names)
    except ValueError as error:
        raise LmortError(f"{error} — give them as User,Assistant") from error
    return names
