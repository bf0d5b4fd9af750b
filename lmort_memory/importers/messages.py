"""Messages between people, as turns: each says who wrote it, and belongs to its chat."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from lmort_memory.types import JsonValue, Source, Turn

__all__ = ["Room", "clean"]

# Marks that steer the direction of writing, and characters of no width: no reader sees them.
_INVISIBLE = re.compile("[\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff]")


def clean(text: str) -> str:
    """Remove invisible marks and the space around a text."""
    return _INVISIBLE.sub("", text).strip()


@dataclass(frozen=True, slots=True)
class Room:
    """A chat, channel or group.

    Attributes:
        form: Name of the format.
        uri: Names the room; the same in the next export.
        title: What people call it.
    """

    form: str
    uri: str
    title: str

    def turn(
        self,
        text: str,
        *,
        author: str,
        said_at: datetime | None,
        metadata: Mapping[str, JsonValue] | None = None,
    ) -> Turn:
        """Return one message as a turn. The author is part of its text, so that it can be found."""
        found: dict[str, JsonValue] = {"format": self.form, **(metadata or {})}
        if self.title:
            found["title"] = self.title
        if author:
            found["author"] = author
        return Turn(
            text=f"{author}: {text}" if author else text,
            role="message",
            session=self.uri,
            created_at=said_at,
            metadata=found,
            source=Source(self.uri),
        )
