"""The owners' own tests, run against our adapters from a scratch copy that is thrown away.

    python tests/suites/adapters/owners.py anthropic_memory
    python tests/suites/adapters/owners.py langgraph -- -x -k vector

Their source distributions are fetched with pip; none of their files is kept. A plugin of ours
(`<name>/owner_plugin.py`) puts our adapter in the place of their implementation, and deselects what
is about the inside of theirs, each with its reason. Needs what `<name>/requirements.txt` lists.
"""

# ruff: noqa: T201
import argparse
import os
import subprocess
import sys
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Owner:
    """A source distribution, and which of its tests concern us."""

    package: str
    tests: tuple[str, ...]
    keep: str = "tests"


OWNERS = {
    "anthropic_memory": (
        Owner(
            "anthropic==2.14.0",
            ("tests/lib/tools/memory_tools/test_filesystem.py",),
            "tests/lib/tools/memory_tools",
        ),
    ),
    "langgraph": (
        Owner("langgraph-checkpoint==4.3.2", ("tests/test_store.py",)),
        Owner(
            "langgraph-checkpoint-sqlite==3.1.2",
            ("tests/test_store.py", "tests/test_async_store.py", "tests/test_ttl.py"),
        ),
    ),
    "openai_agents": (
        Owner(
            "openai-agents==0.24.0",
            ("tests/memory/test_session.py", "tests/memory/test_session_limit.py"),
        ),
    ),
}


def fetch(owner: Owner, into: Path) -> Path:
    """Download a source distribution and unpack the tests that are kept; returns their root."""
    command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--no-binary", ":all:"]
    subprocess.run([*command, "-d", str(into), owner.package], check=True)
    archive = next(into.glob("*.tar.gz"))
    with tarfile.open(archive) as packed:
        top = packed.getnames()[0].split("/")[0]
        wanted = [m for m in packed.getmembers() if m.name.startswith(f"{top}/{owner.keep}")]
        packed.extractall(into, members=wanted, filter="data")
    archive.unlink()
    return into / top


def run(name: str, options: list[str]) -> int:
    """Run an owner's tests against our adapter; returns pytest's exit status, the worst of all."""
    worst = 0
    for owner in OWNERS[name]:
        with tempfile.TemporaryDirectory() as scratch:
            root = fetch(owner, Path(scratch))
            (root / "pytest.ini").write_text(
                "[pytest]\nasyncio_mode = auto\n"
                "asyncio_default_fixture_loop_scope = function\n"
                "markers = flaky: retried by its owner\n"
            )
            path = os.pathsep.join([str(HERE / name), str(root)])
            print(f"== {owner.package}: {' '.join(owner.tests)}", flush=True)
            done = subprocess.run(
                [
                    sys.executable,
                    "-m",
                    "pytest",
                    "-q",
                    "-p",
                    "owner_plugin",
                    *owner.tests,
                    *options,
                ],
                cwd=root,
                env={**os.environ, "PYTHONPATH": path, "OPENAI_API_KEY": "none"},
                check=False,
            )
            worst = max(worst, done.returncode)
    return worst


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("name", choices=[*OWNERS])
    parser.add_argument("options", nargs="*", help="options of pytest, behind --")
    asked = parser.parse_args()
    sys.exit(run(asked.name, asked.options))
