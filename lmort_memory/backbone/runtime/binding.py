"""llama-cpp-python's ctypes module, bound to a library of our choice.

A plain `import llama_cpp` would load the library in its own folder, and high-level code that takes
0.1 s and is not used here. So we import only `llama_cpp.llama_cpp` and make its loader return the
chosen library. If anyone later accesses another attribute of the package, the rest is imported
then, over the same library: a process has one libllama.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec, module_from_spec
from pathlib import Path
from typing import Any, Final

from lmort_memory.backbone.runtime.candidates import BINDING, Library
from lmort_memory.backbone.runtime.layouts import LayoutMismatch, apply_layout
from lmort_memory.backbone.runtime.spinning import short_spins
from lmort_memory.errors import MissingDependencyError

__all__ = ["FUNCTIONS", "Bound", "Unusable", "already_imported", "bind"]

_MODULE: Final = "llama_cpp.llama_cpp"
FUNCTIONS: Final = tuple(
    f"llama_{name}"
    for name in (  # noqa: SIM905 — one to a line they would fill a page
        "backend_init batch_get_one context_default_params decode free get_memory get_model"
        " init_from_model"
        " log_set memory_can_shift memory_seq_add memory_seq_cp memory_seq_rm model_default_params"
        " model_free model_get_vocab model_is_hybrid model_is_recurrent model_load_from_file"
        " model_n_embd model_n_layer model_quantize model_quantize_default_params model_rope_type"
        " n_ctx print_system_info sampler_chain_add sampler_chain_default_params sampler_chain_init"
        " sampler_free sampler_init_dist sampler_init_grammar sampler_init_greedy"
        " sampler_init_logit_bias sampler_init_min_p"
        " sampler_init_penalties sampler_init_temp sampler_init_top_k sampler_init_top_p"
        " sampler_sample state_seq_get_data state_seq_get_size state_seq_set_data token_to_piece"
        " tokenize vocab_bos vocab_eos vocab_get_add_bos vocab_is_control vocab_is_eog"
        " vocab_n_tokens vocab_type"
    ).split()
)
"""The functions of libllama that this project calls; a usable library has all of them."""


class Unusable(Exception):
    """A library that cannot be used; the message says why."""


@dataclass(frozen=True, slots=True)
class Bound:
    """A library in use.

    Attributes:
        library: The file it was loaded from.
        cpp: The module of its C functions.
        ggml: The library with the functions of libggml-base.
        registry: The library with those of libggml, the registry of back-ends.
        layout: Name of its struct layout.
    """

    library: Library
    cpp: Any
    ggml: Any
    registry: Any
    layout: str


def already_imported() -> Library | None:
    """Return the library that other code in this process has already bound, or None."""
    module = sys.modules.get(_MODULE)
    path = getattr(getattr(module, "_lib", None), "_name", None)
    return None if path is None else Library(Path(path), "already loaded in this process")


def bind(library: Library) -> Bound:
    """Load a library and bind llama-cpp-python's functions to it.

    Raises:
        Unusable: it does not load, lacks a function, or has an unknown struct layout.
        MissingDependencyError: llama-cpp-python is not installed.
    """
    known = sys.modules.get(_MODULE)
    try:
        with short_spins():
            loaded = _open(library)
            cpp: Any = known or _import_over(loaded)
    except OSError as error:
        raise Unusable(f"it does not load: {error}") from error
    except (AttributeError, NotImplementedError) as error:
        raise Unusable(f"it is not a libllama with this interface: {error}") from error
    if absent := [name for name in FUNCTIONS if isinstance(getattr(cpp, name), _Absent)]:
        raise Unusable(f"it lacks the functions {', '.join(absent)}")
    try:
        layout = apply_layout(cpp, replace=known is None)
    except LayoutMismatch as error:
        raise Unusable(f"its structs have an unknown layout: {error}") from error
    return Bound(library, cpp, loaded["ggml-base"], loaded["ggml"], layout.name)


class _Tolerant(ctypes.CDLL):
    """A library of another release, which may lack some functions."""

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401
        try:
            return super().__getattr__(name)
        except AttributeError:
            if not name.startswith("llama_"):
                raise
            return _Absent(name)


class _Absent:
    """Stands in for a missing function; raises when called."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __call__(self, *_arguments: object) -> None:
        raise NotImplementedError(f"this libllama has no function {self._name}")


def _open(library: Library) -> dict[str, ctypes.CDLL]:
    """Open libllama and the two ggml libraries that are called directly.

    If the loader already opened them as dependencies of libllama, its handle reaches them.
    """
    found = _Tolerant(str(library.path))
    opened: dict[str, ctypes.CDLL] = {"llama": found}
    parts = library.parts("ggml")
    for name in ("ggml-base", "ggml"):
        opened[name] = ctypes.CDLL(str(parts[name])) if name in parts else found
    return opened


def _import_over(loaded: dict[str, ctypes.CDLL]) -> Any:  # noqa: ANN401
    """Import only llama_cpp.llama_cpp; leave a package that imports the rest on demand."""
    spec = find_spec("llama_cpp")
    if spec is None or spec.loader is None:
        raise MissingDependencyError(BINDING, extra="prebuilt")
    package = module_from_spec(spec)
    sys.modules["llama_cpp"] = package
    try:
        extensions: Any = import_module("llama_cpp._ctypes_extensions")
        extensions.load_shared_library = _loader(loaded, extensions.load_shared_library)
        module = import_module(_MODULE)
    except BaseException:
        for name in [name for name in sys.modules if name.partition(".")[0] == "llama_cpp"]:
            del sys.modules[name]
        raise

    def complete(name: str) -> Any:  # noqa: ANN401
        if package.__dict__.pop("__getattr__", None) is not None:
            spec.loader.exec_module(package)  # type: ignore[union-attr]
        return getattr(package, name)

    package.__getattr__ = complete  # type: ignore[method-assign]
    return module


def _loader(
    loaded: dict[str, ctypes.CDLL], original: Callable[[str, Path], ctypes.CDLL]
) -> Callable[[str, Path], ctypes.CDLL]:
    def load_shared_library(lib_base_name: str, base_path: Path) -> ctypes.CDLL:
        return loaded.get(lib_base_name) or original(lib_base_name, base_path)

    return load_shared_library
