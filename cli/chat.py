"""The command `chat`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ._app import command
from ._opening import open_memory, scope_to_write
from ._options import Base, Models
from ._output import is_terminal
from ._settings import setting

if TYPE_CHECKING:
    from lmort_memory.chat import ChatOptions

_PARTLY = 3


@command(
    "lmort-mem chat",
    "lmort-mem chat --session trip --model ~/models/qwen3-4b.gguf",
    "echo 'Where does my sister live?' | lmort-mem chat --json",
)
def chat(
    *,
    session: Annotated[
        str | None, typer.Option(help="Name of the session; a new one by default.")
    ] = None,
    scope: Annotated[str | None, typer.Option(help="Isolation boundary.")] = None,
    system: Annotated[str | None, typer.Option(help="System prompt.", show_default=False)] = None,
    max_tokens: Annotated[
        int | None, typer.Option(min=1, help="Most tokens of a reply.", show_default=False)
    ] = None,
    temperature: Annotated[
        float | None, typer.Option(min=0.0, help="0 is always the likeliest.", show_default=False)
    ] = None,
    base: Base,
    models: Models,
) -> None:
    """Talk to a model that remembers; /help lists the commands inside.

    Lines from a pipe are turns, and the replies come out as plain text, or with --json as one
    object a line.
    """
    from ._conversation import Conversation
    from ._screen import Pipe, Terminal

    person = sys.stdin.isatty() and is_terminal(sys.stdout) and not base.json
    with open_memory(base, models) as memory:
        screen = Terminal() if person else Pipe(json_lines=base.json)
        if person:
            screen.say("Ctrl-D leaves, /help lists the commands")
        conversation = Conversation(
            memory,
            screen,
            scope=scope_to_write(scope),
            options=_options(system, max_tokens, temperature),
        )
        conversation.run(session)
    if conversation.failed and not person:
        raise typer.Exit(_PARTLY)


def _options(system: str | None, max_tokens: int | None, temperature: float | None) -> ChatOptions:
    """Build the chat's options from the command line, the environment and the settings file."""
    from lmort_memory.backbone import Sampling
    from lmort_memory.chat import ChatOptions

    chosen: dict[str, Any] = {
        "system": setting("system", system).value,
        "max_tokens": setting("max_tokens", max_tokens).value,
    }
    heat = setting("temperature", temperature).value
    if heat is not None:
        chosen["sampling"] = Sampling(temperature=float(heat))
    return ChatOptions(**{name: value for name, value in chosen.items() if value is not None})
