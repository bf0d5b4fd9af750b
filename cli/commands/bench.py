"""The command `bench`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ..app import command
from ..opening import open_memory, scope_to_write
from ..options import Base, Models, WrongUsage
from ..terminal.output import note, print_json, say
from ..terminal.progress import Meter

if TYPE_CHECKING:
    from lmort_memory.memory.selftest import SelfTest


@command("lmort-mem bench --self", "lmort-mem bench --self --size 200 --json")
def bench(
    *,
    own: Annotated[
        bool,
        typer.Option(
            "--self", help="Measure on your own data, with questions that the model writes."
        ),
    ] = False,
    size: Annotated[
        int, typer.Option(metavar="N", min=5, help="Number of records to ask about.")
    ] = 50,
    scope: Annotated[
        str | None, typer.Option(metavar="NAME", help="Only records in this scope.")
    ] = None,
    base: Base,
    models: Models,
) -> None:
    """Measure recall on your own memory.

    The model writes a question for each record of a random sample; the benchmark measures how often
    recall finds that record by words, by meaning, and by both. Nothing is stored.
    """
    from lmort_memory.memory.selftest import self_test

    if not own:
        raise WrongUsage("pass --self; the project's other benchmarks are in benchmarks/")
    with open_memory(base, models, talks=True) as memory, Meter("asking", unit="records") as meter:
        found = self_test(memory, size=size, scope=scope_to_write(scope), progress=meter)
    if base.json:
        print_json(found)
    else:
        _say(found)


def _say(found: SelfTest) -> None:
    say(f"{len(found.questions)} questions by {found.model}")
    say(f"{'':<8}  R@1   R@5   R@10  95 % interval  MRR@10  p50 ms  p95 ms")
    for one in found.modes:
        low, high = one.interval
        shares = f"{one.recall_at_1:.2f}  {one.recall_at_5:.2f}  {one.recall_at_10:.2f}"
        times = f"{one.p50_ms:6.1f}  {one.p95_ms:6.1f}"
        say(f"{one.mode:<8}  {shares}  {low:.2f} to {high:.2f}   {one.mrr_at_10:.2f}    {times}")
    if found.index_loss is None:
        say("index     none: every search is exact")
    else:
        say(f"index     misses {found.index_loss:.1%} of the ten nearest")
    for question in found.questions[:3]:
        say(f"for example: {question.text}")
    note(found.trust)
