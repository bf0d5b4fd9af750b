"""Find the tensor of each layer by inspecting the model's own graph.

At load time, llama.cpp starts to decode a few tokens and is stopped before it computes anything; by
then the scheduler has named every node. Layers are numbered as in transformers' `hidden_states`:

    0        the last full-width state before the first node of block 0: the embeddings as the block
             sees them, with positions added or scaled if the model does that
    k        the output of block k-1, which llama.cpp's graphs name "l_out-<k-1>"
    n_layer  "result_norm", the state after the final norm
"""

from __future__ import annotations

import ctypes
import re
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from lmort_memory.backbone.context import Context, ContextSize, DecodeAborted
from lmort_memory.backbone.library import ggml, llama
from lmort_memory.errors import BackboneError

PROBE_TOKENS = 3  # a size that other dimensions of a graph rarely have
_FINAL = "result_norm"
# Names that ggml assigns itself: node_7, leaf_2, "node_7 (view)", " (view)".
_UNNAMED = re.compile(r"((node|leaf)_\d+)?( \(.*)?$")


@dataclass(frozen=True, slots=True)
class LayerNames:
    """The tensor name of each layer, from 0 to n_layer."""

    names: tuple[str, ...]

    def of(self, layers: Sequence[int]) -> tuple[str, ...]:
        """Return the names of these layers.

        Raises:
            ValueError: a layer is not between 0 and n_layer.
        """
        last = len(self.names) - 1
        for layer in layers:
            if not 0 <= layer <= last:
                raise ValueError(f"layers must be from 0 to {last} for this model; found {layer}")
        return tuple(self.names[layer] for layer in layers)


@dataclass(frozen=True, slots=True)
class Node:
    """A node of a graph: its name and the number of values per row."""

    name: str
    width: int
    rows: int


def find_layer_names(
    model: Any,  # noqa: ANN401
    *,
    architecture: str,
    token: int,
    in_parts: bool = False,
) -> LayerNames:
    """Inspect the model's graph and return the tensor name of every layer.

    Args:
        model: The loaded llama_model.
        architecture: Name for error messages.
        token: Any valid token.
        in_parts: Whether several devices compute the graph. It is then split into parts, and a part
            becomes visible only after the one before it is computed.

    Raises:
        BackboneError: the graph does not name its block outputs, so they cannot be captured.
    """
    cpp = llama()
    # In a thread of its own: in the caller's, Ctrl-C would be raised inside the callback and be
    # lost, and with it the nodes, as if the model had none.
    with ThreadPoolExecutor(1) as thread:
        nodes = thread.submit(_graph_nodes, model, token, in_parts=in_parts).result()
    return name_layers(
        nodes,
        n_layer=cpp.llama_model_n_layer(model),
        n_embd=cpp.llama_model_n_embd(model),
        architecture=architecture,
    )


def name_layers(
    nodes: Sequence[Node], *, n_layer: int, n_embd: int, architecture: str
) -> LayerNames:
    """Find every layer among the ordered nodes of a graph over `PROBE_TOKENS` tokens.

    Raises:
        BackboneError: a layer is missing, or its name is not unique.
    """
    count = Counter(node.name for node in nodes)
    states = {
        node.name
        for node in nodes
        if (node.width, node.rows) == (n_embd, PROBE_TOKENS) and count[node.name] == 1
    }
    names = [_entering_block_0(nodes, states)]
    names += [f"l_out-{block}" for block in range(n_layer - 1)]
    names.append(_FINAL)
    missing = [str(layer) for layer, name in enumerate(names) if name not in states]
    if missing:
        raise BackboneError(
            f"cannot capture the architecture {architecture!r}: its llama.cpp graph does not name "
            f"the states of layer {', '.join(missing)} — use a model of another architecture"
        )
    return LayerNames(tuple(names))


def _entering_block_0(nodes: Sequence[Node], states: set[str]) -> str:
    found = ""
    for node in nodes:
        if node.name.endswith("-0"):
            break
        if node.name in states and not _UNNAMED.match(node.name):
            found = node.name
    return found


def _graph_nodes(model: Any, token: int, *, in_parts: bool) -> list[Node]:  # noqa: ANN401
    probe = _Probe(aborts=not in_parts)
    size = ContextSize(n_ctx=64, n_batch=PROBE_TOKENS, n_outputs=PROBE_TOKENS)
    context = Context(model, size, n_threads=1, capture=probe)
    try:
        positions = range(PROBE_TOKENS)
        context.decode([token] * PROBE_TOKENS, positions, outputs=slice(None))
    except DecodeAborted:
        pass
    finally:
        context.close()
    return probe.nodes


class _Probe:
    """A capture that records every node, copies nothing, and aborts before the first one."""

    def __init__(self, *, aborts: bool) -> None:
        cpp = llama()
        self.nodes: list[Node] = []
        self.aborted = True
        self.user_data = ctypes.c_void_p(None)
        self._ggml = ggml()
        self.eval_callback = cpp.ggml_backend_sched_eval_callback(self._look)
        self.abort_callback = cpp.ggml_abort_callback(lambda _data: aborts)

    def _look(self, tensor: int, ask: bool, _user_data: object) -> bool:
        if ask:
            rows = max(1, self._ggml.ggml_nrows(tensor))
            width = self._ggml.ggml_nelements(tensor) // rows
            self.nodes.append(Node(self._ggml.ggml_get_name(tensor).decode(), width, rows))
        return False

    def want(self, names: Sequence[str], *, exit_after: str | None) -> None:
        raise NotImplementedError

    def begin(self, n_rows: int, n_embd: int) -> None:
        pass

    def rows(self, name: str, n_embd: int) -> Any:  # noqa: ANN401
        raise NotImplementedError

    def set_abort(self, abort: bool) -> None:
        pass
