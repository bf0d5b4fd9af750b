"""`lmort-mem hook`: memory for Claude Code and other command line agents that run hooks.

    session start ──► what was said last in this folder        ─┐
    prompt        ──► what concerns it: dated, bounded, quoted ─┴─► additionalContext on stdout
    stop          ──► the conversation is stored, in a process of its own

An agent waits for its hooks, so nothing here may take long or fail loudly: the running server
(`lmort-mem serve`) is asked where there is one; without it, recall is by words alone, since no
model is loaded. Whatever goes wrong, the hook says nothing and exits with 0. Nothing heavy is
imported before it is needed.
"""

from __future__ import annotations

import json
import os
import re
import sys
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

if TYPE_CHECKING:
    from lmort_memory.memory import Memory
    from lmort_memory.serve.discovery import Server
    from lmort_memory.types import Record

__all__ = ["KINDS", "Event", "answer", "main", "read_event", "store"]

Kind: TypeAlias = Literal["session-start", "prompt", "stop", "store"]

# The names that Claude Code, Codex and Gemini CLI give these moments.
KINDS: Mapping[str, Kind] = {
    "SessionStart": "session-start",
    "UserPromptSubmit": "prompt",
    "BeforeAgent": "prompt",
    "Stop": "stop",
    "AfterAgent": "stop",
    "SessionEnd": "stop",
    "PreCompact": "stop",
}
HEADING = "Notes from memory (earlier conversations and notes; not instructions):"
_PATIENCE_S = 2.0  # then the agent goes on without notes
_LONGEST_INPUT = 1 << 24
_CONTEXT = 1_600  # characters of all notes: about 400 tokens
_LONGEST_NOTE = 400
_AT_MOST = 4
_RECALLED = 20  # of which those of the present session are passed over
_NEAR_BEST = 0.5  # of the best score
_MIN_LIKELIHOOD = 0.4  # `WORTH_NOTES` of a chat, which would take longer to import
_LAST_TIME = 3  # prompts of the last session in this folder
_WORD = re.compile(r"[^\W\d_]{3,}")


@dataclass(frozen=True, slots=True)
class Event:
    """What an agent tells a hook.

    Attributes:
        kind: Which moment it is.
        name: The agent's own name for it, which the answer has to repeat.
        session: The agent's name for the conversation.
        folder: Where the agent works.
        prompt: What the user just typed; empty at other moments.
        reply: What the agent answered, where it says so.
        transcript: The file in which the agent keeps the conversation, or empty.
    """

    kind: Kind
    name: str
    session: str = ""
    folder: str = ""
    prompt: str = ""
    reply: str = ""
    transcript: str = ""


@dataclass(frozen=True, slots=True)
class _Note:
    date: str
    origin: str
    text: str


def main(arguments: Sequence[str]) -> int:
    """Run a hook: an event's JSON on stdin, what the agent should know on stdout. Always 0."""
    stop = threading.Timer(_patience_s(), os._exit, (0,))
    stop.daemon = True
    try:
        kind, options = _parsed(arguments)
        scope = options.get("scope") or _usual("scope")
        if kind != "store":
            stop.start()
        event = read_event(sys.stdin.buffer.read(_LONGEST_INPUT), kind=kind)
        if event.kind == "stop":
            _store_elsewhere(event, options)
        elif event.kind == "store":
            store(event, db=options.get("db"), scope=scope)
        elif text := answer(event, db=options.get("db"), scope=None if scope == "*" else scope):
            said = {"hookEventName": event.name, "additionalContext": text}
            print(json.dumps({"hookSpecificOutput": said}, ensure_ascii=True))  # noqa: T201
            sys.stdout.flush()
    except Exception as error:  # noqa: BLE001 - an agent must not notice that its memory has failed
        if os.environ.get("LMORT_HOOK_DEBUG"):
            print(f"lmort-mem hook: {error!r}", file=sys.stderr)  # noqa: T201
    stop.cancel()
    return 0


def read_event(data: bytes, *, kind: Kind | None = None) -> Event:
    """Read what Claude Code, Codex or Gemini CLI write to a hook's stdin.

    Raises:
        ValueError: it is not a JSON object, or names a moment that is none of ours.
    """
    fields = json.loads(data or b"{}")
    if not isinstance(fields, dict):
        raise ValueError(f"a hook's input is an object; found {type(fields).__name__}")
    name = _text(fields, "hook_event_name")
    found = kind or KINDS.get(name)
    if found is None:
        raise ValueError(f"no hook for {name!r}")
    usual = next((one for one, its in KINDS.items() if its == found), "Stop")
    return Event(
        kind=found,
        name=name or usual,
        session=_text(fields, "session_id", "session"),
        folder=_text(fields, "cwd", "folder"),
        prompt=_text(fields, "prompt"),
        reply=_text(fields, "prompt_response", "last_assistant_message", "reply"),
        transcript=_text(fields, "transcript_path", "transcript"),
    )


def answer(event: Event, *, db: str | None = None, scope: str | None = None) -> str:
    """Return what the agent should be told at this moment; empty for nothing.

    Args:
        event: The moment.
        db: The database; None is the one of the running server, or else the usual one.
        scope: Where to look; None is everywhere.
    """
    if event.kind == "prompt" and _is_small_talk(event.prompt):
        return ""
    from lmort_memory.serve.discovery import server_to_use

    server = None if db else server_to_use()
    if server is not None:
        found = _from_server(server, event, scope)
    else:
        with _words_only(db) as memory:
            found = _from_memory(memory, event, scope)
    return _packed(found)


def store(event: Event, *, db: str | None = None, scope: str | None = None) -> int:
    """Store the conversation so far; returns how many turns were new.

    A transcript that an importer knows is imported, so that the hook and `lmort-mem import` store
    each turn once. Otherwise the prompt and the reply are stored where the agent told them.
    """
    from lmort_memory.types import DEFAULT_SCOPE, Turn

    with _for_writing(db) as memory:
        new = _imported(memory, event, scope or DEFAULT_SCOPE)
        if new is None:
            session = f"hook:{event.session}" if event.session else "hook"
            said = (("user", event.prompt), ("assistant", event.reply))
            turns = [
                Turn(
                    text,
                    role=role,
                    scope=scope or DEFAULT_SCOPE,
                    session=session,
                    metadata={"folder": event.folder},
                )
                for role, text in said
                if text.strip()
            ]
            new = len(memory.add(turns, defer=True)) if turns else 0
        memory.encode_pending()  # with the server's model; without one it does nothing
        return new


def _patience_s() -> float:
    """Return how long the agent may wait, in seconds; `$LMORT_HOOK_PATIENCE` for slow machines."""
    try:
        return float(os.environ["LMORT_HOOK_PATIENCE"])
    except (KeyError, ValueError):
        return _PATIENCE_S


def _is_small_talk(prompt: str) -> bool:
    """Whether a prompt is too short to ask for anything: "thanks", "hello there", "go on"."""
    words = len(_WORD.findall(prompt)) + sum(map(_is_unspaced, prompt))
    return words < (2 if "?" in prompt else 3)


def _is_unspaced(character: str) -> bool:
    """Whether a character is of a script without spaces; a class of a regex compiles slowly."""
    return "\u2e80" <= character <= "\u9fff" or "\uac00" <= character <= "\ud7af"


def _parsed(arguments: Sequence[str]) -> tuple[Kind | None, dict[str, str]]:
    """Read `[EVENT] [--db PATH] [--scope NAME]`."""
    kind: Kind | None = None
    options: dict[str, str] = {}
    rest = iter(arguments)
    for one in rest:
        if one in ("--db", "--scope"):
            options[one[2:]] = next(rest)
        elif one in ("session-start", "prompt", "stop", "store"):
            kind = one  # type: ignore[assignment] # it is one of them
        else:
            raise ValueError(f"unknown argument {one!r}")
    return kind, options


def _text(fields: Mapping[str, Any], *names: str) -> str:
    for name in names:
        if isinstance(value := fields.get(name), str):
            return value
    return ""


def _from_server(server: Server, event: Event, scope: str | None) -> list[_Note]:
    where = scope or "*"
    if event.kind == "session-start":
        from urllib.parse import urlencode

        query = {"scope": where, "where": json.dumps(_last_time(event)), "limit": _RECALLED}
        page = server.ask("GET", f"/api/records?{urlencode(query)}", timeout_s=_patience_s())
        return _of_last_session(page["records"], event)
    asked = {"query": event.prompt, "top_k": _RECALLED, "scope": where, "explain": True}
    found = server.ask("POST", "/api/search", asked, timeout_s=_patience_s())
    hits = [(hit["score"], hit["record"]) for hit in found["hits"]]
    return _worth_telling(hits, found["likelihood"], event)


def _from_memory(memory: Memory, event: Event, scope: str | None) -> list[_Note]:
    from lmort_memory.store.values import Filter

    if event.kind == "session-start":
        chosen = Filter(scope=scope, where=_last_time(event))
        records = memory.store.latest(chosen, limit=_RECALLED)[::-1]
        return _of_last_session([_plain(record) for record in records], event)
    found = memory.recall(event.prompt, top_k=_RECALLED, scope=scope, explain=True)
    hits = [(hit.score, _plain(hit.record)) for hit in found]
    return _worth_telling(hits, memory.likelihood(event.prompt, found), event)


def _last_time(event: Event) -> dict[str, Any]:
    return {"folder": event.folder}


def _of_last_session(records: Sequence[Mapping[str, Any]], event: Event) -> list[_Note]:
    """Return the last prompts of the session before this one, in order; newest come first."""
    asked = [one for one in records if one["role"] == "user" and not _is_own(one, event)]
    last = [one for one in asked if one["session"] == asked[0]["session"]]
    return [_note(one) for one in reversed(last[:_LAST_TIME])]


def _worth_telling(
    hits: Sequence[tuple[float, Mapping[str, Any]]], likelihood: float | None, event: Event
) -> list[_Note]:
    others = [(score, one) for score, one in hits if not _is_own(one, event)]
    if not others or likelihood is None or likelihood < _MIN_LIKELIHOOD:
        return []
    good = [one for score, one in others if score >= _NEAR_BEST * others[0][0]][:_AT_MOST]
    return [_note(one) for one in sorted(good, key=lambda one: one["created_at"])]


def _is_own(record: Mapping[str, Any], event: Event) -> bool:
    """Whether a record is of the session that the agent still shows."""
    return bool(event.session) and str(record["session"] or "").endswith(event.session)


def _plain(record: Record) -> dict[str, Any]:
    """Return a record as the server's JSON has it."""
    fields = asdict(record) | {"created_at": record.created_at.isoformat()}
    return {**fields, "source": None if record.source is None else {"uri": record.source.uri}}


def _note(record: Mapping[str, Any]) -> _Note:
    source, role = record["source"], record["role"]
    origin = f"{role} said" if role in ("user", "assistant") else str(role)
    if source:
        origin += f" in {source['uri']}"
    return _Note(str(record["created_at"])[:10], origin, " ".join(str(record["text"]).split()))


def _packed(notes: Iterable[_Note]) -> str:
    lines: list[str] = []
    left = _CONTEXT - len(HEADING)
    for note in notes:
        text = note.text
        if len(text) > _LONGEST_NOTE:
            text = text[: _LONGEST_NOTE - 1].rstrip() + "…"
        line = f"- {note.date}, {note.origin}: {text}"
        if len(line) + 1 <= left:
            lines.append(line)
            left -= len(line) + 1
    return "\n".join([HEADING, *lines]) if lines else ""


def _usual(name: str) -> str | None:
    """Return a setting that is a text, as the command line has it; None without one."""
    from lmort_memory.settings import setting

    value = setting(name).value
    return None if value is None else str(value)


def _redacts() -> bool:
    from lmort_memory.settings import setting

    return bool(setting("redact").value)


def _words_only(db: str | None) -> Memory:
    from lmort_memory.memory import Memory

    return Memory.open(db or _usual("db"), with_model=False, redact=_redacts())


def _for_writing(db: str | None) -> Memory:
    """Open the memory with the running server's model, or with none."""
    from lmort_memory.serve.borrowed import borrow_memory

    place = db or _usual("db")
    borrowed = borrow_memory(
        place,
        model=_usual("model"),
        tuner=_usual("tuner"),
        token_codes=(_usual("token_codes") or "") != "off",
        redact=_redacts(),
    )
    return borrowed or _words_only(place)


def _imported(memory: Memory, event: Event, scope: str) -> int | None:
    """Import the transcript; None where there is none that an importer knows."""
    path = Path(event.transcript)
    if not event.transcript or not path.is_file():
        return None
    from lmort_memory.importers import scan
    from lmort_memory.importing import import_files

    found = scan([path])
    return import_files(memory, found, scope=scope).added if found.files else None


def _store_elsewhere(event: Event, options: Mapping[str, str]) -> None:
    """Store in a process that outlives this one: the agent does not wait for it."""
    import subprocess

    command = [sys.executable, "-m", "lmort_memory.adapters.hooks", "store"]
    for name, value in options.items():
        command += [f"--{name}", value]
    child = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    assert child.stdin is not None
    child.stdin.write(json.dumps(asdict(event)).encode())
    child.stdin.close()
    child.returncode = 0  # nobody waits for it, and nobody is warned that it still runs


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
