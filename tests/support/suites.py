"""Runs the suites that need servers, extras or other people's clients: `make suites`.

    python -m tests.support.suites [NAME ...]

Each suite gets an environment of its own below .venv/suites, with its requirements beside what the
tests have, since the packages of two of them need not agree.
"""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import venv
from collections.abc import Iterator, Sequence
from pathlib import Path

ROOT = Path(__file__).parents[2]
SUITES = ROOT / "tests" / "suites"
BASE = Path(sys.prefix) / "suites"
ASYNC = ("langchain",)  # langchain-tests' own tests of coroutines carry no mark


def main(named: Sequence[str]) -> int:
    """Run the named suites, or all; return how many failed."""
    found = {".".join(folder.relative_to(SUITES).parts): folder for folder in _folders()}
    unknown = [name for name in named if name not in found]
    if unknown:
        sys.stderr.write(f"no suite is named {unknown[0]}; there are {', '.join(found)}\n")
        return 2
    failed = [name for name, folder in found.items() if name in (named or found) and _fails(folder)]
    sys.stdout.write(f"failed: {', '.join(failed)}\n" if failed else "all suites passed\n")
    return len(failed)


def _folders() -> Iterator[Path]:
    yield from (file.parent for file in sorted(SUITES.rglob("requirements.txt")))


def _fails(folder: Path) -> bool:
    place = BASE / "-".join(folder.relative_to(SUITES).parts)
    python = place / "bin" / "python"
    if not python.exists():
        _create(place)
    requirements = folder / "requirements.txt"
    install = [str(python), "-m", "pip", "install", "--quiet", "-r", str(requirements)]
    options = ["-o", "asyncio_mode=auto"] if folder.name in ASYNC else []
    if "pytest-asyncio" in requirements.read_text():  # whose older versions warn without it
        options += ["-o", "asyncio_default_fixture_loop_scope=function"]
    test = [str(python), "-m", "pytest", str(folder), *options]
    return any(subprocess.run(command, cwd=ROOT).returncode for command in (install, test))


def _create(place: Path) -> None:
    """Make an environment that sees what the tests have, with a program `lmort-mem` of its own."""
    venv.create(place, with_pip=True)
    library = next((place / "lib").iterdir()) / "site-packages"
    # `addsitedir` reads the .pth files there too, that of our editable installation included.
    shared = sysconfig.get_path("purelib")
    (library / "tests.pth").write_text(f"import site; site.addsitedir({shared!r})\n")
    program = place / "bin" / "lmort-mem"
    program.write_text(
        f"#!{place / 'bin' / 'python'}\n"
        "import sys\nfrom lmort_memory.start import main\nsys.exit(main())\n"
    )
    program.chmod(0o755)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
