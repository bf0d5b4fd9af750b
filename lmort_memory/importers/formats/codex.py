"""Codex CLI sessions: ~/.codex/sessions/**/rollout-*.jsonl, after a week packed as .jsonl.zst.

Three schemas are read. Until 2025 a line was a bare response item. Then each line became
`{"timestamp", "type", "payload"}`, and what was said stands twice: as a response item, where the
user's words are mixed with what the program injected (AGENTS.md, the environment), and as an event,
`user_message` or `agent_message`. From 0.148 on the event is `item_completed`. A session that was
resumed by a newer version has several of these in one file, so each text counts once however many
kinds of line say it.

Tool calls, reasoning, instructions, and sessions of sub-agents are left out.
"""

from __future__ import annotations

import io
import json
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime
from itertools import islice
from pathlib import Path

from lmort_memory.compressed import DAMAGE, Bounded, Lines, open_bytes
from lmort_memory.errors import ImportFileError, MissingDependencyError
from lmort_memory.importers.format import Format, LeftOut
from lmort_memory.importers.json_fields import Object, items_of, object_of, text_of
from lmort_memory.importers.json_stream import MAX_ELEMENT_CHARS
from lmort_memory.importers.times import from_iso
from lmort_memory.types import JsonValue, Source, Turn

__all__ = ["FORMAT"]

_NAME = re.compile(r"rollout-.+\.jsonl(?:\.zst|\.gz)?")
_LOOKED_AT = 20  # lines
_LINE_TYPES = {"session_meta", "response_item", "event_msg", "turn_context", "compacted"}
_EVENTS = {
    "user_message": "user",
    "agent_message": "assistant",
    "usermessage": "user",
    "agentmessage": "assistant",
}
_INJECTED = re.compile(
    r"\s*(?:<(?:environment_context|user_instructions|permissions|skills?|turn_aborted|INSTRUCTIONS"
    r"|user_shell_command|collaboration_mode|subagent_notification)\b"
    r"|# AGENTS\.md\b)"
)
# The app and the editor's extension write open files, attachments and guidelines above the request.
_ABOVE = re.compile(r"\A\s*(?:#|<).*^## My request(?: for Codex)?:[ \t]*$", re.S | re.M)
_IMAGE = re.compile(r"<image\b[^<>\n]*>.*?</image>", re.S)


def _matches(path: Path) -> bool:
    if not _NAME.fullmatch(path.name):
        return False
    if path.suffix == ".zst" and not _has_zstd():
        return True  # reading says which package is missing
    try:
        with _opened(path) as stream:
            return any(map(_is_rollout, _objects(stream, lines=_LOOKED_AT)))
    except (EOFError, ImportFileError):
        return False


def _is_rollout(entry: Object) -> bool:
    if entry.get("type") in _LINE_TYPES and isinstance(entry.get("payload"), dict):
        return True
    return entry.keys() >= {"id", "timestamp"} and "type" not in entry


def _read(path: Path, left_out: LeftOut) -> Iterator[Turn]:
    try:
        yield from _turns(path, _Session(path, left_out), left_out)
    except EOFError as error:
        raise ImportFileError(f"{path} is cut off: {error}", path=str(path)) from error
    except (ValueError, *DAMAGE) as error:  # it expands without end
        raise ImportFileError(f"{path} is damaged: {error}", path=str(path)) from error


def _turns(path: Path, session: _Session, left_out: LeftOut | None) -> Iterator[Turn]:
    from_events = _has_user_events(path)
    with _opened(path) as stream:
        for entry in _objects(stream, left_out):
            yield from session.take(entry, from_events=from_events)


def _said_in(name: str, fork: Path) -> Counter[tuple[str, str]]:
    """Count the texts of the session that another was forked from, if its file is still there."""
    said: Counter[tuple[str, str]] = Counter()
    try:
        for path in _rollouts_of(name, fork):
            session = _Session(path, LeftOut(), is_fork=False)
            said.update((turn.role, turn.text) for turn in _turns(path, session, None))
            break
    except (OSError, ValueError, *DAMAGE, ImportFileError, MissingDependencyError):
        pass  # what could be read of it counts
    return said


def _rollouts_of(name: str, beside: Path) -> Iterator[Path]:
    """Yield a session's files, in the folder of another one or in the tree of days around it."""
    if not re.fullmatch(r"[\w-]+", name):
        return
    pattern = f"rollout-*{name}.jsonl*"
    yield from sorted(beside.parent.glob(pattern))
    tree = beside.parents[3:4]
    if tree and all(part.isdigit() for part in beside.parts[-4:-1]):
        yield from sorted(tree[0].glob(f"*/*/*/{pattern}"))


def _has_user_events(path: Path) -> bool:
    """Whether the user's own words stand in events, apart from what the program injected."""
    with _opened(path) as stream:
        return any(
            _event(object_of(entry.get("payload")))[0] == "user" for entry in _objects(stream)
        )


class _Session:
    """One file, as far as it was read.

    Args:
        path: The file.
        left_out: Told of what is passed over.
        is_fork: Whether to pass over what the session that it was forked from says already. A fork
            begins with a copy of that, under the fork's own times.
    """

    def __init__(self, path: Path, left_out: LeftOut, *, is_fork: bool = True) -> None:
        self._path = path
        self._left_out = left_out
        self._is_fork = is_fork
        self._copied: Counter[tuple[str, str]] = Counter()
        self._name = path.name.removesuffix(".zst").removesuffix(".gz").removesuffix(".jsonl")
        self._metadata: dict[str, JsonValue] = {"format": "codex"}
        self._said_at: datetime | None = None
        self._of_agent = self._begun = False
        self._said: dict[tuple[str, str], Counter[str]] = {}

    def take(self, entry: Object, *, from_events: bool) -> Iterator[Turn]:
        """Yield the turn that a line adds, if it does."""
        kind, payload = text_of(entry, "type"), object_of(entry.get("payload"))
        self._said_at = from_iso(entry.get("timestamp")) or self._said_at
        if kind == "session_meta" or (not kind and "id" in entry):
            self._begin(object_of(payload.get("meta")) or payload or entry)
            return
        if kind == "turn_context" and (model := text_of(payload, "model")):
            self._metadata["model"] = model
        channel, role, text = kind, "", ""
        if kind == "event_msg":
            role, text = _event(payload)
            channel = text_of(payload, "type")
        elif kind in ("response_item", "message"):
            role, text = self._item(payload if kind == "response_item" else entry)
            if role == "user" and from_events:
                return  # its events say the same, without what was injected
        if role == "user":
            text = _request(text)
        if role and text and self._is_new(role, text, channel):
            yield from self._turn(role, text)

    def _begin(self, meta: Object) -> None:
        if self._begun:  # a fork repeats the head of the session that it comes from
            return
        self._begun = True
        self._name = text_of(meta, "id") or self._name
        if self._is_fork and (origin := text_of(meta, "forked_from_id")):
            self._copied = _said_in(origin, self._path)
        if isinstance(meta.get("source"), dict) and "subagent" in object_of(meta["source"]):
            self._of_agent = True
        for key, name in (("cwd", "folder"), ("cli_version", "version")):
            if value := text_of(meta, key):
                self._metadata[name] = value
        if branch := text_of(object_of(meta.get("git")), "branch"):
            self._metadata["branch"] = branch

    def _item(self, item: Object) -> tuple[str, str]:
        """Return role and text of a response item, "" for what nobody said."""
        kind, role = text_of(item, "type"), text_of(item, "role")
        if kind != "message":
            if kind:
                self._left_out["reasoning" if kind == "reasoning" else "tool call"] += 1
            return "", ""
        text = _request(_text(item)) if role == "user" else _text(item)
        if role not in ("user", "assistant") or _INJECTED.match(text):
            self._left_out["message of the program"] += 1
            return "", ""
        return role, text

    def _is_new(self, role: str, text: str, channel: str) -> bool:
        """Whether this kind of line has said the text more often than any other kind before."""
        said = self._said.setdefault((role, " ".join(text.split())), Counter())
        before = max(said.values(), default=0)
        said[channel] += 1
        return said[channel] > before

    def _is_copied(self, role: str, text: str) -> bool:
        """Whether a fork repeats a text. Its first own one ends the copy."""
        if self._copied[role, text] > 0:
            self._copied[role, text] -= 1
            return True
        self._copied.clear()
        return False

    def _turn(self, role: str, text: str) -> Iterator[Turn]:
        if self._of_agent:
            self._left_out["message of a sub-agent"] += 1
        elif _INJECTED.match(text):
            self._left_out["message of the program"] += 1
        elif self._is_copied(role, text):
            self._left_out["message of the session that this was forked from"] += 1
        else:
            uri = f"codex:{self._name}"
            yield Turn(
                text=text,
                role=role,
                session=uri,
                created_at=self._said_at,
                metadata=dict(self._metadata),
                source=Source(uri),
            )


def _request(text: str) -> str:
    """Return what the user typed, without the program's lines above it and its marks of images."""
    return _IMAGE.sub("", _ABOVE.sub("", text, count=1)).strip()


def _event(payload: Object) -> tuple[str, str]:
    """Return role and text of an event, of either schema; "" for what nobody said."""
    kind = text_of(payload, "type")
    if kind == "item_completed":
        item = object_of(payload.get("item"))
        return _EVENTS.get(text_of(item, "type").lower(), ""), _text(item)
    return _EVENTS.get(kind, ""), text_of(payload, "message")


def _text(item: Object) -> str:
    blocks = (object_of(block) for block in items_of(item, "content"))
    said = [
        text_of(block, "text").strip()
        for block in blocks
        if text_of(block, "type").lower() in ("input_text", "output_text", "text")
    ]
    return "\n\n".join(part for part in said if part) or text_of(item, "text").strip()


def _objects(
    stream: Lines, left_out: LeftOut | None = None, *, lines: int | None = None
) -> Iterator[Object]:
    """Yield the objects of the lines, or of the first. One bad line hides nothing but itself."""
    for line in islice(iter(lambda: stream.readline(MAX_ELEMENT_CHARS), b""), lines):
        if not line.strip():
            continue
        try:
            value = json.loads(line.decode("utf-8", "surrogateescape"), strict=False)
        except (ValueError, RecursionError):
            value = None
        if isinstance(value, dict):
            yield value
        elif left_out is not None and line.endswith(b"\n"):  # else it is being written
            left_out["damaged line"] += 1


def _opened(path: Path) -> AbstractContextManager[Lines]:
    return _unpacked_zstd(path) if path.suffix == ".zst" else open_bytes(path)


@contextmanager
def _unpacked_zstd(path: Path) -> Iterator[Lines]:
    if not _has_zstd():
        raise MissingDependencyError("zstandard", extra="documents")
    import zstandard

    try:
        with path.open("rb") as packed:
            reader = zstandard.ZstdDecompressor().stream_reader(packed, read_across_frames=True)
            yield Bounded(io.BufferedReader(reader), path.stat().st_size)
    except zstandard.ZstdError as error:
        raise ImportFileError(f"{path} is damaged: {error}", path=str(path)) from error


def _has_zstd() -> bool:
    try:
        import zstandard  # noqa: F401
    except ImportError:
        return False
    return True


FORMAT = Format(
    name="codex",
    suffixes=(".jsonl", ".jsonl.zst", ".jsonl.gz"),
    matches=_matches,
    read=_read,
    version=3,
    about="Codex CLI sessions: rollout-*.jsonl below ~/.codex/sessions, .zst and .gz too",
)
