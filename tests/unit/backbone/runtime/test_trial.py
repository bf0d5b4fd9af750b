"""A library is tried in a child process, and what comes of it is known afterwards."""

import json
import os
import subprocess
import sys

import pytest

from lmort_memory.backbone.runtime import Library, weight_types
from lmort_memory.backbone.runtime.children import run_apart
from lmort_memory.backbone.runtime.trial import list_devices, run_trial, write_blank_model
from lmort_memory.backbone.runtime.verdicts import Attempt, Verdict, recall, remember
from lmort_memory.backbone.runtime.weights import Q8_0, WIDTH, WeightType
from lmort_memory.modelfile.header import read_header
from lmort_memory.paths import cache_dir
from tests.support.stand_ins import (
    ANOTHER_LAYOUT,
    SIGILL_AT_DECODE,
    installed,
    site_with_only,
    stand_in,
)

Q4_K = WeightType("Q4_K", 12, 144)


@pytest.fixture(scope="module")
def crashing(tmp_path_factory):
    """A library whose first decode is an illegal instruction."""
    return stand_in(SIGILL_AT_DECODE, tmp_path_factory.mktemp("crashing"))


@pytest.fixture
def own_verdicts(home):
    """A home that knows nothing of any library yet."""
    (home / "cache" / "llama.cpp").unlink()
    return home


def test_the_installed_library_decodes_every_type_of_a_model(tmp_path):
    """What is installed here decodes weights of several types in one trial."""
    verdict = run_trial(Attempt(installed()), (WeightType("F16", 1, 2 * WIDTH), Q8_0, Q4_K))
    assert verdict.is_good, verdict.ended
    assert verdict.layout
    assert "AVX2" in verdict.built_for or sys.platform == "darwin"


def test_the_blank_model_is_a_sound_file(tmp_path):
    """The model of a trial has the types that it is about, and no tensor outside the file."""
    path = tmp_path / "blank.gguf"
    write_blank_model(path, (Q8_0, Q4_K))
    header = read_header(path)
    assert set(weight_types(header)) == {WeightType("F32", 0, 4 * WIDTH), Q8_0, Q4_K}


def test_an_illegal_instruction_ends_the_child_alone(crashing):
    """A library that dies of its first decode gives a verdict that lasts."""
    verdict = run_trial(Attempt(Library(crashing, "a stand-in")), (Q8_0,))
    assert (verdict.ended, verdict.lasts) == ("SIGILL", True)


def test_an_unknown_layout_is_refused_before_anything_is_computed(tmp_path):
    """Eight bytes more in the middle of a struct are found, and the first wrong field is named."""
    moved = stand_in(ANOTHER_LAYOUT + SIGILL_AT_DECODE, tmp_path / "moved")
    verdict = run_trial(Attempt(Library(moved, "a stand-in")), (Q8_0,))
    assert "unknown layout" in verdict.ended  # and not SIGILL: nothing was decoded
    assert "llama_context_params." in verdict.ended
    assert not verdict.lasts


def test_what_is_no_libllama_is_refused(tmp_path):
    """Another shared library, or none, is a sentence and no traceback."""
    text = tmp_path / "libllama.so"
    text.write_text("no library")
    verdict = run_trial(Attempt(Library(text, "a text")), (Q8_0,))
    assert verdict.ended.startswith("it does not load:")


def test_a_verdict_is_kept_for_its_library_types_and_way(own_verdicts, crashing):
    """It is found again for the same attempt; for other types, or another way, it is not."""
    attempt = Attempt(Library(crashing, "a stand-in"))
    remember(attempt, (Q8_0,), Verdict("SIGILL", 0.5))
    found = recall(attempt, (Q8_0,))
    assert found is not None and found.ended == "SIGILL"
    assert recall(attempt, (Q4_K,)) is None
    assert recall(Attempt(attempt.library, extra_buffers=False), (Q8_0,)) is None
    assert recall(Attempt(installed()), (Q8_0,)) is None
    (file,) = (cache_dir() / "llama.cpp").iterdir()
    assert file.stat().st_mode & 0o777 == 0o600


def test_a_verdict_that_need_not_last_is_not_kept(own_verdicts, crashing):
    """A child that was killed, or took too long, is tried again by the next process."""
    attempt = Attempt(Library(crashing, "a stand-in"))
    remember(attempt, (Q8_0,), Verdict("SIGKILL", 0.5, lasts=False))
    assert recall(attempt, (Q8_0,)) is None


def test_a_replaced_library_is_tried_anew(own_verdicts, tmp_path):
    """The verdict is about the bytes of the library, not about its name."""
    folder = tmp_path / "one"
    library = Library(stand_in(SIGILL_AT_DECODE, folder), "a stand-in")
    remember(Attempt(library), (Q8_0,), Verdict("SIGILL", 0.5))
    with library.path.open("ab") as file:
        file.write(b"\0")
    code = (
        "import sys, pathlib\n"
        "from lmort_memory.backbone.runtime import Library, Q8_0\n"
        "from lmort_memory.backbone.runtime.verdicts import Attempt, recall\n"
        "print(recall(Attempt(Library(pathlib.Path(sys.argv[1]), '')), (Q8_0,)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, library.path], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "None"


def test_the_devices_of_a_library_are_listed():
    """The processor is among them; a child process has looked, so no driver can crash this one."""
    found = list_devices(installed())
    assert not isinstance(found, str), found
    assert any(device.name.startswith(("CPU", "Metal")) for device in found)


def test_a_child_that_says_nothing_has_a_reason():
    """Its last line on stderr tells why."""
    ended = run_apart("json:no_such_name", {}, patience_s=30)
    assert ended.answer is None
    assert "cannot import name" in ended.reason


def lmort(*arguments, **environment):
    """Run `lmort-mem` over the packaged model, in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "lmort_memory.cli", *map(str, arguments)],
        capture_output=True,
        text=True,
        env=os.environ | environment,
    )


def test_a_crashing_library_costs_one_line(own_verdicts, crashing, tmp_path):
    """`add` goes on over the next library, says so once, and `doctor` says so always."""
    named = {"LMORT_LLAMA_LIB": str(crashing)}
    for said in (1, 0):
        done = lmort("add", "Ada keeps bees.", "--db", tmp_path / "notes.db", **named)
        assert done.returncode == 0, done.stderr
        assert done.stderr.count("crashes here (SIGILL)") == 2 * said, done.stderr  # both ways
        assert len([line for line in done.stderr.splitlines() if "llama.cpp" in line]) == said
    doctor = lmort("doctor", "--json", **named)
    checks = {check["name"]: check for check in json.loads(doctor.stdout)}
    assert checks["llama.cpp"]["state"] == "note"
    assert "crashes here (SIGILL)" in checks["llama.cpp"]["found"]
    assert checks["vectors"]["state"] == "good"


def test_where_no_library_works_one_line_names_the_cure(own_verdicts, crashing, tmp_path):
    """With two libraries that crash, commands fail with one line; `doctor` lives to tell."""
    site = site_with_only(crashing, tmp_path / "site")
    path = os.pathsep.join([str(site), os.environ.get("PYTHONPATH", "")])
    only = {"PYTHONPATH": path, "LMORT_LLAMA_LIB": ""}
    done = lmort("add", "Ada keeps bees.", "--db", tmp_path / "notes.db", **only)
    assert done.returncode == 1
    (line,) = done.stderr.strip().splitlines()
    assert "no llama.cpp runs on this processor" in line
    assert "--no-cache-dir llama-cpp-python" in line
    doctor = lmort("doctor", **only)
    assert doctor.returncode == 1
    assert "FAIL llama.cpp" in doctor.stdout


def test_a_named_library_of_unknown_layout_is_an_error(own_verdicts, tmp_path):
    """Who names a library gets it or a reason, not another one in silence."""
    moved = stand_in(ANOTHER_LAYOUT, tmp_path / "moved")
    done = lmort("recall", "bees", "--db", tmp_path / "n.db", LMORT_LLAMA_LIB=str(moved))
    assert done.returncode == 1
    assert "unknown layout" in done.stderr
    assert str(moved) in done.stderr
