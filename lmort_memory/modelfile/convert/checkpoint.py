"""Hugging Face checkpoints as named tensors, read a few rows at a time."""

from __future__ import annotations

import pickle
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from lmort_memory.errors import BackboneError, MissingDependencyError
from lmort_memory.modelfile.convert.jsonfile import read_object
from lmort_memory.modelfile.convert.safetensors import SafetensorsFile

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray

__all__ = ["Checkpoint", "open_checkpoint"]


class Checkpoint(Protocol):
    """Weights by name; only `rows` reads their data."""

    def names(self) -> Collection[str]:
        """Names of all tensors."""

    def shape(self, name: str) -> tuple[int, ...]:
        """Shape of a tensor; KeyError if there is none with this name."""

    def rows(self, name: str, start: int, stop: int) -> NDArray[np.float32]:
        """Rows [start, stop) along the first axis, copied as float32."""


def open_checkpoint(folder: Path) -> Checkpoint:
    """Open the weights in a folder: safetensors if there are any, otherwise PyTorch's files.

    Raises:
        BackboneError: the weights are missing or damaged.
        MissingDependencyError: there are only PyTorch files and torch is not installed.
    """
    safetensors = _files(folder, "model.safetensors")
    if safetensors:
        return _Shards([SafetensorsFile(path) for path in safetensors])
    pytorch = _files(folder, "pytorch_model.bin")
    if pytorch:
        return _Shards([_TorchFile(path) for path in pytorch])
    raise BackboneError(
        f"{folder} has neither model.safetensors nor pytorch_model.bin — pass the folder of a "
        "complete Hugging Face checkpoint"
    )


def _files(folder: Path, name: str) -> list[Path]:
    """Return the file of this name, or the parts that its index lists."""
    index = folder / f"{name}.index.json"
    if not index.is_file():
        return [folder / name] if (folder / name).is_file() else []
    parts = read_object(index).get("weight_map")
    if not isinstance(parts, dict) or not all(isinstance(part, str) for part in parts.values()):
        raise BackboneError(f"{index} has no weight_map of names — download the checkpoint again")
    names = sorted(set(parts.values()))
    for part in names:
        if Path(part).name != part or not (folder / part).is_file():
            raise BackboneError(
                f"{index} names the part {part!r}, which is not a file of this folder — "
                "download the checkpoint again"
            )
    return [folder / part for part in names]


class _Shards:
    """Several files as one checkpoint."""

    def __init__(self, files: list[Checkpoint]) -> None:
        self._home: dict[str, Checkpoint] = {name: file for file in files for name in file.names()}

    def names(self) -> Collection[str]:
        return self._home.keys()

    def shape(self, name: str) -> tuple[int, ...]:
        return self._home[name].shape(name)

    def rows(self, name: str, start: int, stop: int) -> NDArray[np.float32]:
        return self._home[name].rows(name, start, stop)


class _TorchFile:
    """A PyTorch file; memory-mapped if it has the format of PyTorch 1.6 or newer."""

    def __init__(self, path: Path) -> None:
        self._tensors = _load_torch(path)

    def names(self) -> Collection[str]:
        return self._tensors.keys()

    def shape(self, name: str) -> tuple[int, ...]:
        return tuple(self._tensors[name].shape)

    def rows(self, name: str, start: int, stop: int) -> NDArray[np.float32]:
        import numpy as np

        values: NDArray[np.float32] = self._tensors[name][start:stop].float().numpy()
        return np.array(values)


def _load_torch(path: Path) -> Mapping[str, torch.Tensor]:
    """Load with `weights_only`, so that a checkpoint cannot run code."""
    import zipfile

    try:
        import torch
    except ImportError as error:
        raise MissingDependencyError("torch", extra="train") from error
    try:
        mapped = zipfile.is_zipfile(path)
        state = torch.load(path, map_location="cpu", mmap=mapped, weights_only=True)
    except (RuntimeError, pickle.UnpicklingError, EOFError, ValueError, LookupError, OSError) as e:
        raise BackboneError(
            f"{path} cannot be read as PyTorch weights: {e} — download the checkpoint again"
        ) from e
    if not isinstance(state, dict) or not all(torch.is_tensor(v) for v in state.values()):
        raise BackboneError(f"{path} is not a plain dictionary of tensors — save the state_dict")
    return {str(name): tensor for name, tensor in state.items()}
