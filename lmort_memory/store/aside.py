"""The files of a database set aside before a restore puts another in its place, and put back.

A restore has three steps: the database gets a second name, the files beside it are renamed, and the
backup takes its first name. Killed before the last one, the database has two names still, by which
the next open notices it and takes the first two steps back. What else was killed between two names,
a backup or the making of a database, loses its first one.
"""

from __future__ import annotations

import os
import re
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from lmort_memory.paths import beside, parts_of
from lmort_memory.store.temporary import abandoned_folders

__all__ = ["older_copies", "put_back", "replaced_copies", "set_aside"]

# Files of SQLite and the caches beside a database: the old one's log would damage the new one.
_BESIDE = ("-wal", "-shm", "-queue", "-sync", ".states", ".index")


def set_aside(database: Path) -> Path | None:
    """Give a database a second name with the time in it, and rename the files beside it likewise.

    Returns:
        The second name; None if there is no database.

    Raises:
        OSError: a file cannot be renamed.
    """
    stamp = f"{datetime.now():%Y%m%dT%H%M%S%f}"  # noqa: DTZ005  for the person who looks for it
    aside = database.with_name(f"{database.name}.replaced-{stamp}")
    linked = database.exists() and _link(database, aside)
    for suffix in _BESIDE:
        own = beside(database, suffix)
        if os.path.lexists(own):
            own.replace(beside(aside, suffix))
    if database.exists() and not linked:
        database.replace(aside)
    return aside if aside.exists() else None


def put_back(database: Path) -> None:
    """Take the second name from a database that a killed process has left with two.

    What a restore had set aside comes back. Several processes may do so at once.
    """
    for part in parts_of(database):
        with suppress(OSError):
            if part.samefile(database):
                part.unlink()
    for aside in replaced_copies(database):
        with suppress(OSError):  # another process has just put it back
            if not aside.samefile(database):
                continue
            for suffix in _BESIDE:
                own = beside(database, suffix)
                if not os.path.lexists(own):
                    with suppress(FileNotFoundError):
                        beside(aside, suffix).rename(own)
            aside.unlink()


def replaced_copies(database: Path) -> list[Path]:
    """Return the databases that earlier restores have set aside, oldest first.

    A folder that does not exist, such as that of a database on a server, has none.
    """
    stamped = re.compile(rf"{re.escape(database.name)}\.replaced-\d{{8}}T\d{{12}}")
    return sorted(one for one in database.parent.glob("*") if stamped.fullmatch(one.name))


def older_copies(database: Path) -> list[Path]:
    """Return the files outside a database that may hold what has been forgotten.

    Databases that were set aside, what a killed backup or restore has left beside it, and what any
    killed process has left in the temporary folder.
    """
    return [*replaced_copies(database), *parts_of(database), *abandoned_folders()]


def _link(database: Path, aside: Path) -> bool:
    try:
        os.link(database, aside)
    except OSError:  # a file system without hard links
        return False
    return True
