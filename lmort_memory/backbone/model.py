"""`Backbone`: the frozen model that generates replies and provides hidden states."""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property, partial
from itertools import tee
from pathlib import Path
from typing import Any, Self

from lmort_memory.backbone.context import Context, ContextSize
from lmort_memory.backbone.devices import gpu_layers_wanted, usable_threads
from lmort_memory.backbone.layers import find_layer_names
from lmort_memory.backbone.library import choice_for, llama, take_errors
from lmort_memory.backbone.prompt import PromptWriter
from lmort_memory.backbone.runtime import Choice, weight_types
from lmort_memory.backbone.sequence import ModelIdentity, TokenSequence
from lmort_memory.backbone.standalone import N_BATCH, N_BATCH_LAST_LAYER, StandAlone
from lmort_memory.backbone.template import PLAIN, SPEAKERS, ChatTemplate
from lmort_memory.backbone.thread import InferenceThread, Priority
from lmort_memory.backbone.tokens import Vocabulary
from lmort_memory.closing import Closing
from lmort_memory.errors import BackboneError
from lmort_memory.modelfile.checks import check_model
from lmort_memory.modelfile.facts import ModelFacts, facts_of, read_header
from lmort_memory.modelfile.fingerprint import fingerprint
from lmort_memory.modelfile.header import GgufHeader
from lmort_memory.modelfile.sketch import Sketch, sketch
from lmort_memory.types import HiddenStates, Progress

_STANDALONE_CTX = 1024  # cells of the import context: two batches of texts, or one long text


class Backbone(Closing):
    """A loaded GGUF model. Thread-safe: one inference thread computes for all callers.

    Attributes:
        facts: What the file's header says.
        n_layer: Number of blocks; layers are 0 to n_layer.
        n_embd: Width of the hidden states.
        vocabulary: Text to tokens and back.
        prompts: Messages to tokens, by the model's own chat template.
    """

    def __init__(
        self, path: str | Path, *, n_threads: int | None = None, gpu_layers: int | None = None
    ) -> None:
        """Load a model; prefer `Backbone.open`.

        Raises:
            BackboneError: the file is not usable, or its architecture cannot be captured.
        """
        self._header = read_header(path)
        self.facts: ModelFacts = facts_of(self._header)
        check_model(self._header)
        self._n_threads = usable_threads(n_threads)
        gpu_layers = gpu_layers_wanted(gpu_layers)
        self._choice = choice_for(weight_types(self._header), gpu=gpu_layers != 0)
        self._model = _load(self._header, self._choice, gpu_layers)
        self._contexts: list[Context] = []
        self._standalone: StandAlone | None = None
        cpp = llama()
        self.n_layer: int = cpp.llama_model_n_layer(self._model)
        self.n_embd: int = cpp.llama_model_n_embd(self._model)
        self.vocabulary = Vocabulary(cpp.llama_model_get_vocab(self._model))
        try:
            self._names = find_layer_names(
                self._model,
                architecture=self.facts.architecture,
                token=max(0, self.vocabulary.bos),
                in_parts=gpu_layers != 0,
            )
            self.prompts = self.prompts_with()
        except BaseException:
            cpp.llama_model_free(self._model)
            raise
        self._thread = InferenceThread(self._set_abort)

    @classmethod
    def open(
        cls, path: str | Path, *, n_threads: int | None = None, gpu_layers: int | None = None
    ) -> Self:
        """Load a model.

        Args:
            path: A GGUF file.
            n_threads: Threads that compute, at most one per processor; None means one per core.
            gpu_layers: Layers to put on a graphics card, -1 for all; None takes
                `$LMORT_GPU_LAYERS`, else 0.

        Raises:
            BackboneError: the file is missing, not GGUF, damaged or truncated, its architecture
                cannot be captured, or no installed llama.cpp can run it.
        """
        return cls(path, n_threads=n_threads, gpu_layers=gpu_layers)

    def prompts_with(
        self, template: str | None = None, *, speakers: tuple[str, str] = SPEAKERS
    ) -> PromptWriter:
        """Return a prompt writer for a chat template.

        `prompts` is the one for the model's own template. Stand-alone text is always encoded with
        that one, so chatting with another template does not change any vector.

        Args:
            template: Jinja source; "plain" for lines such as "User: …"; None takes the model's own
                template, or plain lines if it has none.
            speakers: Names that open the user's and the model's plain lines.

        Raises:
            BackboneError: the template is not valid Jinja.
            ValueError: the speakers are not two different single-line names.
        """
        source = template or self.facts.chat_template
        chosen = ChatTemplate(
            None if source == PLAIN else source,
            bos=self._special_text(self.vocabulary.bos),
            eos=self._special_text(self.vocabulary.eos),
            speakers=speakers,
        )
        return PromptWriter(chosen, self.vocabulary)

    @cached_property
    def fingerprint(self) -> str:
        """Identity of the weights, the same for every quantisation."""
        return fingerprint(self._header)

    @cached_property
    def sketch(self) -> Sketch:
        """Sketch of the large matrices, which tells a merged LoRA from its base model."""
        return sketch(self._header)

    @property
    def longest_text(self) -> int:
        """Maximum tokens per text in `hidden_states`."""
        return self._open_standalone().longest

    def hidden_states(
        self,
        texts: Sequence[str],
        layers: Sequence[int],
        *,
        max_tokens: int | None = None,
        progress: Progress | None = None,
        priority: Priority = Priority.IMPORT,
    ) -> Iterator[HiddenStates]:
        """Capture hidden states of stand-alone texts, each preceded by the opening of a user turn.

        Texts run in batches that share this prefix. The blocks above the upper layer and the
        vocabulary projection are not computed.

        Args:
            texts: Texts to run; must not be empty.
            layers: From 0 (the input of block 0) to n_layer (after the final norm).
            max_tokens: Truncate texts to this many tokens; None refuses texts that do not fit.
            progress: Called with (texts done, total texts).
            priority: Which caller goes first when several wait.

        Yields:
            One `HiddenStates` per text, in order, without the prefix's rows.

        Raises:
            ValueError: a text is empty or does not fit, or a layer does not exist.
            BackboneError: a layer did not appear in the graph, or llama.cpp refused the batch.
        """
        wanted = tuple(layers)
        self._names.of(wanted)
        standalone = self._open_standalone()
        tokenised = (self._tokens_of(text, max_tokens, standalone.longest) for text in texts)
        groups, running = tee(standalone.groups(tokenised))
        jobs = (partial(standalone.states, group, wanted) for group in running)
        done = 0
        for captured, group in zip(self._thread.ahead(jobs, priority), groups, strict=True):
            for tokens, states in zip(group, captured, strict=True):
                yield HiddenStates(tuple(tokens), wanted, states)
            done += len(group)
            if progress is not None:
                progress(done, len(texts))

    def states_of_tokens(self, tokens: Sequence[int], layers: Sequence[int]) -> HiddenStates:
        """Capture hidden states of exactly these tokens, without a prefix.

        Raises:
            ValueError: there are no tokens or too many, or a layer does not exist.
        """
        standalone = self._open_standalone()
        wanted = tuple(layers)
        self._names.of(wanted)
        if not 0 < len(tokens) <= standalone.longest:
            raise ValueError(f"expected 1 to {standalone.longest} tokens; found {len(tokens)}")
        states = self._thread.run(
            lambda: standalone.states_of_tokens(tokens, wanted), Priority.IMPORT
        )
        return HiddenStates(tuple(tokens), wanted, states)

    def open_sequence(self, *, n_ctx: int = 2048, layers: Sequence[int] = ()) -> TokenSequence:
        """Open a context for one conversation.

        Args:
            n_ctx: Context size in tokens; capped if the model's positions are learned.
            layers: Layers to capture from the conversation's own forward passes.

        Raises:
            ValueError: a layer does not exist.
            BackboneError: llama.cpp could not create a context of this size.
        """
        self._names.of(layers)
        if self.facts.learned_positions:
            n_ctx = min(n_ctx, self.facts.n_ctx_train)
        n_outputs = N_BATCH_LAST_LAYER if self.n_layer in layers else 1
        size = ContextSize(n_ctx=n_ctx, n_batch=min(N_BATCH, n_ctx), n_outputs=n_outputs)
        # With flash attention, llama-cpp-python's build takes up to twice as long for each token of
        # a reply (docs/experiments.md, 26). Reading long texts is faster with it, so `StandAlone`
        # keeps it, as do other builds and graphics cards.
        flash = self._choice.attempt.gpu or not self._choice.attempt.library.of_binding
        context = self._thread.run(
            lambda: Context(self._model, size, n_threads=self._n_threads, flash_attention=flash),
            Priority.CHAT,
        )
        self._contexts.append(context)
        return TokenSequence(
            context,
            self._thread,
            names=self._names,
            layers=layers,
            model=ModelIdentity(self.fingerprint, self._can_shift(context)),
        )

    @property
    def tokens_evaluated(self) -> int:
        """Tokens run through the model for stand-alone encoding, prefixes included."""
        return 0 if self._standalone is None else self._standalone.tokens_evaluated

    def close(self) -> None:
        """Free the model and every context; calling it again does nothing."""
        if self._model is None:
            return
        self._thread.close()
        for context in self._contexts:
            context.close()
        if self._standalone is not None:
            self._standalone.close()
        self.vocabulary.close()
        llama().llama_model_free(self._model)
        self._model = None

    def _tokens_of(self, text: str, max_tokens: int | None, longest: int) -> list[int]:
        tokens = self.prompts.tokenize(text)
        if max_tokens is not None:
            tokens = tokens[: min(max_tokens, longest)]
        if not tokens:
            raise ValueError("cannot capture hidden states of a text without tokens")
        if len(tokens) > longest:
            raise ValueError(
                f"a text of {len(tokens)} tokens does not fit; the limit is {longest} — "
                "split it, or pass max_tokens"
            )
        return tokens

    @cached_property
    def _is_recurrent(self) -> bool:
        cpp = llama()
        return bool(
            cpp.llama_model_is_recurrent(self._model) or cpp.llama_model_is_hybrid(self._model)
        )

    def _can_shift(self, context: Context) -> bool:
        """Whether positions in the KV cache can be shifted.

        `llama_memory_can_shift` alone wrongly returns true for learned positions and for recurrent
        models, which have no positions.
        """
        cpp = llama()
        rotary = cpp.llama_model_rope_type(self._model) in (
            cpp.LLAMA_ROPE_TYPE_NORM,
            cpp.LLAMA_ROPE_TYPE_NEOX,
        )
        return (
            rotary
            and not self._is_recurrent
            and not self.facts.learned_positions
            and bool(cpp.llama_memory_can_shift(context.memory))
        )

    def _open_standalone(self) -> StandAlone:
        if self._model is None:
            raise BackboneError("the backbone is closed — open it again to continue")
        if self._standalone is None:
            n_ctx = _STANDALONE_CTX
            if self.facts.learned_positions:
                n_ctx = min(n_ctx, self.facts.n_ctx_train)
            self._standalone = StandAlone(
                self._model,
                self._names,
                prefix=self.prompts.prefix,
                n_ctx=n_ctx,
                n_threads=self._n_threads,
                shares_prefix=not self._is_recurrent,
            )
        return self._standalone

    def _set_abort(self, abort: bool) -> None:
        contexts = [*self._contexts]
        if self._standalone is not None and self._standalone.context is not None:
            contexts.append(self._standalone.context)
        for context in contexts:
            context.capture.set_abort(abort)

    def _special_text(self, token: int) -> str:
        if token < 0:
            return ""
        return self.vocabulary.piece(token, special=True).decode("utf-8", "replace")


def _load(header: GgufHeader, choice: Choice, gpu_layers: int) -> Any:  # noqa: ANN401 — llama_model_p
    """Load the weights in a thread of their own, so that Ctrl-C can stop it.

    In the calling thread, Ctrl-C would be raised inside the callback for llama.cpp's log and be
    lost.
    """
    cpp, path = llama(), header.path
    take_errors()
    unwanted = threading.Event()
    go_on = cpp.llama_progress_callback(lambda _part, _data: not unwanted.is_set())
    params = cpp.llama_model_default_params()
    params.progress_callback = go_on
    params.use_extra_bufts = choice.attempt.extra_buffers
    params.n_gpu_layers = gpu_layers if choice.attempt.gpu else 0
    no_devices = ctypes.c_void_p(None)  # an empty list; without one llama.cpp uses every device
    if not choice.attempt.gpu:
        params.devices = ctypes.addressof(no_devices)
    with ThreadPoolExecutor(1) as thread:
        loading = thread.submit(cpp.llama_model_load_from_file, os.fsencode(path), params)
        try:
            model = loading.result()
        except KeyboardInterrupt:
            unwanted.set()
            if late := loading.result():  # loading finished before the callback could stop it
                cpp.llama_model_free(late)
            raise
    if not model:
        raise BackboneError(
            f"llama.cpp cannot load {path}: {take_errors() or 'no reason given'} — {_advice(path)}"
        )
    return model


def _advice(path: Path) -> str:
    if path.parent.name == "blobs":  # Ollama's: some of its files are not llama.cpp's format
        return "take the same model from Hugging Face, as a GGUF for llama.cpp"
    return "check that the file is complete and that llama.cpp supports its architecture"
