"""The tuner file: one GGUF with `general.architecture = "lmort"`.

Matrices are float16 or Q8_0, everything else float32. The metadata holds the shape (`TunerConfig`),
the backbone it belongs to, the encoding contract it was trained under, its provenance, and a hash
of shape and weights, so that a flipped bit raises an error instead of making a slightly wrong
vector.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import numpy as np

from lmort_memory.encoder.config import BackboneIdentity, TunerConfig
from lmort_memory.errors import BackboneError, TunerError
from lmort_memory.modelfile.header import GgufHeader, read_header
from lmort_memory.modelfile.tensors import read_array, read_tensor, tensor_rows
from lmort_memory.paths import replacing

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from gguf import GGUFWriter
    from numpy.typing import NDArray

    Array = NDArray[np.float32]

__all__ = [
    "ARCHITECTURE",
    "CONTRACT_VERSION",
    "Artifact",
    "TunerCard",
    "read_artifact",
    "read_card",
    "write_artifact",
]

_Value = TypeVar("_Value", int, str)

ARCHITECTURE: Final = "lmort"
# 1 had no `own_layers`, 2 no `token_bits`, 3 no `in_chat`, 4 no `lexicon`.
FORMAT_VERSION: Final = 5
# Written if the parts that came later are not there, so that older versions can read it.
_WITHOUT_LEXICON: Final = 4
_WITHOUT_CHAT: Final = 3
_WITHOUT_TOKENS: Final = 2
_READABLE: Final = (1, _WITHOUT_TOKENS, _WITHOUT_CHAT, _WITHOUT_LEXICON, FORMAT_VERSION)
_LATER: Final = ("token_bits", "in_chat", "lexicon")  # fields that files of earlier formats lack
CONTRACT_VERSION: Final = 1
"""Version of the encoding contract (prefix, standardisation, pooling): part of a space."""

_MATRIX_TYPES: Final = ("F16", "Q8_0")
_Q8_BLOCK: Final = 32  # values in a block of Q8_0; rows that are not a multiple of it stay float16


@dataclass(frozen=True, slots=True)
class TunerCard:
    """A tuner file's metadata, without its weights.

    Attributes:
        config: Shape and connections.
        backbone: The model it belongs to.
        contract_version: The encoding contract it was trained under.
        provenance: Recipe, data, teacher, licences, steps, date: free text by key.
        fingerprint: Hash of shape and stored weights, without the token map and what a chat adds:
            with these or without, the tuner's space is the same.
        tokens: Hash of the token map, the kind of its codes; empty if there is none.
        in_chat: Hash of what a chat adds to states; empty if that is not known.
    """

    config: TunerConfig
    backbone: BackboneIdentity
    contract_version: int = CONTRACT_VERSION
    provenance: Mapping[str, str] = field(default_factory=dict)
    fingerprint: str = ""
    tokens: str = ""
    in_chat: str = ""

    @property
    def tier(self) -> str:
        """How the tuner was made: "at once", "closed form", "LMORT", "unsupervised", "trained"."""
        return self.provenance.get("tier", "trained")

    @property
    def space(self) -> str:
        """Identity of its vectors: backbone, tuner and version of the contract."""
        return f"{self.backbone.fingerprint}-{self.fingerprint}-{self.contract_version}"


@dataclass(frozen=True, slots=True)
class Artifact:
    """A tuner in memory: its card, and its float32 weights by their name in `tensor_shapes`."""

    card: TunerCard
    weights: Mapping[str, Array]


def read_card(path: Path) -> TunerCard:
    """Read the metadata of a tuner file. Takes about a millisecond.

    Raises:
        TunerError: the file is missing, damaged, not a tuner, or in a newer format.
    """
    return _card(_header(path))


def read_artifact(path: Path) -> Artifact:
    """Read a tuner file and check it: names, shapes, types, finite values, and the hash.

    Raises:
        TunerError: as for `read_card`.
    """
    header = _header(path)
    card = _card(header)
    _check_tensors(header, card.config)
    try:
        weights = {name: read_tensor(header, name) for name in header.tensors}
        stored = {
            name: (info.type_name, tensor_rows(header, name))
            for name, info in header.tensors.items()
        }
        found = _fingerprints(card.config, stored)
    except BackboneError as error:
        raise TunerError(f"the tuner {path} cannot be loaded: {error}") from error
    expected = card.fingerprint, card.tokens, card.in_chat
    if found != expected:
        raise _damaged(path, f"its weights hash to {found}, its header says {expected}")
    _check_values(path, weights)
    return Artifact(card, weights)


def write_artifact(path: Path, artifact: Artifact, *, matrix_type: str = "F16") -> str:
    """Write a tuner file atomically, with mode 0600, and return its fingerprint.

    Args:
        path: Destination; an existing file is replaced once the new one is complete.
        artifact: The fingerprints in its card are ignored and recomputed.
        matrix_type: Type of the matrices, "F16" or "Q8_0".

    Raises:
        ValueError: the weights do not fit the shape, or the type is not supported.
        OSError: the file cannot be written.
    """
    if matrix_type not in _MATRIX_TYPES:
        raise ValueError(f"matrix_type must be one of {_MATRIX_TYPES}; found {matrix_type!r}")
    config = artifact.card.config
    found = {name: tuple(weight.shape) for name, weight in artifact.weights.items()}
    if found != config.tensor_shapes():
        wrong = dict(found.items() ^ config.tensor_shapes().items())
        raise ValueError(f"weights do not fit the shape of the tuner: {wrong}")
    stored = {name: _stored(artifact.weights[name], matrix_type) for name in config.tensor_shapes()}
    fingerprint, tokens, in_chat = _fingerprints(config, stored)
    card = replace(artifact.card, fingerprint=fingerprint, tokens=tokens, in_chat=in_chat)
    with replacing(path) as fresh:
        _write_gguf(fresh, card, stored)
    return fingerprint


def _header(path: Path) -> GgufHeader:
    try:
        header = read_header(path)
    except BackboneError as error:
        raise TunerError(f"the tuner {path} cannot be loaded: {error}") from error
    architecture = header.metadata.get("general.architecture")
    if architecture != ARCHITECTURE:
        raise TunerError(
            f"{path} is not a tuner: general.architecture is {architecture!r}, expected "
            f"{ARCHITECTURE!r} — pass a file made by `lmort-mem tuner`"
        )
    version = _typed(header, "lmort.format_version", int)
    if version not in _READABLE:
        raise TunerError(
            f"the tuner {path} has format {version}, this version reads {_READABLE} — "
            "update lmort-memory or train the tuner again"
        )
    return header


def _card(header: GgufHeader) -> TunerCard:
    prefix = "lmort.training."
    return TunerCard(
        config=_config(header),
        backbone=BackboneIdentity(
            fingerprint=_typed(header, "lmort.backbone.fingerprint", str),
            architecture=_typed(header, "lmort.backbone.architecture", str),
            n_layer=_typed(header, "lmort.backbone.n_layer", int),
            n_embd=_typed(header, "lmort.backbone.n_embd", int),
            sketch=str(header.metadata.get("lmort.backbone.sketch", "")),
        ),
        contract_version=_typed(header, "lmort.contract_version", int),
        provenance={
            key.removeprefix(prefix): value
            for key, value in header.metadata.items()
            if key.startswith(prefix) and isinstance(value, str)
        },
        fingerprint=_typed(header, "lmort.fingerprint", str),
        tokens=str(header.metadata.get("lmort.tokens.fingerprint", "")),
        in_chat=str(header.metadata.get("lmort.chat.fingerprint", "")),
    )


def _config(header: GgufHeader) -> TunerConfig:
    values: dict[str, Any] = {}
    for item in fields(TunerConfig):
        key = f"lmort.{item.name}"
        if item.name.endswith("_layers"):
            values[item.name] = _numbers(header, key)
        elif item.name in _LATER and key not in header.metadata:
            continue  # a file of an earlier format
        elif item.name in ("mode", "lexicon"):
            values[item.name] = _typed(header, key, str)
        else:
            values[item.name] = _typed(header, key, int)
    try:
        return TunerConfig(**values)
    except ValueError as error:
        raise _damaged(header.path, str(error)) from error


def _numbers(header: GgufHeader, key: str) -> tuple[int, ...]:
    """Read an optional array of integers; missing means empty (GGUF writers drop empty arrays)."""
    if key not in header.metadata:
        return ()
    try:
        values = read_array(header, key)
    except BackboneError as error:
        raise _damaged(header.path, str(error)) from error
    if not np.issubdtype(values.dtype, np.integer) or len(values) > 1024:
        raise _damaged(header.path, f"{key} is not a short array of integers")
    return tuple(int(value) for value in values)


def _typed(header: GgufHeader, key: str, kind: type[_Value]) -> _Value:
    value = header.metadata.get(key)
    if not isinstance(value, kind) or isinstance(value, bool):
        raise _damaged(header.path, f"{key} is {value!r}, expected {kind.__name__}")
    return value


def _check_tensors(header: GgufHeader, config: TunerConfig) -> None:
    expected = config.tensor_shapes()
    if set(header.tensors) != set(expected):
        odd = sorted(set(header.tensors) ^ set(expected))[:4]
        raise _damaged(header.path, f"tensors are missing or unexpected, such as {odd}")
    for name, info in header.tensors.items():
        allowed = ("F32", *_MATRIX_TYPES) if len(info.shape) == 2 else ("F32",)
        if info.shape != expected[name] or info.type_name not in allowed:
            raise _damaged(
                header.path,
                f"{name} is {info.type_name} {info.shape}, expected {expected[name]} "
                f"of {' or '.join(allowed)}",
            )


def _check_values(path: Path, weights: Mapping[str, Array]) -> None:
    for name, weight in weights.items():
        if not np.isfinite(weight).all():
            raise _damaged(path, f"{name} has values that are not finite")
        if name.startswith("stats.") and name.endswith(".std") and not (weight > 0).all():
            raise _damaged(path, f"{name} has standard deviations that are not positive")


def _damaged(path: Path, why: str) -> TunerError:
    return TunerError(f"the tuner {path} is damaged: {why} — download or train it again")


def _stored(weight: Array, matrix_type: str) -> tuple[str, NDArray[Any]]:
    """Encode a tensor for the file: type name and data."""
    if weight.ndim != 2:
        return "F32", np.ascontiguousarray(weight, dtype=np.float32)
    if matrix_type == "Q8_0" and weight.shape[1] % _Q8_BLOCK == 0:
        import gguf

        packed = gguf.quants.quantize(weight, gguf.GGMLQuantizationType.Q8_0)
        return "Q8_0", packed
    return "F16", weight.astype(np.float16)


def _fingerprints(
    config: TunerConfig, stored: Mapping[str, tuple[str, NDArray[Any]]]
) -> tuple[str, str, str]:
    """Return the hashes of what makes vectors, of the token map, and of what a chat adds."""
    in_chat = _hash(f"chat {config.layers}", config.chat_shapes(), stored) if config.in_chat else ""
    return _fingerprint(config, stored), _token_fingerprint(config, stored), in_chat


def _fingerprint(config: TunerConfig, stored: Mapping[str, tuple[str, NDArray[Any]]]) -> str:
    """Hash shape and stored bytes of everything that makes vectors; 32 hex digits."""
    shape = asdict(config)
    for name in ("token_bits", "in_chat"):  # they make no other vectors
        del shape[name]
    for name in ("own_layers", "lexicon"):
        if not shape[name]:
            del shape[name]  # so that files of earlier formats keep their hash
    return _hash(json.dumps(shape, sort_keys=True), config.vector_shapes(), stored)


def _token_fingerprint(config: TunerConfig, stored: Mapping[str, tuple[str, NDArray[Any]]]) -> str:
    """Hash the token map; empty if there is none."""
    if not config.token_bits:
        return ""
    return _hash(f"tokens {config.token_bits} {config.layers}", config.token_shapes(), stored)


def _hash(shape: str, names: Iterable[str], stored: Mapping[str, tuple[str, NDArray[Any]]]) -> str:
    digest = hashlib.sha256(shape.encode())
    for name in names:
        type_name, data = stored[name]
        digest.update(f"\0{name}\0{type_name}\0".encode())
        digest.update(np.ascontiguousarray(data).view(np.uint8).data)
    return digest.hexdigest()[:32]


def _write_gguf(
    path: Path,
    card: TunerCard,
    stored: Mapping[str, tuple[str, NDArray[Any]]],
) -> None:
    import gguf

    writer = gguf.GGUFWriter(path, ARCHITECTURE)
    shape = {
        name: value for name, value in asdict(card.config).items() if value or name not in _LATER
    }
    version = _WITHOUT_CHAT if card.tokens else _WITHOUT_TOKENS
    version = _WITHOUT_LEXICON if card.in_chat else version
    version = FORMAT_VERSION if card.config.lexicon else version
    writer.add_uint32("lmort.format_version", version)
    writer.add_uint32("lmort.contract_version", card.contract_version)
    writer.add_string("lmort.fingerprint", card.fingerprint)
    if card.tokens:
        writer.add_string("lmort.tokens.fingerprint", card.tokens)
    if card.in_chat:
        writer.add_string("lmort.chat.fingerprint", card.in_chat)
    _add_values(writer, "lmort", shape)
    _add_values(writer, "lmort.backbone", asdict(card.backbone))
    _add_values(writer, "lmort.training", dict(card.provenance))
    for name, (type_name, data) in stored.items():
        writer.add_tensor(name, data, raw_dtype=gguf.GGMLQuantizationType[type_name])
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _add_values(writer: GGUFWriter, prefix: str, values: Mapping[str, Any]) -> None:
    for name, value in values.items():
        key = f"{prefix}.{name}"
        if isinstance(value, str):
            writer.add_string(key, value)
        elif isinstance(value, int):
            writer.add_uint32(key, value)
        else:
            writer.add_array(key, list(value))
