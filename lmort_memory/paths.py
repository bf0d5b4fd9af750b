"""Where files live, and how private ones are made.

`$LMORT_HOME` puts everything into one folder; otherwise the platform's own folders are used.
Files are created with mode 0600 and folders with 0700, regardless of the umask. Nothing here reads
or writes the contents of files.
"""

from __future__ import annotations

import errno
import glob
import os
import re
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from lmort_memory.errors import LmortError

__all__ = [
    "beside",
    "cache_dir",
    "chosen_db",
    "config_dir",
    "data_dir",
    "default_db",
    "expanded",
    "flush_file",
    "flush_names",
    "is_server",
    "located",
    "make_private_dir",
    "models_dir",
    "new_private_file",
    "parts_of",
    "put_in_place",
    "remove_parts",
    "replacing",
    "touch_private",
]

APP = "lmort"
_URL = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]+://")  # "C://" is a drive
_STALE_S = 600.0  # how long nothing has been written to a file that nobody writes any more


def data_dir() -> Path:
    """Return the folder of databases and of tuners made on this machine; it may not exist yet."""
    return _folder("XDG_DATA_HOME", ".local/share", mac="Application Support", part="data")


def config_dir() -> Path:
    """Return the folder of the settings file; it may not exist yet."""
    return _folder("XDG_CONFIG_HOME", ".config", mac="Application Support", part="config")


def cache_dir() -> Path:
    """Return the cache folder: files that can be remade; it may not exist yet."""
    return _folder("XDG_CACHE_HOME", ".cache", mac="Caches", part="cache")


def models_dir() -> Path:
    """Return the folder of converted and copied models; it may not exist yet."""
    return cache_dir() / "models"


def default_db() -> Path | str:
    """Return the default database: `$LMORT_DB`, or one in `data_dir()`."""
    named = os.environ.get("LMORT_DB")
    return chosen_db(named) if named else data_dir() / "memory.db"


def chosen_db(named: str | Path | None) -> Path | str:
    """Return a database that somebody named, or the default: a file, or a server's URL.

    Raises:
        LmortError: it is another kind of URL, or as `expanded`.
    """
    if named is None:
        return default_db()
    if is_server(named):
        return str(named)
    if isinstance(named, str) and (kind := _URL.match(named)):  # else folders of such names
        raise LmortError(
            f"a database is a file or postgresql://USER@HOST/NAME; found {kind[0]}… — name a file"
            " by its path"
        )
    return expanded(named)


def is_server(place: str | Path) -> bool:
    """Whether a database's name is the URL of a PostgreSQL server."""
    return isinstance(place, str) and place.startswith(("postgresql://", "postgres://"))


def expanded(path: str | Path) -> Path:
    """Return a path with `~` and `~user` expanded.

    Raises:
        LmortError: the user does not exist, or the path holds a NUL, as no file's name can.
    """
    if "\0" in str(path):
        raise LmortError(f"the path {str(path)!r} holds a NUL character — write it without")
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise LmortError(
            f"cannot find the home folder of {Path(path).parts[0]} — write the path in full"
        ) from error


def located(path: str | Path) -> Path:
    """Return the absolute path of a file, with `~` expanded and every symbolic link followed.

    What lies beside a database lies beside the file, however many links lead to it, and a later
    change of the working folder makes no difference.

    Raises:
        LmortError: as `expanded`.
    """
    return Path(os.path.realpath(expanded(path)))


def beside(path: Path, suffix: str) -> Path:
    """Return the file or folder beside another that has its name and a suffix: `memory.db-wal`."""
    return path.with_name(path.name + suffix)


def make_private_dir(path: Path) -> Path:
    """Create a folder and its missing parents with mode 0700; existing folders keep their mode.

    Raises:
        OSError: it cannot be created, or a file has that name.
    """
    if not path.is_dir():
        if path.parent != path:
            make_private_dir(path.parent)
        path.mkdir(mode=0o700, exist_ok=True)
    return path


def touch_private(path: Path) -> None:
    """Create an empty file with mode 0600 unless it exists.

    Raises:
        OSError: it cannot be created.
    """
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    except FileExistsError:
        return


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a new file, mode 0600, that takes the place of `path` when the block ends.

    A reader sees the old contents or the new ones, whole, whatever is killed in between. If the
    block raises, `path` stays as it was and the new file is removed.

    Raises:
        OSError: the folder is missing, or nothing can be created or renamed there.
    """
    with _part_of(path) as part:
        yield part
        flush_file(part)
        part.replace(path)


@contextmanager
def new_private_file(path: Path) -> Iterator[Path]:
    """Yield an empty file with mode 0600 that becomes `path` when the block succeeds.

    If the block fails, it is deleted. Whatever is at `path` is never replaced.

    Raises:
        FileExistsError: something is at `path`, now or at the end of the block.
        OSError: the file cannot be made.
    """
    if os.path.lexists(path):
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))
    with _part_of(path) as part:
        yield part
        flush_file(part)
        if not put_in_place(part, path):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))


def parts_of(path: Path, *, any_of: str | None = None) -> list[Path]:
    """Return what is being written of `path`, or was left by killed processes; see `remove_parts`.

    SQLite's files beside a part that is a database are among them.
    """
    name = glob.escape(path.name) if any_of is None else any_of
    return sorted(path.parent.glob(f".{name}.*.part*"))


def remove_parts(path: Path, *, any_of: str | None = None) -> None:
    """Remove what killed processes left of `path` before it had its name.

    A part that was written to within the last ten minutes stays: somebody may still be writing it.

    Args:
        path: The file.
        any_of: A pattern of names, for files that are never written twice under one name.
    """
    for part in parts_of(path, any_of=any_of):
        with suppress(OSError):  # already gone, or another user's
            if time.time() - part.stat().st_mtime > _STALE_S:
                part.unlink()


@contextmanager
def _part_of(path: Path) -> Iterator[Path]:
    """Yield an empty file with mode 0600 beside `path`; delete it if it is still there at the end.

    Its name, `.NAME.….part`, is used by nobody else. A process that is killed leaves it.
    """
    # `secrets` and `tempfile` load more than a hook has time for.
    part = path.parent / f".{path.name}.{os.urandom(4).hex()}.part"
    os.close(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    try:
        yield part
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)


def flush_file(file: Path) -> None:
    """Bring a file's contents to the disk.

    Raises:
        OSError: it cannot be opened, or the disk refuses.
    """
    with file.open("rb+") as opened:
        os.fsync(opened.fileno())


def flush_names(folder: Path) -> None:
    """Bring a folder's names to the disk, where the system and the disk have a call for that."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError:  # Windows opens no folders
        return
    try:
        os.fsync(descriptor)
    except OSError:  # some network disks cannot
        return
    finally:
        os.close(descriptor)


def put_in_place(part: Path, path: Path) -> bool:
    """Give a finished file its name; False if another file has come to have it meanwhile.

    Raises:
        OSError: it cannot be renamed.
    """
    try:
        os.link(part, path)
    except FileExistsError:
        return False
    except OSError:  # a file system without hard links
        if os.path.lexists(path):
            return False
        part.replace(path)
    else:
        part.unlink(missing_ok=True)
    return True


def _folder(xdg: str, fallback: str, *, mac: str, part: str) -> Path:
    home = os.environ.get("LMORT_HOME")
    if home:
        return expanded(home) / part
    named = os.environ.get(xdg)
    if named and Path(named).is_absolute():  # the XDG rules ignore relative paths
        return Path(named) / APP
    if sys.platform == "darwin":
        return Path.home() / "Library" / mac / APP
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA")
        return (Path(base) if base else Path.home() / "AppData" / "Local") / APP / part
    return Path.home() / fallback / APP
