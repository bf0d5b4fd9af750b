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
        str, typer.Argument(metavar="TEXT", help='What to remember; "-" reads it from stdin.')
    ],
    *,
    role: Annotated[str, typer.Option(metavar="NAME", help="Who said it.")] = "user",
    scope: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Scope to store it in; other scopes do not see it."),
    ] = None,
    session: Annotated[
        str | None, typer.Option(metavar="NAME", help="Ordered run of turns.")
    ] = None,
    metadata: Annotated[
        dict[str, Any] | None,
        typer.Option(parser=parse_object, metavar="JSON", help="Anything to filter by later."),
    ] = None,
    at: Annotated[
        datetime | None,
        typer.Option(parser=parse_time, metavar="TIME", help="When it was said; now by default."),
    ] = None,
    base: Base,
    models: Models,
) -> None:
    """Remember a text."""
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
        raise WrongUsage("there is no text to remember")
    return text


@command(
    'lmort-mem recall "Where does my sister live?"',
    """lmort-mem recall bees --since 30d --where '{"tags": {"$contains": "garden"}}' --json""",
)
def recall(
    query: Annotated[str, typer.Argument(metavar="TEXT", help="A question will do.")],
    *,
    top_k: Annotated[
        int, typer.Option("-k", "--top-k", metavar="N", min=1, max=MOST, help="The most hits.")
    ] = 5,
    mode: Annotated[
        Literal["hybrid", "dense", "lexical"],
        typer.Option(metavar="MODE", help="dense is by meaning, lexical by words, hybrid by both."),
    ] = "hybrid",
    full: Annotated[
        bool, typer.Option("--full", help="Show whole texts, not the part that matches.")
    ] = False,
    explain: Annotated[
        bool, typer.Option("--explain", help="Show ranks too, and what each part counts.")
    ] = False,
    superseded: Annotated[
        bool, typer.Option("--superseded", help="Find what no longer holds, too.")
    ] = False,
    choice: Choice,
    base: Base,
    models: Models,
) -> None:
    """Find what is remembered, by meaning and by words.

    A score is 1 for what is first in both: by meaning, shown as the cosine of vectors, and by
    words, shown as BM25. With --mode dense it is the cosine, with lexical BM25.
    """
    from ..terminal.hits import say_hit

    if not query.strip():
        raise WrongUsage("there is no text to look for")
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
