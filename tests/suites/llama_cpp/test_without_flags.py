"""llama.cpp as somebody else compiled it: for this processor, without our flags.

On a processor with AMX, GCC 12 makes a library of it that dies at the first matrix product.
Compiling takes five minutes; `LMORT_TEST_CARELESS` may name a folder that was compiled before.
"""

import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from lmort_memory.backbone.runtime import Q8_0, Library
from lmort_memory.backbone.runtime.candidates import library_at
from lmort_memory.backbone.runtime.children import CRASHES
from lmort_memory.backbone.runtime.trial import run_trial
from lmort_memory.backbone.runtime.verdicts import Attempt, processor

BINDING = "llama-cpp-python==0.3.36"
OFF = ("LLAMA_BUILD_TESTS", "LLAMA_BUILD_TOOLS", "LLAMA_BUILD_EXAMPLES", "LLAMA_BUILD_SERVER")


@pytest.fixture(scope="session")
def careless(tmp_path_factory):
    """A libllama compiled as it comes."""
    if ready := os.environ.get("LMORT_TEST_CARELESS"):
        return library_at(Path(ready))
    folder = tmp_path_factory.mktemp("careless")
    run = {"cwd": folder, "check": True}
    wanted = ["--no-deps", "--no-binary", "llama-cpp-python", BINDING]
    subprocess.run([sys.executable, "-m", "pip", "download", *wanted], **run)
    (archive,) = folder.glob("*.tar.gz")
    with tarfile.open(archive) as sources:
        sources.extractall(folder, filter="data")
    (vendored,) = folder.glob("*/vendor/llama.cpp")
    options = [f"-D{name}=OFF" for name in OFF] + ["-DCMAKE_BUILD_TYPE=Release"]
    subprocess.run(["cmake", "-B", "build", "-G", "Ninja", *options, vendored], **run)
    subprocess.run(["cmake", "--build", "build", "--target", "llama"], **run)
    return library_at(folder / "build" / "bin")


def test_no_library_takes_the_process_down(careless, tmp_path):
    """Whatever that library does here, `add` and `recall` work over it or over another."""
    environment = os.environ | {"LMORT_LLAMA_LIB": str(careless)}
    for arguments in (("add", "Ada keeps bees."), ("recall", "bees"), ("doctor", "--json")):
        if arguments[0] != "doctor":
            arguments += ("--db", str(tmp_path / "notes.db"))
        done = subprocess.run(
            [sys.executable, "-m", "lmort_memory.cli", *arguments],
            capture_output=True,
            text=True,
            env=environment,
        )
        assert done.returncode == 0, done.stderr
    checks = {check["name"]: check for check in json.loads(done.stdout)}
    assert checks["vectors"]["state"] == "good"


def test_repacked_weights_are_what_it_cannot_do(careless):
    """On AMX the first way crashes or works, by the compiler; the second works."""
    first = run_trial(Attempt(Library(careless, "compiled without flags")), (Q8_0,))
    assert first.is_good or ("amx_int8" in processor() and first.ended in CRASHES), first.ended
    second = run_trial(Attempt(Library(careless, "the same"), extra_buffers=False), (Q8_0,))
    assert second.is_good, second.ended
