"""The shape of a tuner: which states it reads, how wide it is, which tensors it has.

One frozen dataclass shared by the NumPy forward pass, the artifact file and the torch twin, so the
three cannot disagree. No file format and no arithmetic here.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

__all__ = ["CHAT_PLACES", "LAYER_NORM_EPS", "MODES", "WORDS_DIM", "BackboneIdentity", "TunerConfig"]

MODES: Final = ("A->U", "U->A", "A", "U")
"""Connection modes: self-attention -> cross-attention; the last two have no cross-attention."""

CHAT_PLACES: Final = (0, 1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48)
"""Token indices of a turn at which a new row of what a chat adds to its states begins."""

LAYER_NORM_EPS: Final = 1e-5

WORDS_DIM: Final = 384
"""Width of word vectors: that of the teacher's."""

_MAX_WIDTH: Final = 1 << 17
_MAX_LAYERS: Final = 1 << 10


@dataclass(frozen=True, slots=True)
class BackboneIdentity:
    """The model whose states a tuner reads.

    Attributes:
        fingerprint: Identity of the weights, as reported by the backbone.
        architecture: `general.architecture` of the GGUF, such as "llama".
        n_layer: Number of blocks.
        n_embd: Width of a state.
        sketch: Sketch of the weights as text; empty if none was taken.
    """

    fingerprint: str
    architecture: str
    n_layer: int
    n_embd: int
    sketch: str = ""


@dataclass(frozen=True, slots=True)
class TunerConfig:
    """Sizes and connections of an LMORT network (section 4.1 of the paper).

    Attributes:
        n_embd: Width of the backbone's states.
        align_layer: A, numbered as in transformers' `hidden_states`.
        uniform_layer: U.
        mode: "A->U" attends to A first and then across to U; "U->A" the other way; "A" and "U"
            have self-attention to that layer alone (the ablations of the paper's Table 2).
        n_layer: Number of LMORT blocks; with 0 only the linear path remains.
        n_head: Attention heads; divides `width`.
        width: Inner width. If it equals `n_embd` and `n_reduce` is 0, states enter unchanged.
        n_ff: Inner width of the feed-forward sub-layer (ReLU, as in the vanilla Transformer).
        n_reduce: Hidden width of the two-layer MLP that reduces `n_embd` to `width`
            (appendix A of the paper); 0 means one linear map where the widths differ.
        pooled_layers: Layers whose mean-pooled states are mapped linearly and added to the
            output; may be empty.
        dim: Width of the vector.
        own_layers: Layers whose mean-pooled states are mapped linearly and concatenated with the
            unit vector of everything above (`lmort_memory.tuners.train.blend`); may be empty.
        token_bits: Bits of a token's code (`lmort_memory.encoder.token_map`), a multiple of 8; 0
            means no token codes.
        in_chat: 1 if it knows what a chat adds to states (`lmort_memory.encoder.in_chat`), else 0.
        lexicon: Identity of the word vectors that are added to the output
            (`lmort_memory.encoder.lexicon`); empty means none.
    """

    n_embd: int
    align_layer: int
    uniform_layer: int
    mode: str = "A->U"
    n_layer: int = 2
    n_head: int = 8
    width: int = 256
    n_ff: int = 1024
    n_reduce: int = 0
    pooled_layers: tuple[int, ...] = ()
    dim: int = 384
    own_layers: tuple[int, ...] = ()
    token_bits: int = 0
    in_chat: int = 0
    lexicon: str = ""

    def __post_init__(self) -> None:
        """Refuse impossible shapes.

        Raises:
            ValueError: a size is out of range, or two sizes contradict each other.
        """
        if self.mode not in MODES:
            raise ValueError(f"mode must be one of {', '.join(MODES)}; found {self.mode!r}")
        for name in ("n_embd", "n_head", "width", "n_ff", "dim"):
            self._check_range(name, 1, _MAX_WIDTH)
        self._check_range("n_reduce", 0, _MAX_WIDTH)
        for name in ("n_layer", "align_layer", "uniform_layer", "token_bits"):
            self._check_range(name, 0, _MAX_LAYERS)
        self._check_range("in_chat", 0, 1)
        if self.token_bits % 8:
            raise ValueError(f"token_bits must be a multiple of 8; found {self.token_bits}")
        if self.width % self.n_head:
            raise ValueError(f"n_head must divide width; found {self.n_head} and {self.width}")
        self._check_layers()

    def _check_layers(self) -> None:
        if not self.has_network and not self.lexicon:
            raise ValueError("a tuner without blocks needs pooled_layers or a lexicon; found none")
        if not self.has_network and not self.own_layers:
            raise ValueError("a tuner that reads no layer needs no model; found no own_layers")
        for name in ("pooled_layers", "own_layers"):
            layers = getattr(self, name)
            if list(layers) != sorted(set(layers)):
                raise ValueError(f"{name} must ascend; found {layers}")
            if any(not 0 <= layer <= _MAX_LAYERS for layer in layers):
                raise ValueError(f"{name} out of range: {layers}")

    def _check_range(self, name: str, low: int, high: int) -> None:
        value = getattr(self, name)
        if not low <= value <= high:
            raise ValueError(f"{name} must be from {low} to {high}; found {value}")

    @property
    def first_layer(self) -> int:
        """The layer that self-attention starts from."""
        return self.align_layer if self.mode.startswith("A") else self.uniform_layer

    @property
    def second_layer(self) -> int | None:
        """The layer that cross-attention attends to, or None without cross-attention."""
        if "->" not in self.mode:
            return None
        return self.uniform_layer if self.mode == "A->U" else self.align_layer

    @property
    def layers(self) -> tuple[int, ...]:
        """The layers to capture, ascending, without duplicates."""
        wanted = {*self.pooled_layers, *self.own_layers}
        if self.n_layer:
            wanted.add(self.first_layer)
            if self.second_layer is not None:
                wanted.add(self.second_layer)
        return tuple(sorted(wanted))

    @property
    def has_network(self) -> bool:
        """Whether there is an output beside the word vectors and the model's own directions."""
        return bool(self.n_layer or self.pooled_layers)

    @property
    def inner_dim(self) -> int:
        """Width of the output before the model's own directions join it."""
        return self.dim if self.has_network else WORDS_DIM

    @property
    def has_projection(self) -> bool:
        """Whether states are mapped before they enter the blocks."""
        return bool(self.n_reduce) or self.width != self.n_embd

    @property
    def has_output(self) -> bool:
        """Whether a linear map follows the pooling; always so if there is a pooled path."""
        return bool(self.n_layer) and (self.dim != self.width or bool(self.pooled_layers))

    def tensor_shapes(self) -> dict[str, tuple[int, ...]]:
        """Return the shape of every tensor by name (matrix rows are outputs)."""
        return self.vector_shapes() | self.token_shapes() | self.chat_shapes()

    def chat_shapes(self) -> dict[str, tuple[int, ...]]:
        """Return what a chat adds to the states of each layer and place, by name, with shapes."""
        if not self.in_chat:
            return {}
        return {
            f"chat.{layer}.{place}": (self.n_embd,)
            for layer in self.layers
            for place in CHAT_PLACES
        }

    def token_shapes(self) -> dict[str, tuple[int, ...]]:
        """Return the tensors of the token map by name, with their shapes."""
        shapes: dict[str, tuple[int, ...]] = {}
        if self.token_bits:
            inputs = self.n_embd * len(self.layers)
            _add_linear(shapes, "tokens", self.token_bits, inputs)
            _add_linear(shapes, "salience", 1, inputs)
        return shapes

    def vector_shapes(self) -> dict[str, tuple[int, ...]]:
        """Return the tensors that make a text's vector by name, with their shapes."""
        shapes: dict[str, tuple[int, ...]] = {}
        for layer in self.layers:
            shapes[f"stats.{layer}.mean"] = shapes[f"stats.{layer}.std"] = (self.n_embd,)
        if self.n_layer:
            self._add_projections(shapes)
        for index in range(self.n_layer):
            self._add_block(shapes, f"block.{index}")
        if self.has_output:
            _add_linear(shapes, "output", self.dim, self.width)
        if self.pooled_layers:
            _add_linear(shapes, "pooled", self.dim, self.n_embd * len(self.pooled_layers))
        if self.lexicon:
            shapes["lexicon.share"] = (1,)
        if self.own_layers:
            shapes["kept.weight"] = (self.dim, self.inner_dim)
            _add_linear(shapes, "own", self.dim, self.n_embd * len(self.own_layers))
        return shapes

    def _add_projections(self, shapes: dict[str, tuple[int, ...]]) -> None:
        """Add the maps into the inner width, one for each stream."""
        if not self.has_projection:
            return
        streams = ("first", "second") if self.second_layer is not None else ("first",)
        for stream in streams:
            if self.n_reduce:
                _add_linear(shapes, f"{stream}.hidden", self.n_reduce, self.n_embd)
            _add_linear(shapes, f"{stream}.out", self.width, self.n_reduce or self.n_embd)

    def _add_block(self, shapes: dict[str, tuple[int, ...]], prefix: str) -> None:
        width = self.width
        _add_linear(shapes, f"{prefix}.attn.qkv", 3 * width, width)
        _add_linear(shapes, f"{prefix}.attn.out", width, width)
        _add_norm(shapes, f"{prefix}.attn_norm", width)
        if self.second_layer is not None:
            _add_linear(shapes, f"{prefix}.cross.q", width, width)
            _add_linear(shapes, f"{prefix}.cross.kv", 2 * width, width)
            _add_linear(shapes, f"{prefix}.cross.out", width, width)
            _add_norm(shapes, f"{prefix}.cross_norm", width)
        _add_linear(shapes, f"{prefix}.ff.up", self.n_ff, width)
        _add_linear(shapes, f"{prefix}.ff.down", width, self.n_ff)
        _add_norm(shapes, f"{prefix}.ff_norm", width)

    @property
    def trained(self) -> TunerConfig:
        """The shape of what training changes: without what is found or measured afterwards."""
        return replace(self, own_layers=(), token_bits=0, in_chat=0, lexicon="")

    @property
    def n_parameters(self) -> int:
        """Number of trained parameters; what is only measured does not count."""
        total = 0
        for name, shape in self.tensor_shapes().items():
            if not name.startswith(("stats.", "chat.")):
                total += shape[0] * (shape[1] if len(shape) == 2 else 1)
        return total


def _add_linear(shapes: dict[str, tuple[int, ...]], name: str, rows: int, columns: int) -> None:
    shapes[f"{name}.weight"] = (rows, columns)
    shapes[f"{name}.bias"] = (rows,)


def _add_norm(shapes: dict[str, tuple[int, ...]], name: str, width: int) -> None:
    shapes[f"{name}.weight"] = (width,)
    shapes[f"{name}.bias"] = (width,)
