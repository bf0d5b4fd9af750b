"""Commands on single records: add, recall."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

import typer

from lmort_memory.types import Turn

from ..app import command
from ..opening import open_memory, scope_to_write
from ..options import MOST, Base, Choice, Models, WrongUsage, given_text, parse_object, parse_time
from ..terminal.output import note, print_json, say


@command(
    'lmort-mem add "My sister Ada keeps bees in Trondheim."',
    "lmort-mem add - --role note < minutes.txt",
)
def add(
    text: Annotated[
        str, typer.Argument(metavar="TEXT", help='The text to remember; "-" reads stdin.')
    ],
    *,
    role: Annotated[str, typer.Option(metavar="NAME", help="Who said it.")] = "user",
    scope: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Scope to store it in; other scopes do not see it."),
    ] = None,
    session: Annotated[
        str | None, typer.Option(metavar="NAME", help="Session that the text belongs to.")
    ] = None,
    metadata: Annotated[
        dict[str, Any] | None,
        typer.Option(parser=parse_object, metavar="JSON", help="JSON metadata to filter by later."),
    ] = None,
    at: Annotated[
        datetime | None,
        typer.Option(parser=parse_time, metavar="TIME", help="When it was said; now by default."),
    ] = None,
    base: Base,
    models: Models,
) -> None:
    """Remember a text."""
    if not role.strip():
        raise WrongUsage("the role is empty — leave --role out for user, or name who said it")
    turn = Turn(
        text=_to_remember(given_text(text)),
        role=role,
        scope=scope_to_write(scope),
        session=session,
        metadata=metadata or {},
        created_at=at,
    )
    with open_memory(base, models) as memory:
        record = memory.add(turn)
    if base.json:
        print_json(record)
    else:
        say(record.id)


def _to_remember(text: str) -> str:
    if not text.strip():
        raise WrongUsage("the text to remember is empty")
    return text


@command(
    'lmort-mem recall "Where does my sister live?"',
    """lmort-mem recall bees --since 30d --where '{"tags": {"$contains": "garden"}}' --json""",
)
def recall(
    query: Annotated[str, typer.Argument(metavar="TEXT", help="A question or any text.")],
    *,
    top_k: Annotated[
        int,
        typer.Option("-k", "--top-k", metavar="N", min=1, max=MOST, help="Maximum number of hits."),
    ] = 5,
    mode: Annotated[
        Literal["hybrid", "dense", "lexical"],
        typer.Option(metavar="MODE", help="dense: by meaning, lexical: by words, hybrid: both."),
    ] = "hybrid",
    full: Annotated[
        bool, typer.Option("--full", help="Show whole texts instead of the matching part.")
    ] = False,
    explain: Annotated[
        bool, typer.Option("--explain", help="Also show ranks and the weight of each part.")
    ] = False,
    superseded: Annotated[
        bool, typer.Option("--superseded", help="Include records that were replaced by newer ones.")
    ] = False,
    choice: Choice,
    base: Base,
    models: Models,
) -> None:
    """Find memories by meaning and by words.

    The score combines meaning (the cosine of vectors) and words (BM25); it is at most 1. With
    --mode dense it is the cosine, with lexical BM25.
    """
    from ..terminal.hits import say_hit

    if not query.strip():
        raise WrongUsage("the query is empty")
    needs_model = mode != "lexical" or explain
    with open_memory(base, models if needs_model else None) as memory:
        hits = memory.recall(
            query,
            top_k=top_k,
            mode=mode,
            explain=explain,
            include_superseded=superseded,
            **choice.filters(),
        )
    if base.json:
        print_json({"query": query, "hits": hits})
    elif not hits:
        note("nothing found")
    for hit in [] if base.json else hits:
        if full and hit.rank > 1:
            say()
        say_hit(hit, query, full=full, explain=explain)
