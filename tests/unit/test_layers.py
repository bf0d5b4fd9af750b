"""The architecture as a rule: who may import whom."""

import ast
from pathlib import Path

ROOT = Path(__file__).parents[2]

EVERYBODYS = {"errors", "types", "text", "thoughts", "times", "closing", "batches"}
# Part of the library -> the parts that it may import beside those.
MAY_IMPORT = {
    "errors": set(),
    "text": set(),
    "thoughts": set(),
    "times": set(),
    "types": {"errors"},
    "batches": set(),
    "compressed": set(),
    "paths": set(),
    "blas": set(),
    "closing": set(),
    "kit": set(),
    "modelfile": {"paths"},
    "backbone": {"modelfile", "paths"},
    "encoder": {"backbone", "blas", "kit", "modelfile", "paths"},
    "packing": set(),
    "store": {"paths"},
    "sync": {"packing", "paths", "store"},
    "importers": {"compressed", "paths"},
    "redaction": set(),
    "settings": {"paths"},
    "scopes": set(),
    "memory": {
        "backbone",
        "compressed",
        "encoder",
        "messages",
        "packing",
        "paths",
        "redaction",
        "store",
        "sync",
    },
    "importing": {"memory", "importers", "paths", "store"},
    "chat": {"blas", "memory", "messages", "encoder", "backbone", "store"},
    "adapters": {
        "chat",
        "messages",
        "memory",
        "scopes",
        "importing",
        "importers",
        "encoder",
        "serve",
        "settings",
        "store",
        "paths",
    },
    "start": {"adapters", "cli"},
    "messages": set(),
    "serve": {
        "blas",
        "chat",
        "messages",
        "memory",
        "importing",
        "importers",
        "encoder",
        "backbone",
        "store",
        "packing",
        "paths",
    },
    "testing": {"memory", "store"},
    "tuners": {
        "backbone",
        "chat",
        "encoder",
        "kit",
        "memory",
        "modelfile",
        "paths",
        "store",
        "testing",
    },
    "cli": None,  # the outermost part may import everything
}
ONLY_IN = {
    "cryptography": {"sync"},
    "llama_cpp": {"backbone"},
    "hnswlib": {"store"},
    "sqlite3": {"store"},
    "sqlite_utils": {"store"},
    "pgvector": {"store.postgres"},
    "psycopg": {"store.postgres"},
    "psycopg_pool": {"store.postgres"},
    "snowballstemmer": {"store.postgres"},
    "torch": {"tuners", "modelfile.convert"},
    "typer": {"cli"},
    "rich": {"cli"},
    "starlette": {"serve"},
    "uvicorn": {"serve"},
    "msgspec": {"serve"},
    "mcp": {"serve"},
    "agent": {"adapters.hermes"},
    "agents": {"adapters.openai_agents"},
    "anthropic": {"adapters.anthropic_memory"},
    "langchain_core": {"adapters.langchain"},
    "langgraph": {"adapters.langgraph"},
    "llama_index": {"adapters.llama_index"},
    "llm": {"adapters.llm"},
}


def _files():
    for path in sorted((ROOT / "lmort_memory").rglob("*.py")):
        yield path, ["lmort_memory", *path.relative_to(ROOT / "lmort_memory").with_suffix("").parts]
    for folder in ("cli", "tuners"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            parts = path.relative_to(ROOT / folder).with_suffix("").parts
            yield path, ["lmort_memory", folder, *parts]


def _imports(path: Path, parts: list[str]):
    """Yield the full name of every module that a file imports, function-level imports included."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = parts[: -node.level] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            yield module
            yield from (f"{module}.{alias.name}" for alias in node.names)


def _part(module: str) -> str | None:
    names = module.split(".")
    if names[0] != "lmort_memory" or len(names) < 2 or names[1] == "__init__":
        return None
    return names[1]


def test_imports_point_one_way():
    """No part of the library imports one that is not to its left."""
    wrong = []
    for path, parts in _files():
        own = _part(".".join(parts))
        if own is None:
            continue
        allowed = MAY_IMPORT[own]
        for module in _imports(path, parts):
            other = _part(module)
            known = other in MAY_IMPORT
            if known and allowed is not None and other not in {own, *EVERYBODYS, *allowed}:
                wrong.append(f"{path.relative_to(ROOT)} imports {module}")
    assert sorted(set(wrong)) == []


def test_each_heavy_package_has_one_home():
    """llama.cpp, SQL, hnswlib, torch and the terminal are each known in one place."""
    wrong = []
    for path, parts in _files():
        for module in _imports(path, parts):
            homes = ONLY_IN.get(module.split(".")[0])
            place = ".".join(parts[1:])
            if homes and not any(place == home or place.startswith(home + ".") for home in homes):
                wrong.append(f"{path.relative_to(ROOT)} imports {module}")
    assert sorted(set(wrong)) == []
