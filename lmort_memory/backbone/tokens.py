"""The model's tokenizer: text to tokens and back.

Special parsing (`<|im_end|>` becomes one control token) is only done for pieces of the chat
template. Anything a person or a file says is plain text: `tokenize` never makes a control token
from it.
"""

from __future__ import annotations

import codecs
import ctypes
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any, Final

from lmort_memory.backbone.library import llama
from lmort_memory.errors import BackboneError

_KNOWN: Final = 1 << 15  # pieces that are kept: what an import reads for most of its tokens


class Vocabulary:
    """The tokenizer of a loaded model. Thread-safe: llama.cpp's vocabulary is read-only.

    After `close` what asks llama.cpp raises BackboneError.
    """

    def __init__(self, vocab: Any) -> None:  # noqa: ANN401 — llama_vocab_p
        self._loaded: Any = vocab
        self._piece = lru_cache(maxsize=_KNOWN)(self._read_piece)
        self._opening = lru_cache(maxsize=8)(self.tokenize)
        cpp = llama()
        self._adds_space = cpp.llama_vocab_type(vocab) == cpp.LLAMA_VOCAB_TYPE_SPM
        self.size: int = cpp.llama_vocab_n_tokens(vocab)
        self.bos: int = cpp.llama_vocab_bos(vocab)
        self.eos: int = cpp.llama_vocab_eos(vocab)
        self.adds_bos: bool = cpp.llama_vocab_get_add_bos(vocab) and self.bos >= 0

    def close(self) -> None:
        """Let go of the vocabulary, which is freed with its model."""
        self._loaded = None

    @property
    def _vocab(self) -> Any:  # noqa: ANN401 — llama_vocab_p
        if self._loaded is None:  # llama.cpp would read freed memory
            raise BackboneError("the backbone is closed — open it again to continue")
        return self._loaded

    def tokenize(self, text: str) -> list[int]:
        """Return the tokens of plain text: no BOS, and control tokens are ordinary characters."""
        return self._tokenize(text, parse_special=False)

    def tokenize_after(self, opening: str, text: str) -> list[int]:
        """Return the tokens of plain text that follows a template's plain text.

        SentencePiece puts a space before its input, so a text must be tokenised together with the
        text before it to get the same tokens as in the whole prompt. If the two would merge into
        one token, the text keeps its own tokens.
        """
        if not opening:
            return self.tokenize(text)
        before = self._opening(opening)
        both = self.tokenize(opening + text)
        return both[len(before) :] if both[: len(before)] == before else self.tokenize(text)

    def plain_tail(self, template_text: str) -> str:
        """Return the end of a piece of the template, after its last control token."""
        tokens = self.tokenize_template(template_text)
        last = max((i for i, t in enumerate(tokens) if self.is_control(t)), default=-1)
        return self.detokenize(tokens[last + 1 :])

    def tokenize_template(self, text: str, *, inside: bool = False) -> list[int]:
        """Return the tokens of a piece of the chat template, with control tokens parsed.

        `inside` means that content precedes it. SentencePiece would put a space there; after a line
        break, which merges with nothing, it does not.
        """
        if inside and self._adds_space:
            guard = self._tokenize("\n", parse_special=True)
            tokens = self._tokenize("\n" + text, parse_special=True)
            if tokens[: len(guard)] == guard:
                return tokens[len(guard) :]
        return self._tokenize(text, parse_special=True)

    def _tokenize(self, text: str, *, parse_special: bool) -> list[int]:
        if not text:
            return []
        cpp = llama()
        data = text.encode("utf-8", "replace")
        room = len(data) + 8  # at least one byte per token, plus a few that normalisers add
        while True:
            buffer = (ctypes.c_int32 * room)()
            n = cpp.llama_tokenize(self._vocab, data, len(data), buffer, room, False, parse_special)
            if n >= 0 and all(token >= 0 for token in buffer[:n]):
                return list(buffer[:n])
            if n >= 0:
                raise BackboneError(
                    "the model's vocabulary has no token for a part of this text and no unknown "
                    "token: its GGUF is incomplete — download the model again"
                )
            if n == -(2**31) or -n <= room:
                raise BackboneError(f"llama.cpp could not tokenise a text of {len(data)} bytes")
            room = -n

    def is_end(self, token: int) -> bool:
        """Whether this token ends a generation (end of turn, end of text)."""
        return bool(llama().llama_vocab_is_eog(self._vocab, token))

    def is_control(self, token: int) -> bool:
        """Whether this is a control token."""
        return bool(llama().llama_vocab_is_control(self._vocab, token))

    def has_control(self, text: str) -> bool:
        """Whether a text would contain control tokens if it were parsed as template."""
        return any(self.is_control(token) for token in self.tokenize_template(text))

    def piece(self, token: int, *, special: bool = False) -> bytes:
        """Return the bytes of one token; those of a control token only when `special`."""
        return self._piece(token, special)

    def _read_piece(self, token: int, special: bool) -> bytes:
        cpp = llama()
        room = 64
        while True:
            buffer = ctypes.create_string_buffer(room)
            n = cpp.llama_token_to_piece(self._vocab, token, buffer, room, 0, special)
            if n >= 0:
                return buffer.raw[:n]
            room = -n

    def detokenize(self, tokens: Iterable[int]) -> str:
        """Return the text of tokens; invalid UTF-8 becomes U+FFFD."""
        return b"".join([self.piece(token) for token in tokens]).decode("utf-8", "replace")

    def character_ends(self, text: str, tokens: Sequence[int]) -> list[int]:
        """Return the index of the character where each token of a text ends.

        If the tokens' bytes differ from the text's (a tokenizer that normalises), the ends are
        spread evenly: good enough to split a long text, but not to quote from it.
        """
        data = text.encode("utf-8", "replace")
        known = {token: self.piece(token, special=True) for token in set(tokens)}
        pieces = [known[token] for token in tokens]
        joined = b"".join(pieces)
        if joined == b" " + data:  # SentencePiece's leading space
            pieces[0] = pieces[0][1:]
        elif joined != data:
            return [len(text) * (i + 1) // len(pieces) for i in range(len(pieces))]
        ends: list[int] = []
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        characters = 0
        for piece in pieces:
            characters += len(decoder.decode(piece))
            ends.append(characters)
        return ends


class StreamDecoder:
    """Decodes bytes to text as tokens arrive; an incomplete character waits for the rest."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def feed(self, piece: bytes) -> str:
        """Return the text that is complete now."""
        return self._decoder.decode(piece)

    def finish(self) -> str:
        """Return the rest; an incomplete character becomes U+FFFD."""
        return self._decoder.decode(b"", final=True)
