"""The public surface: what belongs to it, and what it costs to import."""

import ast
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import lmort_memory

ROOT = Path(__file__).parents[2]

# Everything that may be imported from lmort_memory. A new name is a decision: it is kept for years.
SURFACE = [
    "Added",
    "AskedTokens",
    "AskedTurn",
    "Backbone",
    "BackboneError",
    "Chat",
    "ChatEncoder",
    "ChatOptions",
    "Conditions",
    "Encoded",
    "Encoder",
    "HiddenStates",
    "Hit",
    "ImportFileError",
    "Injected",
    "Item",
    "JsonValue",
    "Ledger",
    "Link",
    "LmortError",
    "Memory",
    "MemoryStatus",
    "MissingDependencyError",
    "DamagedStoreError",
    "NewerSchemaError",
    "PassphraseError",
    "Mode",
    "OldNotes",
    "Progress",
    "Receipt",
    "Record",
    "RecordNotFoundError",
    "Repeat",
    "Reply",
    "ReplyPiece",
    "RoomMade",
    "Said",
    "Sampling",
    "ScopeTree",
    "Scores",
    "Source",
    "SpaceInfo",
    "SpaceMismatchError",
    "StateEncoder",
    "Store",
    "StoreError",
    "StoreStatus",
    "SyncReport",
    "Timings",
    "TokenCodes",
    "TokenEncoder",
    "TunedEncoder",
    "TunerError",
    "TunerMismatchError",
    "Turn",
]
# Parts whose own names a method of a public class may take or return.
PARTS = ("backbone", "chat", "store", "importers", "importing", "testing")


def test_the_surface_is_frozen():
    """`lmort_memory` exports these names and no others, each from its home module."""
    assert lmort_memory.__all__ == sorted(SURFACE)
    assert set(lmort_memory._HOME) == set(SURFACE)
    for name in SURFACE:
        home = import_module(f"lmort_memory.{lmort_memory._HOME[name]}")
        assert getattr(lmort_memory, name) is getattr(home, name)


def test_public_methods_speak_in_public_types():
    """Whatever a public method takes or returns, and a public value holds, can be imported."""
    exported = {name for part in PARTS for name in import_module(f"lmort_memory.{part}").__all__}
    exported |= set(SURFACE)
    types = _types_of_ours()
    hidden = [
        f"{owner} names {name}"
        for owner in SURFACE
        if isinstance(types.get(owner), ast.ClassDef)
        for name in _named(types[owner])
        if name in types and name not in exported
    ]
    assert hidden == []


def _types_of_ours() -> dict[str, ast.stmt]:
    """Return the classes and type aliases of the library, by name."""
    found: dict[str, ast.stmt] = {}
    for path in (ROOT / "lmort_memory").rglob("*.py"):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef):
                found[node.name] = node
            elif isinstance(node, ast.AnnAssign) and ast.unparse(node.annotation) == "TypeAlias":
                found[ast.unparse(node.target)] = node
    return found


def _named(owner: ast.ClassDef) -> Iterator[str]:
    """Yield the names in the annotations of a class's public methods and attributes."""
    for member in owner.body:
        annotations: list[ast.expr | None] = []
        if isinstance(member, ast.FunctionDef | ast.AsyncFunctionDef):
            if member.name.startswith("_"):
                continue
            arguments = [*member.args.args, *member.args.kwonlyargs]
            annotations = [member.returns, *(one.annotation for one in arguments)]
        elif isinstance(member, ast.AnnAssign) and not ast.unparse(member.target).startswith("_"):
            annotations = [member.annotation]
        for annotation in filter(None, annotations):
            yield from (one.id for one in ast.walk(annotation) if isinstance(one, ast.Name))


def _modules_after(code: str) -> set[str]:
    out = subprocess.run(
        [sys.executable, "-c", f"{code}; import sys; print(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    )
    return set(out.stdout.splitlines()[-1].split())


def test_import_loads_nothing_heavy():
    """`import lmort_memory` loads neither numpy nor any of the heavy packages."""
    heavy = {"numpy", "torch", "llama_cpp", "hnswlib", "sqlite_utils", "pandas", "typer", "rich"}
    assert _modules_after("import lmort_memory") & heavy == set()


def test_help_loads_no_model_code():
    """`lmort-mem --help` starts without numpy, llama.cpp or SQL."""
    code = (
        "import sys; sys.argv = ['lmort-mem', '--help']\n"
        "from lmort_memory.cli import main\n"
        "try: main()\nexcept SystemExit: pass\n"
        "0"
    )
    loaded = _modules_after(code)
    assert loaded & {"numpy", "torch", "llama_cpp", "hnswlib", "sqlite_utils"} == set()


def test_the_version_has_one_home():
    """The changelog speaks of the version that pyproject.toml states."""
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert f"## [{version}]" in (ROOT / "CHANGELOG.md").read_text()
