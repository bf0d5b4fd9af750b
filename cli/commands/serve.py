"""The command `serve`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lmort_memory.settings import setting, tell_library

from ..app import command
from ..opening import passphrase_of, scope_to_write, setting_text, wants_codes, wants_redaction
from ..options import Base, Models, WrongUsage
from ..terminal.output import note, print_json, say
from .watch import print_report, tell_report

if TYPE_CHECKING:
    from lmort_memory.chat import ChatOptions
    from lmort_memory.serve.discovery import Server

__all__ = ["serve"]


@dataclass(frozen=True, slots=True)
class Door:
    """Who may connect."""

    host: Annotated[
        str,
        typer.Option(metavar="ADDRESS", help="Address to listen on; this machine only by default."),
    ] = "127.0.0.1"
    port: Annotated[
        int, typer.Option(metavar="N", min=0, max=65535, help="Port; 0 takes any free one.")
    ] = 7373
    no_token: Annotated[
        bool, typer.Option("--no-token", help="Require no token; this machine only.")
    ] = False
    show_token: Annotated[
        bool, typer.Option("--show-token", help="Print the token and its file, then exit.")
    ] = False
    allow_host: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Another name of this server; repeatable."),
    ] = None
    allow_origin: Annotated[
        list[str] | None,
        typer.Option(metavar="URL", help="Origin of web pages that may use it; repeatable."),
    ] = None


@command(
    "lmort-mem serve",
    "lmort-mem serve --model ~/models/qwen3-4b.gguf --memory",
    "lmort-mem serve --show-token",
)
def serve(
    *,
    memory: Annotated[
        bool,
        typer.Option(
            "--memory", help="Use memory under the model's plain name too; NAME+memory always does."
        ),
    ] = False,
    ctx: Annotated[
        int, typer.Option(metavar="N", min=256, help="Context size of a conversation, in tokens.")
    ] = 4096,
    contexts: Annotated[
        int, typer.Option(metavar="N", min=1, max=64, help="Number of conversations held in RAM.")
    ] = 4,
    scope: Annotated[
        str | None, typer.Option(metavar="NAME", help="Scope of requests that do not name one.")
    ] = None,
    watch: Annotated[
        list[Path] | None,
        typer.Option(metavar="FOLDER", help="Keep the memory in sync with a folder; repeatable."),
    ] = None,
    door: Door,
    base: Base,
    models: Models,
) -> None:
    """Serve model and memory to other programs.

    Offers an OpenAI-compatible API, the memory's own API, MCP and a web page, all with one model.
    Only this machine can reach it, unless you set --host.
    """
    from lmort_memory.paths import chosen_db, data_dir
    from lmort_memory.serve import require_server

    require_server()
    from lmort_memory.serve import running
    from lmort_memory.serve.app import ServeOptions
    from lmort_memory.serve.engine import EngineOptions
    from lmort_memory.serve.guard import is_loopback, read_token

    token_file = data_dir() / "serve-token"
    if door.no_token and not is_loopback(door.host):
        raise WrongUsage("--no-token works on this machine only — remove --host or --no-token")
    token = None if door.no_token else read_token(token_file)
    if door.show_token:
        if base.json:
            print_json({"token": token, "file": token_file})
        else:
            say(token or "no token required")
            note(f"from {token_file}")
        return
    from .model import runnable_model

    tell_library(gpu_layers=models.gpu_layers, threads=models.threads)
    path = setting_text("db", base.db)
    engine = EngineOptions(
        db=None if path is None else chosen_db(path),
        passphrase=passphrase_of(base),
        redact=wants_redaction(),
        model=runnable_model(setting_text("model", models.model)),
        tuner=setting_text("tuner", models.tuner),
        token_codes=wants_codes(),
        n_ctx=ctx,
        contexts=contexts,
        memory=memory,
        scope=scope_to_write(scope),
        chat=_defaults(),
        watch=tuple(watch or ()),
        on_change=print_report if base.json else tell_report,
    )
    options = ServeOptions(
        token=token, hosts=door.allow_host or (), origins=door.allow_origin or ()
    )
    listener = running.listen(door.host, door.port)

    def ready(server: Server, is_found: bool) -> None:
        if base.json:
            print_json({"url": server.url, "pid": server.pid, "token_file": token and token_file})
            return
        page = server.url if token is None else f"{server.url}/#token={token}"
        say(f"OpenAI API  {server.url}/v1")
        say(f"memory API  {server.url}/api    ({server.url}/openapi.json)")
        say(f"MCP         {server.url}/mcp")
        say(f"page        {page}")
        if token is not None:
            note(f"token       {token_file}")
        if not is_found:
            note("another server is already running; lmort-mem commands keep using that one")
        note("Ctrl-C stops it")

    running.serve(listener, engine, options, on_ready=ready)


def _defaults() -> ChatOptions:
    """Return the settings about replies."""
    from lmort_memory.chat import ChatOptions

    options = ChatOptions()
    system = setting("system", None).value
    heat = setting("temperature", None).value
    if system is not None:
        options = replace(options, system=str(system))
    if heat is not None:
        options = replace(options, sampling=replace(options.sampling, temperature=float(heat)))
    return options
