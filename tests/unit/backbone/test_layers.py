"""Which tensor is which layer, from the nodes of a graph."""

import pytest

from lmort_memory import BackboneError
from lmort_memory.backbone.layers import PROBE_TOKENS, Node, name_layers

T, WIDTH = PROBE_TOKENS, 32


def graph(*names, width=WIDTH):
    """Nodes of a graph with these names, each of the whole width."""
    return [Node(name, width, T) for name in names]


def layers_of(nodes, n_layer=2):
    """Find the layers of a model called 'odd'."""
    return name_layers(nodes, n_layer=n_layer, n_embd=WIDTH, architecture="odd").names


def test_layer_0_is_what_enters_block_0():
    """Scaled embeddings count, not the table's rows; unnamed and narrow nodes do not."""
    rest = graph("norm-0", "l_out-0", "norm-1", "l_out-1", "result_norm")
    assert layers_of(graph("embd", "inp_scaled") + rest)[0] == "inp_scaled"
    assert layers_of(graph("embd", "node_7") + rest)[0] == "embd"
    assert layers_of(graph("embd") + graph("mask", width=7) + rest)[0] == "embd"


def test_layers_are_block_outputs_and_the_final_norm():
    """Layer k leaves block k-1, but the last one is the state after the final norm."""
    nodes = graph("embd", "norm-0", "l_out-0", "norm-1", "l_out-1", "result_norm")
    assert layers_of(nodes) == ("embd", "l_out-0", "result_norm")


@pytest.mark.parametrize(
    ("names", "missing"),
    [
        (("embd", "norm-0", "block_out-0", "norm-1", "result_norm"), "1"),
        (("embd", "norm-0", "l_out-0", "norm-1", "logits"), "2"),
        (("norm-0", "l_out-0", "norm-1", "result_norm"), "0"),
        (("embd", "norm-0", "l_out-0", "l_out-0", "norm-1", "result_norm"), "1"),
    ],
)
def test_a_graph_that_names_no_block_outputs_is_refused_by_name(names, missing):
    """The error names the architecture and the layer; a name that occurs twice is not a name."""
    with pytest.raises(
        BackboneError, match=rf"cannot capture the architecture 'odd'.*layer {missing}"
    ):
        layers_of(graph(*names))


@pytest.mark.parametrize("unnamed", [" (view)", "node_3", "node_3 (view)", "leaf_2 (copy)"])
def test_what_ggml_names_itself_is_no_layer(unnamed):
    """Between the embeddings and block 0 a release may have views of what has no name."""
    nodes = [Node(name, 32, PROBE_TOKENS) for name in ("embd", unnamed, "norm-0", "result_norm")]
    assert name_layers(nodes, n_layer=1, n_embd=32, architecture="llama").names[0] == "embd"
