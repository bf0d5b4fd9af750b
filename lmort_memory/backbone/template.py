"""Render the model's chat template so that content can never act as template.

The template is Jinja from the GGUF file, so it runs in a sandbox. It is rendered with placeholders
for the contents and split at them. Only the template's own pieces are tokenised with special
parsing; text from a user, a note or a file stays text.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from lmort_memory.backbone.thinking import Thinking, thinking_of
from lmort_memory.errors import BackboneError

PLAIN = "plain"
"""Instead of Jinja source: use plain lines and ignore the model's template."""

SPEAKERS = ("User", "Assistant")

_PLAIN_LINES = (
    "{% for message in messages %}"
    "{% if message['role'] == 'system' %}{{ message['content'] + '\n\n' }}"
    "{% else %}"
    "{{ (user if message['role'] == 'user' else assistant) + ': ' + message['content'] + '\n' }}"
    "{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ assistant + ':' }}{% endif %}"
)

_ANOTHER = "use another template: --template FILE, or ChatOptions(template=…)"

# Errors that a template, like any program, can raise.
_FAULTS = (
    TypeError,
    ValueError,
    LookupError,
    AttributeError,
    ArithmeticError,
    RecursionError,
    MemoryError,
)

_PLACEHOLDER = "\ue000{}\ue001"  # private use: no template writes it, and content is not rendered
# transformers' tag for what a model should learn; it renders as its content.
_GENERATION = re.compile(r"(\{%[-+]?\s*)(end)?generation(?=\s*[-+]?%\})")
_SPLIT = re.compile("\ue000(\\d+)\ue001")


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of the rendered conversation.

    Attributes:
        text: The template's own text; empty for content.
        message: Index of the message whose content belongs here, or None for template text.
        plain: Whether the text comes from outside (a tool's description, a call's arguments) and is
            tokenised as text, without control tokens.
    """

    text: str
    message: int | None = None
    plain: bool = False


class ChatTemplate:
    """A chat template and the special tokens that it may mention.

    Attributes:
        stops: Texts that end a reply, in addition to the model's end tokens: with plain lines, the
            opening of the next speaker's line.
    """

    def __init__(
        self,
        source: str | None,
        *,
        bos: str = "",
        eos: str = "",
        speakers: tuple[str, str] = SPEAKERS,
    ) -> None:
        """Compile a template; None means plain lines that open with the speakers' names.

        Raises:
            BackboneError: the template is not valid Jinja.
            ValueError: the speakers are not two different names of one line each.
        """
        from jinja2 import TemplateSyntaxError

        from lmort_memory.backbone.sandbox import sandbox

        check_speakers(speakers)
        self._source = source or ""
        user, assistant = speakers
        self.stops: tuple[str, ...] = () if source else (f"\n{user}:", f"\n{assistant}:")
        self._variables = {"bos_token": bos, "eos_token": eos}
        if not source:
            self._variables |= {"user": user, "assistant": assistant}
        try:
            self._template = sandbox().from_string(_as_jinja(source or _PLAIN_LINES))
        except (TemplateSyntaxError, RecursionError, MemoryError) as error:
            raise BackboneError(
                f"the chat template is not valid Jinja: {error} — fix it (the model's own with: "
                "gguf-new-metadata --chat-template-file TEMPLATE IN.gguf OUT.gguf)"
            ) from error

    def pieces(self, roles: Sequence[str], *, reply: bool) -> list[Piece]:
        """Render a conversation with these roles and split it at its contents.

        Args:
            roles: "system", "user" or "assistant" of each message, in order.
            reply: Whether to end with the opening of the assistant's turn.

        Raises:
            BackboneError: the template refuses this order of roles, or drops a message.
        """
        messages = [
            {"role": role, "content": _PLACEHOLDER.format(i)} for i, role in enumerate(roles)
        ]
        parts = _SPLIT.split(self._render(messages, reply))
        contents = [int(index) for index in parts[1::2]]
        if contents != list(range(len(roles))):
            raise BackboneError(
                f"the chat template shows the messages {contents} of a conversation of "
                f"{len(roles)} ({', '.join(roles)}) — {_ANOTHER}"
            )
        pieces: list[Piece] = []
        for i, part in enumerate(parts):
            if i % 2:
                pieces.append(Piece("", int(part)))
            elif part:
                pieces.append(Piece(part))
        return pieces

    def _render(
        self,
        messages: Sequence[Mapping[str, Any]],
        reply: bool,
        *,
        tools: Sequence[Any] | None = None,
    ) -> str:
        from jinja2 import TemplateError

        from lmort_memory.backbone.sandbox import bounded

        bounded()
        variables: dict[str, Any] = {} if tools is None else {"tools": tools}
        try:
            return self._template.render(
                messages=messages, add_generation_prompt=reply, **self._variables, **variables
            )
        except (TemplateError, *_FAULTS) as error:
            roles = ", ".join(message["role"] for message in messages)
            raise BackboneError(
                f"the chat template refuses a conversation of {roles}: {error} — {_ANOTHER}"
            ) from error

    @cached_property
    def thinking(self) -> Thinking:
        """How the model marks its reasoning, according to its template."""
        opening = _text_after(self.pieces(["user"], reply=True), 0)
        return thinking_of(self._source, opening)

    @cached_property
    def takes_tools(self) -> bool:
        """Whether the template can describe tools."""
        return re.search(r"\btools\b", self._source) is not None

    @cached_property
    def takes_system(self) -> bool:
        """Whether the template accepts a system message at the start."""
        try:
            self.pieces(["system", "user"], reply=True)
        except BackboneError:
            return False
        return True

    def pieces_with_tools(
        self,
        roles: Sequence[str],
        more: Sequence[Mapping[str, Any]],
        *,
        tools: Sequence[Mapping[str, Any]],
        risky: Callable[[str], bool],
        reply: bool,
    ) -> list[Piece]:
        """Render a conversation in which tools are described, called and answered.

        Args:
            roles: As in `pieces`, and "tool".
            more: Further fields of each message, such as `tool_calls` and `name`. A message whose
                `empty` is true has no content, and many templates then omit it.
            tools: Descriptions in OpenAI's format.
            risky: Whether a text from outside would be read as a control token; such a text becomes
                a separate `plain` piece.
            reply: End with the opening of the assistant's turn.

        Raises:
            BackboneError: the template refuses the conversation, or drops a message.
        """
        outside: list[str] = []

        def guarded(value: Any) -> Any:  # noqa: ANN401 - any JSON
            if isinstance(value, str) and risky(value):
                outside.append(json.dumps(value, ensure_ascii=False)[1:-1])
                return _PLACEHOLDER.format(len(roles) + len(outside) - 1)
            if isinstance(value, Mapping):
                return {key: guarded(item) for key, item in value.items()}
            return [guarded(item) for item in value] if isinstance(value, list) else value

        messages = [
            {
                **{name: guarded(value) for name, value in fields.items() if name != "empty"},
                "role": role,
                "content": "" if fields.get("empty") else _PLACEHOLDER.format(i),
            }
            for i, (role, fields) in enumerate(zip(roles, more, strict=True))
        ]
        rendered = self._render(messages, reply, tools=guarded(list(tools)) or None)
        pieces: list[Piece] = []
        for i, part in enumerate(_SPLIT.split(rendered)):
            if i % 2 == 0:
                pieces += [Piece(part)] if part else []
            elif int(part) < len(roles):
                pieces.append(Piece("", int(part)))
            else:
                pieces.append(Piece(outside[int(part) - len(roles)], plain=True))
        shown = [piece.message for piece in pieces if piece.message is not None]
        wanted = [i for i, fields in enumerate(more) if not fields.get("empty")]
        if shown != wanted:
            raise BackboneError(
                f"the chat template renders the messages {shown} instead of {wanted} "
                f"({', '.join(roles)}) — {_ANOTHER}"
            )
        return pieces

    @cached_property
    def user_opening(self) -> str:
        """The opening of a user turn in the middle of a chat: the prefix of stand-alone encoding.

        This is the text between an assistant's content and the next user's, minus what closes the
        assistant's turn. It excludes the default system prompt that some templates put first.
        """
        between = _text_after(self.pieces(["user", "assistant", "user"], reply=False), 1)
        closing = _text_after(self.pieces(["user", "assistant"], reply=False), 1)
        return between.removeprefix(closing) if closing else between


def _as_jinja(source: str) -> str:
    return _GENERATION.sub(lambda tag: tag[1] + ("endif" if tag[2] else "if true"), source)


def check_speakers(speakers: Sequence[str]) -> None:
    """Check the names of two speakers.

    Raises:
        ValueError: they are not two different single-line names.
    """
    good = all(name.strip() and name.isprintable() for name in speakers)
    if not good or len(speakers) != 2 or speakers[0] == speakers[1]:
        raise ValueError(f"speakers must be two different single-line names; found {speakers!r}")


def _text_after(pieces: Sequence[Piece], message: int) -> str:
    """Return the template's text between this message's content and the next one's."""
    texts: list[str] = []
    inside = False
    for piece in pieces:
        if piece.message is None:
            if inside:
                texts.append(piece.text)
        else:
            inside = piece.message == message
    return "".join(texts)
