"""How the next token is chosen."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from lmort_memory.backbone.grammar import new_grammar_sampler
from lmort_memory.backbone.library import llama
from lmort_memory.errors import BackboneError


@dataclass(frozen=True, slots=True)
class Sampling:
    """Options of a reply.

    Attributes:
        temperature: 0 always takes the most likely token.
        top_k: Sample from the k most likely tokens; 0 for all.
        top_p: Sample from the most likely tokens that together reach this probability.
        min_p: Sample from tokens with at least this share of the most likely token's probability.
        repeat_penalty: Above 1, makes tokens of the last `repeat_window` less likely.
        repeat_window: How far back the penalty looks, in tokens.
        seed: Makes a reply reproducible; None takes a new seed each time.
        frequency_penalty: Subtracted from a token's logit once per occurrence in the window.
        presence_penalty: Subtracted once from the logit of every token in the window.
        logit_bias: Added to the logits of these tokens.
        grammar: GBNF that the reply must follow, starting at "root"; None for free text.
    """

    temperature: float = 0.2
    top_k: int = 40
    top_p: float = 0.9
    min_p: float = 0.05
    repeat_penalty: float = 1.1
    repeat_window: int = 128
    seed: int | None = None
    frequency_penalty: float = 0.0
    presence_penalty: float = 0.0
    logit_bias: Mapping[int, float] = field(default_factory=dict)
    grammar: str | None = None

    def __post_init__(self) -> None:
        """Raise ValueError if an option is out of range."""
        if (
            not 0 <= self.temperature < math.inf
            or not 0 < self.top_p <= 1
            or not 0 <= self.min_p < 1
        ):
            raise ValueError(
                "temperature must be at least 0 and finite, top_p in (0, 1] and min_p in [0, 1);"
                f" found {self.temperature}, {self.top_p}, {self.min_p}"
            )


class Sampler:
    """A llama.cpp sampler chain for one reply. Belongs to the inference thread."""

    def __init__(self, options: Sampling, context: Any) -> None:  # noqa: ANN401 — llama_context_p
        """Build the chain; raises BackboneError if llama.cpp rejects the grammar."""
        cpp = llama()
        vocab = cpp.llama_model_get_vocab(cpp.llama_get_model(context))
        n_vocab = cpp.llama_vocab_n_tokens(vocab)
        self._chain = cpp.llama_sampler_chain_init(cpp.llama_sampler_chain_default_params())
        if options.logit_bias:
            pairs = [(token, bias) for token, bias in options.logit_bias.items() if token < n_vocab]
            biases = (cpp.llama_logit_bias * len(pairs))(*pairs)
            self._add(cpp.llama_sampler_init_logit_bias(n_vocab, len(pairs), biases))
        if options.grammar is not None:
            self._add_grammar(options.grammar, vocab)
        penalties = (options.repeat_penalty, options.frequency_penalty, options.presence_penalty)
        if penalties != (1, 0, 0):
            self._add(cpp.llama_sampler_init_penalties(n_vocab, options.repeat_window, *penalties))
        if options.temperature == 0:
            self._add(cpp.llama_sampler_init_greedy())
            return
        if options.top_k > 0:
            self._add(cpp.llama_sampler_init_top_k(options.top_k))
        self._add(cpp.llama_sampler_init_top_p(options.top_p, 1))
        self._add(cpp.llama_sampler_init_min_p(options.min_p, 1))
        self._add(cpp.llama_sampler_init_temp(options.temperature))
        seed = cpp.LLAMA_DEFAULT_SEED if options.seed is None else options.seed
        self._add(cpp.llama_sampler_init_dist(seed))

    def _add_grammar(self, grammar: str, vocab: Any) -> None:  # noqa: ANN401 — llama_vocab_p
        try:
            self._add(new_grammar_sampler(grammar, vocab))
        except BackboneError:
            self.close()
            raise

    def _add(self, sampler: Any) -> None:  # noqa: ANN401
        llama().llama_sampler_chain_add(self._chain, sampler)

    def sample(self, context: Any) -> int:  # noqa: ANN401 — llama_context_p
        """Choose a token from the logits of the last decoded row, and record it for penalties."""
        return int(llama().llama_sampler_sample(self._chain, context, -1))

    def close(self) -> None:
        """Free the chain; calling it again does nothing."""
        if self._chain:
            llama().llama_sampler_free(self._chain)
            self._chain = None
