"""`TunedEncoder`: a backbone and its tuner, making vectors from text or from captured states."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lmort_memory.backbone import Backbone, Priority
from lmort_memory.backbone.environment import environment
from lmort_memory.batches import batched
from lmort_memory.encoder.artifact import CONTRACT_VERSION, TunerCard
from lmort_memory.encoder.chunking import chunk_tokens, span_of
from lmort_memory.encoder.in_chat import places_of
from lmort_memory.encoder.lexicon import lexicon_of
from lmort_memory.encoder.lmort import Tuner
from lmort_memory.errors import TunerError, TunerMismatchError
from lmort_memory.modelfile.sketch import Sketch
from lmort_memory.types import AskedTokens, Encoded, HiddenStates, Progress, TokenCodes

_TUNER_BATCH = 32  # texts whose states are held at a time: 32 × 128 tokens × 3 layers, 28 MB


@dataclass(frozen=True, slots=True)
class _Chunk:
    """A part of a text; `tokens` is its range [start, stop) among the whole text's tokens."""

    text: int
    span: tuple[int, int]
    tokens: tuple[int, int]


class TunedEncoder:
    """Encodes with a loaded model. Thread-safe; the backbone's inference thread computes."""

    def __init__(self, backbone: Backbone, tuner: Tuner, *, tokens: bool = True) -> None:
        """Pair a backbone with its tuner.

        Args:
            backbone: The model.
            tuner: A tuner made for this model.
            tokens: Whether texts get token codes, if the tuner has a token map.

        Raises:
            TunerMismatchError: the tuner was made for another backbone.
        """
        check_match(tuner.card, backbone)
        self._backbone = backbone
        self._tuner = tuner.reading(backbone.vocabulary.detokenize)
        self._token_map = tuner.token_map if tokens else None

    @property
    def space(self) -> str:
        """Identity of the vectors: backbone, tuner and version of the contract."""
        return self._tuner.card.space

    @property
    def tier(self) -> str:
        """How the tuner was made, according to its card."""
        return self._tuner.card.tier

    @property
    def dim(self) -> int:
        """Width of a vector."""
        return self._tuner.dim

    @property
    def token_kind(self) -> str | None:
        """Identity of the token codes, or None if there are none."""
        return None if self._token_map is None else self._token_map.kind

    @property
    def environment(self) -> str:
        """What computes the vectors: library, processor, device and weight type."""
        return environment(self._backbone.facts)

    @property
    def provenance(self) -> Mapping[str, str]:
        """How the tuner was made: recipe, data, calibration and more, by key."""
        return self._tuner.card.provenance

    @property
    def layers(self) -> tuple[int, ...]:
        """The layers that `encode_states` needs, ascending."""
        return self._tuner.layers

    def encode(self, texts: Sequence[str], *, progress: Progress | None = None) -> list[Encoded]:
        """Encode texts to be stored. Each chunk is preceded by the opening of a user turn.

        Costs forward passes, in batches, through the blocks up to the tuner's upper layer.
        `progress` counts texts; of a single one, which may be a book, its chunks.

        Raises:
            ValueError: an empty text.
            BackboneError: llama.cpp refused.
        """
        return self._encode(texts, Priority.IMPORT, progress)

    def encode_query(self, text: str) -> NDArray[np.float32]:
        """Encode a question, float32 (dim,); a long one becomes the mean of its chunks.

        Raises:
            ValueError: an empty text.
            BackboneError: llama.cpp refused.
        """
        (encoded,) = self._encode([text], Priority.RECALL, None)
        return mean_vector(encoded)

    def without_chat(self, states: NDArray[np.float32]) -> NDArray[np.float32]:
        """Take what the context of a chat adds away from the states of a turn.

        Args:
            states: float32 (len(layers), n_tokens, n_embd), in the order of `layers`.

        Returns:
            The same shape; the same states if the tuner does not know what a chat adds.
        """
        added = self._tuner.added_by_chat
        if added is None:
            return states
        return states - added[:, places_of(states.shape[1])]

    def encode_question(self, text: str) -> tuple[NDArray[np.float32], AskedTokens]:
        """Encode a question to its vector and its tokens, in one forward pass.

        Raises:
            ValueError: an empty text, or the encoder has no token codes.
            BackboneError: llama.cpp refused.
        """
        if self._token_map is None:
            raise ValueError("this encoder has no token codes; encode_query gives the vector")
        chunks = self._chunks_of(0, text, self._backbone.prompts.tokenize(text))
        states = list(self._captured([text], chunks, Priority.RECALL))
        encoded = Encoded(self._tuner.encode_batch(states), tuple(one.span for one in chunks))
        return mean_vector(encoded), self._token_map.asked(states)

    def asked_tokens(
        self, tokens: Sequence[int], states: NDArray[np.float32]
    ) -> AskedTokens | None:
        """Encode a question's tokens from states captured while chatting.

        Args:
            tokens: The question's own tokens; at least one.
            states: As for `encode_states`.
        """
        if self._token_map is None:
            return None
        return self._token_map.asked([HiddenStates(tuple(tokens), self.layers, states)])

    def token_scores(self, asked: AskedTokens, codes: Sequence[TokenCodes]) -> NDArray[np.float32]:
        """Compare a question with texts, float32 (len(codes),); see `TokenMap.scores`.

        Raises:
            ValueError: codes of another kind, or the encoder has none.
        """
        if self._token_map is None:
            raise ValueError("cannot compare token codes: this encoder makes none")
        return self._token_map.scores(asked, codes)

    def encode_states(
        self, text: str, tokens: Sequence[int], states: NDArray[np.float32]
    ) -> Encoded:
        """Encode a text from states captured while chatting, without another forward pass.

        Args:
            text: The text.
            tokens: Its tokens, without those of the template.
            states: float32 (len(layers), len(tokens), n_embd), in the order of `layers`.

        Raises:
            ValueError: no tokens.
        """
        chunks = self._chunks_of(0, text, tokens)
        parts = [
            HiddenStates(
                tuple(tokens[slice(*chunk.tokens)]), self.layers, states[:, slice(*chunk.tokens)]
            )
            for chunk in chunks
        ]
        vectors, codes = self._tuner.encode_batch(parts), self._codes(parts)
        return _encoded(vectors, chunks, codes, range(len(chunks)), self.token_kind)

    def _encode(
        self, texts: Sequence[str], priority: Priority, progress: Progress | None
    ) -> list[Encoded]:
        chunks = [
            chunk
            for i, text in enumerate(texts)
            for chunk in self._chunks_of(i, text, self._backbone.prompts.tokenize(text))
        ]
        vectors = np.empty((len(chunks), self.dim), np.float32)
        codes: list[NDArray[np.uint8]] = []
        done = 0
        captured = self._captured(texts, chunks, priority)
        if len(texts) == 1 and progress is not None:
            captured, progress = _counted(captured, len(chunks), progress), None
        for batch in batched(captured, _TUNER_BATCH):
            vectors[done : done + len(batch)] = self._tuner.encode_batch(batch)
            codes += self._codes(batch)
            done += len(batch)
            if progress is not None:
                progress(chunks[done - 1].text + (done == len(chunks)), len(texts))
        rows: list[list[int]] = [[] for _ in texts]
        for row, chunk in enumerate(chunks):
            rows[chunk.text].append(row)
        return [_encoded(vectors, chunks, codes, own, self.token_kind) for own in rows]

    def _captured(
        self, texts: Sequence[str], chunks: Sequence[_Chunk], priority: Priority
    ) -> Iterator[HiddenStates]:
        return self._backbone.hidden_states(
            [texts[chunk.text][slice(*chunk.span)] for chunk in chunks],
            self.layers,
            max_tokens=self._backbone.longest_text,
            priority=priority,
        )

    def _codes(self, batch: Sequence[HiddenStates]) -> list[NDArray[np.uint8]]:
        return [] if self._token_map is None else [self._token_map.codes(one) for one in batch]

    def _chunks_of(self, index: int, text: str, tokens: Sequence[int]) -> list[_Chunk]:
        ends = self._backbone.vocabulary.character_ends(text, tokens)
        found = [_Chunk(index, span_of(one, ends), one) for one in chunk_tokens(text, ends)]
        if not found:
            raise ValueError("cannot encode a text without tokens")
        return found


def check_match(card: TunerCard, backbone: Backbone) -> None:
    """Check that a tuner was made for this backbone and this version's contract and words.

    Raises:
        TunerMismatchError: it was made for other weights, for another fine-tuning of the model, or
            with other word vectors.
        TunerError: it follows another version of the encoding contract.
    """
    name, expected, found = (
        backbone.facts.path.name,
        card.backbone.fingerprint,
        backbone.fingerprint,
    )
    if expected != found:
        raise TunerMismatchError(
            f"the tuner was made for the backbone {expected}, but {name} is {found} — pass the "
            "tuner of this model, or none to look it up",
            expected=expected,
            found=found,
        )
    if card.contract_version != CONTRACT_VERSION:
        raise TunerError(
            f"the tuner follows version {card.contract_version} of the encoding contract, but this "
            f"program follows version {CONTRACT_VERSION} — train it again or update lmort-memory"
        )
    if card.backbone.sketch and not _sketch_of(card).agrees(backbone.sketch):
        raise TunerMismatchError(
            f"the tuner was made for {expected}, but {name} has different matrices: it is a "
            "fine-tuned or merged version of that model — make a tuner for it",
            expected=f"{expected}, unchanged",
            found=f"{found}, fine-tuned",
        )
    if card.config.lexicon:
        lexicon_of(card.config)


def _sketch_of(card: TunerCard) -> Sketch:
    try:
        return Sketch.from_text(card.backbone.sketch)
    except ValueError as error:
        raise TunerError(f"the tuner is damaged: {error} — download or train it again") from error


def mean_vector(encoded: Encoded) -> NDArray[np.float32]:
    """Return the normalised mean of a text's chunk vectors, float32 (dim,)."""
    mean: NDArray[np.float32] = encoded.vectors.mean(axis=0)
    return mean / np.linalg.norm(mean)


def _counted(
    states: Iterator[HiddenStates], total: int, progress: Progress
) -> Iterator[HiddenStates]:
    """Report the chunks of one text as they are read."""
    progress(0, total)
    for done, one in enumerate(states, 1):
        progress(done, total)
        yield one


def _encoded(
    vectors: NDArray[np.float32],
    chunks: Sequence[_Chunk],
    codes: Sequence[NDArray[np.uint8]],
    rows: Sequence[int],
    kind: str | None,
) -> Encoded:
    """Collect the results of one text."""
    tokens = None if kind is None else TokenCodes(kind, tuple(codes[row] for row in rows))
    return Encoded(vectors[rows], tuple(chunks[row].span for row in rows), tokens)
