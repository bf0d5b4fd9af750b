"""Commands that manage memories: list, show, edit, forget."""

from __future__ import annotations

import sys
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from lmort_memory.errors import LmortError, RecordNotFoundError
from lmort_memory.paths import expanded

from ..app import command
from ..opening import chosen_scope, open_memory
from ..options import MOST, Base, Choice, Models, WrongUsage, given_text, parse_object, parse_where
from ..terminal.asking import confirm
from ..terminal.output import (
    as_json,
    day,
    json_text,
    note,
    one_line,
    print_json,
    say,
    say_text,
    terminal_width,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lmort_memory.memory import Memory
    from lmort_memory.store.values import Filter, Receipt
    from lmort_memory.types import Record

_PARTLY = 3
_ROLE_WIDTH = 24


@command("lmort-mem list", "lmort-mem list --role note --since 7d -n 100 --json", name="list")
def list_(
    *,
    count: Annotated[
        int, typer.Option("-n", "--count", metavar="N", min=1, max=MOST, help="How many.")
    ] = 20,
    after: Annotated[
        str | None, typer.Option(metavar="ID", help="Continue after this record.")
    ] = None,
    choice: Choice,
    base: Base,
) -> None:
    """List the latest memories, newest last."""
    from lmort_memory.store.values import Filter

    with open_memory(base) as memory:
        chosen = Filter(**choice.filters())
        if after is not None and _unknown(memory, [after]):
            raise RecordNotFoundError(after)
        if after is None:
            records = memory.store.latest(chosen, limit=count)
        else:
            records = list(islice(memory.store.records(chosen, after=after), count))
    if base.json:
        print_json(records)
        return
    for record in records:
        _say_record(record)
    if not records:
        note("nothing found")


def _unknown(memory: Memory, ids: Sequence[str]) -> list[str]:
    """Return those of the ids that no record has, expired ones included."""
    from lmort_memory.store.values import Filter

    known = {record.id for record in memory.store.records(Filter(ids=tuple(ids), expired=True))}
    return [one for one in dict.fromkeys(ids) if one not in known]


def _say_record(record: Record) -> None:
    role = one_line(record.role, _ROLE_WIDTH)
    head = f"{record.id}  {day(record.created_at)}  {role}  "
    if record.valid_to is not None:
        head += f"(held until {day(record.valid_to)})  "
    width = max(20, terminal_width() - len(head)) if sys.stdout.isatty() else sys.maxsize
    say(f"{head}{one_line(record.text, width)}")


@command("lmort-mem show 01JB2X4V8QW6T1Y0Z3N5M7K9PA")
def show(
    record_id: Annotated[str, typer.Argument(metavar="ID", help="As `list` shows it.")],
    *,
    base: Base,
) -> None:
    """Show a record, its details and its earlier versions."""
    with open_memory(base) as memory:
        record = memory.get(record_id)
        versions = memory.history(record_id)[:-1]
        earlier = memory.predecessors([record_id]).get(record_id, [])
    if base.json:
        print_json({"record": record, "history": versions, "took_the_place_of": earlier})
        return
    say_text(record.text)
    for name, value in _facts(record):
        say(f"{name:<10} {value}", faint=True)
    for before in earlier:
        say_text(f"replaced {before.id}: {before.text}", faint=True)
    for version in versions:
        say_text(f"until {day(version.updated_at)}: {version.text}", faint=True)


def _facts(record: Record) -> list[tuple[str, str]]:
    facts = as_json(replace(record, text=""))
    assert isinstance(facts, dict), "a record is a dataclass"
    shown = [(name, value) for name, value in facts.items() if value not in (None, "", {})]
    # What is no text is JSON: metadata can be given back to `edit --metadata`.
    texts = [(name, one if isinstance(one, str) else json_text(one)) for name, one in shown]
    return [(name, one_line(text, sys.maxsize)) for name, text in texts]


@command(
    'lmort-mem edit 01JB2X4V8QW6T1Y0Z3N5M7K9PA "Ada keeps bees in Bergen."',
    """lmort-mem edit 01JB2X4V8QW6T1Y0Z3N5M7K9PA --metadata '{"topic": "bees"}'""",
)
def edit(
    record_id: Annotated[str, typer.Argument(metavar="ID", help="As `list` shows it.")],
    text: Annotated[
        str | None, typer.Argument(metavar="TEXT", help='The new text; "-" reads stdin.')
    ] = None,
    *,
    metadata: Annotated[
        dict[str, Any] | None,
        typer.Option(parser=parse_object, metavar="JSON", help="The complete new metadata."),
    ] = None,
    base: Base,
    models: Models,
) -> None:
    """Edit a record; the old version is kept as history."""
    text = None if text is None else given_text(text)
    if text is None and metadata is None:
        raise WrongUsage("give a new text, --metadata, or both")
    if text is not None and not text.strip():
        raise WrongUsage("the new text is empty; to delete a record, use `forget`")
    with open_memory(base, models if text else None) as memory:
        try:
            record = memory.update(record_id, text, metadata=metadata)
        except ValueError as error:
            raise WrongUsage(f"this record cannot be edited so: {error}") from error
    if base.json:
        print_json(record)
    else:
        _say_record(record)


@command(
    "lmort-mem forget 01JB2X4V8QW6T1Y0Z3N5M7K9PA",
    "lmort-mem forget --source ~/notes/old.md --yes",
    "lmort-mem forget --session trip",
)
def forget(
    ids: Annotated[
        list[str] | None, typer.Argument(metavar="ID", help="As `list` shows them.")
    ] = None,
    *,
    scope: Annotated[
        str | None,
        typer.Option(metavar="NAME", help='All records in this scope; "*": in all scopes.'),
    ] = None,
    session: Annotated[
        str | None, typer.Option(metavar="NAME", help="All records of this session.")
    ] = None,
    source: Annotated[
        str | None, typer.Option(metavar="PATH", help="All records from this file.")
    ] = None,
    where: Annotated[
        dict[str, Any] | None,
        typer.Option(parser=parse_where, metavar="JSON", help="All records with this metadata."),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")] = False,
    base: Base,
) -> None:
    """Delete records and every trace of them.

    Reports what was removed, then checks that no copy of the texts is left in the database files.
    """
    from lmort_memory.store.aside import older_copies
    from lmort_memory.store.filters import names_nothing
    from lmort_memory.store.values import Filter

    if names_nothing(where):
        raise WrongUsage(
            "--where matches every record — give a condition that selects the records to forget"
        )
    for name, value in (("scope", scope), ("session", session), ("source", source)):
        if value == "":  # of a script whose variable is not set; it must not mean the default
            raise WrongUsage(f"--{name} is empty — name what to forget, or leave it out")
    if not ids and (scope, session, source, where) == (None,) * 4:
        raise WrongUsage("give record ids, or an option that selects records")
    chosen = Filter(
        ids=tuple(ids) if ids else None,
        scope=None if scope is None else chosen_scope(scope),
        session=session,
        source=source,
        where=where,
        expired=True,
    )
    with open_memory(base) as memory:
        if source is not None:
            chosen = replace(chosen, source=_known_source(memory, source))
        unknown = _unknown(memory, ids or [])
        chosen = chosen if yes else _with_quotes(memory, chosen)
        receipt = _forget(memory, chosen, sure=yes or bool(ids))
        older = older_copies(memory.status().store.path) if receipt.records else []
    if base.json:
        print_json({**cast("dict[str, object]", as_json(receipt)), "older_copies": older})
    else:
        _say_receipt(receipt)
        for copy in older:
            note(f"a copy left by `restore` or a kill was not searched; delete it: {copy}")
    if ids and receipt.records < len(set(ids)):
        absent = f"; no record has the id {', '.join(map(repr, unknown))}" if unknown else ""
        note(f"of {len(set(ids))} records named, {receipt.records} existed{absent}")
        raise typer.Exit(_PARTLY if receipt.records else 1)


def _with_quotes(memory: Memory, chosen: Filter) -> Filter:
    """Show the user other records that repeat what is being forgotten, and ask about them."""
    if not sys.stdin.isatty() or not (quotes := memory.store.quoting(chosen)):
        return chosen
    note(f"{len(quotes)} other records repeat some of it:")
    for record in memory.store.get(quotes).values():
        note(one_line(f"  {record.id}  {record.role}: {record.text}", terminal_width()))
    if not confirm("Forget them too?"):
        return chosen
    from lmort_memory.store.values import Filter

    named = [record.id for record in memory.store.records(chosen)]
    return Filter(ids=(*named, *quotes), expired=True)


def _known_source(memory: Memory, source: str) -> str:
    """Return a source as it is stored: relative paths and ~ expanded.

    Raises:
        LmortError: no record comes from there.
    """
    from lmort_memory.importers import file_uri
    from lmort_memory.store.values import Filter

    for named in (source, file_uri(expanded(source))):
        if next(memory.store.records(Filter(source=named, expired=True)), None) is not None:
            return named
    raise LmortError(
        f"no record comes from {source!r} — `lmort-mem show ID` tells where a record comes from"
    )


def _forget(memory: Memory, chosen: Filter, *, sure: bool) -> Receipt:
    if not sure:
        count = sum(1 for _ in memory.store.records(chosen))
        if count and not sys.stdin.isatty():
            raise WrongUsage(f"this forgets {count} records — pass --yes to confirm")
        if count:
            confirm(f"Forget {count} records?", abort=True)
    return memory.store.forget(chosen)


def _say_receipt(receipt: Receipt) -> None:
    if not receipt.records:
        note("nothing to forget")
        return
    say(
        f"forgotten: {receipt.records} records, {receipt.vectors} vectors,"
        f" {receipt.history} earlier versions, {receipt.ledger} ledger entries,"
        f" {receipt.states} saved chat states"
    )
    if receipt.quoted_by:
        say(f"{len(receipt.quoted_by)} other records repeat some of it and still exist:")
        for id_ in receipt.quoted_by:
            say(f"  {id_}")
    for limit in receipt.limits:
        note(limit)
    if receipt.limits or receipt.quoted_by:
        return
    if receipt.verified:
        say("no byte of their texts is left in the database")
    else:
        note("another process still uses old pages; the next forget or open finishes the cleanup")
