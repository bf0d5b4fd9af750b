"""The server's application with a tiny model, in this process and without a socket."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.applications import Starlette


def running_app(folder: Path) -> Starlette:
    """Return the application; its model has two tiny blocks and no tuner of its own."""
    os.environ["LMORT_HOME"] = str(folder / "home")
    from lmort_memory.serve.app import ServeOptions, make_app
    from lmort_memory.serve.engine import EngineOptions
    from tests.support.cli import write_tiny_pair

    (folder / "pair").mkdir()
    model, tuner = write_tiny_pair(folder / "pair")
    options = EngineOptions(db=folder / "m.db", model=model, tuner=tuner, n_ctx=256, contexts=2)
    return make_app(options, ServeOptions(token=None))
