"""The command `doctor`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from ._app import command
from ._opening import setting_text
from ._options import Base, Models
from ._output import print_json, say

if TYPE_CHECKING:
    from ._checks import Check

_SIGNS = {"good": "  ok ", "note": "  -- ", "bad": "FAIL "}


@command("lmort-mem doctor", "lmort-mem doctor --model ~/models/qwen3-4b.gguf --json")
def doctor(*, base: Base, models: Models) -> None:
    """Check machine, packages, model, tuner and database; name the command for what is wrong.

    It works without a network, and counts the connections that were tried meanwhile: none.
    """
    from lmort_memory.paths import default_db

    from ._checks import Check, count_connections, run_checks

    named = setting_text("db", base.db)
    database = Path(named).expanduser() if named else default_db()
    checks: list[Check] = []
    with count_connections() as attempts:
        for check in run_checks(
            database, setting_text("model", models.model), setting_text("tuner", models.tuner)
        ):
            checks.append(check)
            _say(check, quiet=base.json)
    tried = f"{len(attempts)} connections were tried"
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
