"""The command `doctor`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from lmort_memory.settings import setting, tell_library

from ..app import command
from ..options import Base, Models
from ..terminal.output import print_json, say

if TYPE_CHECKING:
    from ..check import Check

_SIGNS = {"good": "  ok ", "note": "  -- ", "bad": "FAIL "}


@command("lmort-mem doctor", "lmort-mem doctor --model ~/models/qwen3-4b.gguf --json")
def doctor(*, base: Base, models: Models) -> None:
    """Check machine, packages, model, tuner and database.

    Shows the command that fixes each problem. Works offline, and counts the network connections
    attempted during the check: none.
    """
    from ..check import Check
    from ..checks import Named, run_checks
    from ..computing import count_connections

    tell_library(gpu_layers=models.gpu_layers, threads=models.threads)
    named = Named(
        db=setting("db", base.db),
        model=setting("model", models.model),
        tuner=setting("tuner", models.tuner),
        passphrase_file=base.passphrase_file,
    )
    checks: list[Check] = []
    with count_connections() as attempts:
        for check in run_checks(named):
            checks.append(check)
            _say(check, quiet=base.json)
    besides = ", besides those to the database" if isinstance(named.database, str) else ""
    tried = f"{len(attempts)} connections were attempted{besides}"
    offline = Check("offline", "bad" if attempts else "good", "; ".join([tried, *attempts]))
    _say(offline, quiet=base.json)
    if base.json:
        print_json([*checks, offline])
    if any(check.state == "bad" for check in (*checks, offline)):
        raise typer.Exit(1)


def _say(check: Check, *, quiet: bool) -> None:
    if quiet:
        return
    say(f"{_SIGNS[check.state]}{check.name:<17} {check.found}")
    if check.mend:
        say(f"{'':<22} {check.mend}")
