"""Run the tests marked `portable` over every llama.cpp that is installed, but the preferred one.

    python -m tests.support.libraries        (or: make test-libraries)

`make test` runs everything over the preferred one.
"""

from __future__ import annotations

import os
import subprocess
import sys

from lmort_memory.backbone.runtime import find_libraries


def main() -> None:
    """Run them; end with the first status that is not 0."""
    first, *others = find_libraries()
    sys.stdout.write(f"preferred, and tested by `make test`: {first}\n")
    if not others:
        sys.stdout.write("no other llama.cpp is installed; `make native` compiles one\n")
    for library in others:
        sys.stdout.write(f"the portable tests over {library}\n")
        sys.stdout.flush()
        environment = os.environ | {"LMORT_LLAMA_LIB": str(library.path)}
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-m", "portable"], env=environment, check=False
        )
        if done.returncode:
            sys.exit(done.returncode)


if __name__ == "__main__":
    main()
