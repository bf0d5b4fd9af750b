"""LMORT in torch: the training twin of `lmort_memory.encoder.lmort`.

Parameter names are the artifact's tensor names, and shapes come from the same `TunerConfig`, so
exporting only copies; a test checks that both agree to 1e-4. Like its twin it stacks texts of
different lengths row by row. Only attention is padded, so random batches cost no more than batches
of equal lengths.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lmort_memory.encoder.config import LAYER_NORM_EPS, TunerConfig

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

__all__ = ["Lmort"]


class _Statistics(nn.Module):
    """Mean and standard deviation of each dimension of one layer; not trained."""

    mean: Tensor
    std: Tensor

    def __init__(self, n_embd: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(n_embd))
        self.register_buffer("std", torch.ones(n_embd))

    def forward(self, states: Tensor) -> Tensor:
        return (states - self.mean) / self.std


class _Attention(nn.Module):
    """Self bi-attention (Eq. 7): every token of a text sees every other."""

    def __init__(self, width: int, n_head: int) -> None:
        super().__init__()
        self.n_head = n_head
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        attended: Tensor = self.out(_attend(self.qkv(x).chunk(3, dim=-1), mask, self.n_head))
        return attended


class _CrossAttention(nn.Module):
    """Cross bi-attention (Eq. 8): queries from the tuner, keys and values from the other layer."""

    def __init__(self, width: int, n_head: int) -> None:
        super().__init__()
        self.n_head = n_head
        self.q = nn.Linear(width, width)
        self.kv = nn.Linear(width, 2 * width)
        self.out = nn.Linear(width, width)

    def forward(self, x: Tensor, context: Tensor, mask: Tensor) -> Tensor:
        parts = (self.q(x), *self.kv(context).chunk(2, dim=-1))
        attended: Tensor = self.out(_attend(parts, mask, self.n_head))
        return attended


class _FeedForward(nn.Module):
    def __init__(self, width: int, n_ff: int) -> None:
        super().__init__()
        self.up = nn.Linear(width, n_ff)
        self.down = nn.Linear(n_ff, width)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.down(F.relu(self.up(x)))
        return y


class _Block(nn.Module):
    """One LMORT block: each sub-layer, its residual, then layer normalisation."""

    def __init__(self, config: TunerConfig) -> None:
        super().__init__()
        width = config.width
        self.attn = _Attention(width, config.n_head)
        self.attn_norm = nn.LayerNorm(width, eps=LAYER_NORM_EPS)
        if config.second_layer is not None:
            self.cross = _CrossAttention(width, config.n_head)
            self.cross_norm = nn.LayerNorm(width, eps=LAYER_NORM_EPS)
        self.ff = _FeedForward(width, config.n_ff)
        self.ff_norm = nn.LayerNorm(width, eps=LAYER_NORM_EPS)

    def forward(self, x: Tensor, context: Tensor | None, mask: Tensor) -> Tensor:
        x = self.attn_norm(x + self.attn(x, mask))
        if context is not None:
            x = self.cross_norm(x + self.cross(x, context, mask))
        y: Tensor = self.ff_norm(x + self.ff(x))
        return y


class _Projection(nn.Module):
    """Standardised states into the inner width; optionally the two-layer MLP of appendix A."""

    def __init__(self, config: TunerConfig) -> None:
        super().__init__()
        if config.n_reduce:
            self.hidden = nn.Linear(config.n_embd, config.n_reduce)
        self.out = nn.Linear(config.n_reduce or config.n_embd, config.width)
        self.reduces = bool(config.n_reduce)

    def forward(self, states: Tensor) -> Tensor:
        x: Tensor = self.out(F.relu(self.hidden(states)) if self.reduces else states)
        return x


class Lmort(nn.Module):
    """The trainable network. `forward` does not normalise vectors; losses do if they need to."""

    def __init__(self, config: TunerConfig) -> None:
        """Build the network with torch's default initialisation.

        If there is a pooled path, the output map starts at zero, so that training starts from the
        pooled path alone.
        """
        super().__init__()
        self.config = config
        self.stats = nn.ModuleDict({str(k): _Statistics(config.n_embd) for k in config.layers})
        if config.n_layer:
            self.first = _Projection(config) if config.has_projection else nn.Identity()
            if config.second_layer is not None:
                self.second = _Projection(config) if config.has_projection else nn.Identity()
        self.block = nn.ModuleList(_Block(config) for _ in range(config.n_layer))
        if config.has_output:
            self.output = nn.Linear(config.width, config.dim)
        if config.pooled_layers:
            self.pooled = nn.Linear(config.n_embd * len(config.pooled_layers), config.dim)
            if config.has_output:
                nn.init.zeros_(self.output.weight)
                nn.init.zeros_(self.output.bias)

    def forward(self, states: Tensor, lengths: Tensor) -> Tensor:
        """Turn packed states into vectors.

        Args:
            states: float (len(config.layers), rows, n_embd), as captured, with the texts stacked.
            lengths: int64 (B,): rows of each text; they sum to `rows`.

        Returns:
            float (B, dim), not normalised.
        """
        standard = {
            layer: self.stats[str(layer)](states[index])
            for index, layer in enumerate(self.config.layers)
        }
        vectors = torch.zeros((), device=states.device)
        if self.config.pooled_layers:
            means = [_mean(standard[k], lengths) for k in self.config.pooled_layers]
            vectors = self.pooled(torch.cat(means, dim=-1))
        if self.config.n_layer:
            x = _mean(self._run_blocks(standard, lengths), lengths)
            vectors = vectors + (self.output(x) if self.config.has_output else x)
        return vectors

    def _run_blocks(self, standard: Mapping[int, Tensor], lengths: Tensor) -> Tensor:
        x: Tensor = self.first(standard[self.config.first_layer])
        second = self.config.second_layer
        context = self.second(standard[second]) if second is not None else None
        positions = torch.arange(int(lengths.max()), device=lengths.device)
        mask = positions < lengths[:, None]  # (B, T): where there is a token
        for block in self.block:
            x = block(x, context, mask)
        return x

    def weights(self) -> dict[str, NDArray[np.float32]]:
        """Every tensor under its artifact name, float32 on the CPU; shares memory if possible."""
        return {
            name: tensor.detach().to("cpu", torch.float32).numpy()
            for name, tensor in self.state_dict().items()
        }

    def set_statistics(
        self, statistics: Mapping[int, tuple[NDArray[np.float32], NDArray[np.float32]]]
    ) -> None:
        """Set mean and standard deviation of each layer."""
        for layer, (mean, std) in statistics.items():
            stats = self.stats[str(layer)]
            stats.load_state_dict({"mean": torch.from_numpy(mean), "std": torch.from_numpy(std)})


def _attend(parts: Sequence[Tensor], mask: Tensor, n_head: int) -> Tensor:
    """Multi-head attention within each text: packed q, k, v, each (rows, w) -> (rows, w)."""
    width = parts[0].shape[1]
    rows = mask.flatten().nonzero()[:, 0]
    heads = []
    for part in parts:
        # index_copy and index_select, not masks: the gradient of x[mask] is slow on CPUs
        padded = part.new_zeros(mask.numel(), width).index_copy(0, rows, part)
        heads.append(padded.view(*mask.shape, n_head, width // n_head).transpose(1, 2))
    q, k, v = heads
    attended = F.scaled_dot_product_attention(q, k, v, attn_mask=mask[:, None, None, :])
    return attended.transpose(1, 2).reshape(-1, width).index_select(0, rows)


def _mean(x: Tensor, lengths: Tensor) -> Tensor:
    """Mean over the rows of each text: (rows, w) -> (B, w)."""
    owners = torch.repeat_interleave(torch.arange(len(lengths), device=x.device), lengths)
    return x.new_zeros(len(lengths), x.shape[1]).index_add(0, owners, x) / lengths[:, None]
