"""Commands on single records: add, recall."""

from __future__ import annotations

import sys
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from lmort_memory.types import Turn

from ._app import command
from ._opening import open_memory, scope_to_write
from ._options import Base, Choice, Models, WrongUsage, parse_object, parse_time
from ._output import day, dim, note, one_line, print_json, say, terminal_width

if TYPE_CHECKING:
    from lmort_memory.types import Hit


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
    scope: Annotated[str | None, typer.Option(metavar="NAME", help="Isolation boundary.")] = None,
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
        text=_given(text),
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


def _given(text: str) -> str:
    text = sys.stdin.read() if text == "-" else text
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
        int, typer.Option("-k", "--top-k", metavar="N", min=1, help="The most hits.")
    ] = 5,
    mode: Annotated[
        Literal["hybrid", "dense", "lexical"], typer.Option(help="Meaning, words, or both.")
    ] = "hybrid",
    explain: Annotated[bool, typer.Option("--explain", help="Show the parts of scores.")] = False,
    choice: Choice,
    base: Base,
    models: Models,
) -> None:
    """Find what is remembered, by meaning and by words."""
    needs_model = mode != "lexical" or explain
    with open_memory(base, models if needs_model else None) as memory:
        hits = memory.recall(query, top_k=top_k, mode=mode, **choice.filters())
    if base.json:
        print_json({"query": query, "hits": hits})
    elif not hits:
        note("nothing found")
    for hit in [] if base.json else hits:
        _say_hit(hit, explain=explain)


def _say_hit(hit: Hit, *, explain: bool) -> None:
    record = hit.record
    start, end = hit.span or (0, len(record.text))
    width = 3 * terminal_width() - 30 if sys.stdout.isatty() else sys.maxsize
    say(f"{hit.rank}. {one_line(record.text[start:end], width)}")
    parts = [day(record.created_at), record.role, record.id, f"score {hit.score:.3f}"]
    if record.source is not None:
        parts.append(record.source.uri)
    if explain:
        parts += [f"{name} {value:.3g}" for name, value in _parts_of_score(hit)]
    say(dim(f"   {'  '.join(parts)}"))


def _parts_of_score(hit: Hit) -> list[tuple[str, float]]:
    names = ("dense", "dense_rank", "bm25", "bm25_rank", "recency")
    parts = [(name, getattr(hit.scores, name)) for name in names]
    return [(name, value) for name, value in parts if value is not None]
