"""Read the byte-pair tokenizer of GPT-2 and GPT-J from a checkpoint or a GGUF."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lmort_memory.errors import BackboneError
from lmort_memory.modelfile.convert.jsonfile import read_object
from lmort_memory.modelfile.facts import ArrayRef, GgufHeader, read_array, read_strings
from lmort_memory.modelfile.header import refuse

__all__ = ["Tokenizer", "read_gguf_tokenizer", "read_hf_tokenizer"]

_NORMAL, _CONTROL, _USER_DEFINED, _UNUSED = 1, 3, 4, 5  # llama_token_type
_TYPES = range(7)  # all of them; 2 is the unknown token, 6 a byte
_END_OF_TEXT = b"<|endoftext|>"


@dataclass(frozen=True, slots=True)
class Tokenizer:
    """A vocabulary in GPT-2's spelling, with one token for each row of the embeddings.

    Attributes:
        tokens: UTF-8; rows without a token are named "[PAD<id>]".
        types: The llama_token_type of each token.
        merges: Pairs as "left right", best first.
    """

    tokens: Sequence[bytes]
    types: Sequence[int]
    merges: Sequence[bytes]
    bos_id: int
    eos_id: int
    add_bos: bool
    chat_template: str | None


def read_hf_tokenizer(folder: Path, config: Mapping[str, Any], *, n_rows: int) -> Tokenizer:
    """Read tokenizer.json, or vocab.json and merges.txt, of a checkpoint.

    Args:
        folder: The checkpoint.
        config: Its config.json.
        n_rows: Rows of the token embeddings; GPT-J has 143 more rows than tokens.

    Raises:
        BackboneError: the files are missing or damaged, or split text differently from GPT-2.
    """
    if (folder / "tokenizer.json").is_file():
        vocab, merges, control, added = _from_tokenizer_json(folder / "tokenizer.json")
    else:
        vocab, merges, control, added = _from_vocab_json(folder)
    tokens, types = _rows(vocab, folder, n_rows=n_rows)
    for ids, kind in ((added, _USER_DEFINED), (control, _CONTROL)):
        for row in ids & set(vocab.values()):  # checked by _rows
            types[row] = kind
    settings = _optional_object(folder / "tokenizer_config.json")
    eos_id = _special_id(config, "eos_token_id", tokens, folder)
    bos_id = _special_id(config, "bos_token_id", tokens, folder)
    types[eos_id] = types[bos_id] = _CONTROL
    return Tokenizer(
        tokens=tokens,
        types=types,
        merges=merges,
        bos_id=bos_id,
        eos_id=eos_id,
        add_bos=settings.get("add_bos_token") is True,
        chat_template=_chat_template(folder, settings),
    )


def read_gguf_tokenizer(header: GgufHeader, *, n_rows: int) -> Tokenizer:
    """Read the tokenizer of a `gptj` GGUF, fixing what files of 2023 got wrong.

    GPT4All wrote tokens as raw bytes, where llama.cpp expects GPT-2's spelling of bytes as
    characters, and left out the token types and special ids.

    Raises:
        BackboneError: there are no merges, more tokens than rows, an id out of range, or a token
            type that llama.cpp does not know.
    """
    tokens = read_strings(header, "tokenizer.ggml.tokens")
    merges = read_strings(header, "tokenizer.ggml.merges")
    if len(tokens) > n_rows:
        raise BackboneError(
            f"{header.path} has {len(tokens)} tokens for {n_rows} rows of embeddings — "
            "it is damaged; download it again"
        )
    if b" " in tokens and "Ġ".encode() not in tokens:
        tokens = [_spelled(token) for token in tokens]
    unused = {row for row, token in enumerate(tokens) if token == _padding(row)}
    tokens += [_padding(row) for row in range(len(tokens), n_rows)]
    end = tokens.index(_END_OF_TEXT) if _END_OF_TEXT in tokens else None
    eos_id, bos_id = (_stated_id(header, kind, end, n_rows=n_rows) for kind in ("eos", "bos"))
    return Tokenizer(
        tokens=tokens,
        types=_gguf_types(header, n_rows, control={eos_id, bos_id}, unused=unused),
        merges=merges,
        bos_id=bos_id,
        eos_id=eos_id,
        add_bos=header.metadata.get("tokenizer.ggml.add_bos_token") is True,
        chat_template=_text(header.metadata.get("tokenizer.chat_template")),
    )


_Vocabulary = tuple[dict[str, int], list[bytes], set[int], set[int]]  # control ids, added ids


def _from_tokenizer_json(path: Path) -> _Vocabulary:
    data = read_object(path)
    model, splitter = data.get("model"), data.get("pre_tokenizer")
    if not isinstance(model, dict) or not isinstance(splitter, dict):
        raise BackboneError(f"{path} lacks a model or a pre_tokenizer — download it again")
    plain = splitter.get("type") == "ByteLevel" and splitter.get("use_regex") is not False
    if model.get("type") != "BPE" or not plain or data.get("normalizer") is not None:
        raise BackboneError(
            f"{path} is a tokenizer of type {model.get('type')} with the pre_tokenizer "
            f"{splitter.get('type')}; only GPT-2's (byte-level BPE) can be converted"
        )
    vocab, merges = model.get("vocab"), model.get("merges")
    if not isinstance(vocab, dict) or not isinstance(merges, list):
        raise BackboneError(f"{path} lacks its vocab or merges — download it again")
    pairs = [" ".join(map(str, pair)) if isinstance(pair, list) else str(pair) for pair in merges]
    control: set[int] = set()
    added: set[int] = set()
    for token in data.get("added_tokens") or []:
        text, row, special = _added_token(token, path)
        vocab[text] = row
        (control if special else added).add(row)
    return vocab, [_utf8(pair) for pair in pairs], control, added


def _from_vocab_json(folder: Path) -> _Vocabulary:
    vocab = read_object(folder / "vocab.json")
    merges = folder / "merges.txt"
    if not merges.is_file():
        raise BackboneError(f"the checkpoint lacks {merges} — download it again")
    pairs = [
        line
        for line in merges.read_bytes().splitlines()
        if line and not line.startswith(b"#version")
    ]
    extra = _optional_object(folder / "added_tokens.json")
    added = {row for row in extra.values() if type(row) is int}
    return {**vocab, **extra}, pairs, set(), added


def _added_token(token: object, path: Path) -> tuple[str, int, bool]:
    fields = token if isinstance(token, dict) else {}
    text, row = fields.get("content"), fields.get("id")
    if not isinstance(text, str) or type(row) is not int:
        raise BackboneError(f"{path} has an invalid added token: {token!r} — download it again")
    return text, row, bool(fields.get("special"))


def _rows(vocab: Mapping[str, int], folder: Path, *, n_rows: int) -> tuple[list[bytes], list[int]]:
    """Order the vocabulary by id; rows without a token become unused padding."""
    tokens = [_padding(row) for row in range(n_rows)]
    types = [_UNUSED] * n_rows
    for text, row in vocab.items():
        if type(row) is not int or not 0 <= row < n_rows:
            raise BackboneError(
                f"the tokenizer in {folder} gives {text!r} the id {row!r}, but the embeddings have "
                f"{n_rows} rows — use the tokenizer that belongs to the model"
            )
        tokens[row] = _utf8(text)
        types[row] = _NORMAL
    return tokens, types


def _special_id(config: Mapping[str, Any], key: str, tokens: list[bytes], folder: Path) -> int:
    stated = config.get(key)
    if type(stated) is int and 0 <= stated < len(tokens):
        return stated
    if _END_OF_TEXT in tokens:
        return tokens.index(_END_OF_TEXT)
    raise BackboneError(
        f"{folder / 'config.json'} has {key} = {stated!r} for {len(tokens)} tokens, and no token "
        f"is {_END_OF_TEXT.decode()} — add the id to config.json"
    )


def _stated_id(header: GgufHeader, kind: str, default: int | None, *, n_rows: int) -> int:
    key = f"tokenizer.ggml.{kind}_token_id"
    stated = header.metadata.get(key, default)
    if stated is None:
        raise BackboneError(
            f"{header.path} has neither {key} nor the token {_END_OF_TEXT.decode()} — convert the "
            "original checkpoint instead"
        )
    if isinstance(stated, bool) or not isinstance(stated, int) or not 0 <= stated < n_rows:
        refuse(header.path, f"{key} is {stated!r}; expected an id from 0 to {n_rows - 1}")
    return stated


def _gguf_types(
    header: GgufHeader, n_rows: int, *, control: set[int], unused: set[int]
) -> list[int]:
    n_tokens = len(read_strings(header, "tokenizer.ggml.tokens"))
    types = _stated_types(header, n_tokens) or [_NORMAL] * n_tokens
    types += [_UNUSED] * (n_rows - len(types))
    for row in unused:
        types[row] = _UNUSED
    for row in control:
        types[row] = _CONTROL
    return types


def _stated_types(header: GgufHeader, n_tokens: int) -> list[int] | None:
    key = "tokenizer.ggml.token_type"
    stated = header.metadata.get(key)
    if stated is None:
        return None
    whole = isinstance(stated, ArrayRef) and stated.is_integer and stated.count == n_tokens
    if not whole:
        refuse(header.path, f"{key} does not have one integer for each token")
    types = [int(kind) for kind in read_array(header, key)]
    unknown = set(types) - set(_TYPES)
    if unknown:
        refuse(header.path, f"{key} has {min(unknown)}; expected {_TYPES[0]} to {_TYPES[-1]}")
    return types


def _spelled(token: bytes) -> bytes:
    """Spell raw bytes as GPT-2 does: one character each, from U+0100 on for the unprintable."""
    return "".join(_BYTE_CHARACTERS[byte] for byte in token).encode()


def _byte_characters() -> list[str]:
    printable = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    others = iter(range(0x100, 0x200))
    return [chr(byte if byte in printable else next(others)) for byte in range(256)]


_BYTE_CHARACTERS = _byte_characters()


def _utf8(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")  # JSON can contain lone surrogates


def _padding(row: int) -> bytes:
    return f"[PAD{row}]".encode()


def _chat_template(folder: Path, settings: Mapping[str, Any]) -> str | None:
    own_file = folder / "chat_template.jinja"
    if own_file.is_file():
        return own_file.read_text(encoding="utf-8")
    return _text(settings.get("chat_template"))


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _optional_object(path: Path) -> dict[str, Any]:
    return read_object(path) if path.is_file() else {}
