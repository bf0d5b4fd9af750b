"""Cleans what is stored, and counts what it has replaced."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from threading import Lock
from typing import TypeVar

from lmort_memory.types import JsonValue, Record, Turn

from .finding import redact

__all__ = ["Redactor"]

_Item = TypeVar("_Item", Turn, Record)


class Redactor:
    """Cleans turns and records, and counts what it has replaced. Any thread may use it."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._lock = Lock()

    @property
    def counts(self) -> Counter[str]:
        """How many secrets of each kind were replaced so far."""
        with self._lock:
            return self._counts.copy()

    def clean(self, item: _Item) -> _Item:
        """Return the turn or record without secrets in its text and metadata."""
        text, metadata = self.text(item.text), self.metadata(item.metadata)
        if text == item.text and metadata == item.metadata:
            return item
        return replace(item, text=text, metadata=metadata)

    def text(self, text: str) -> str:
        """Return a text without secrets."""
        text, found = redact(text)
        if found:
            with self._lock:
                self._counts.update(found)
        return text

    def metadata(self, metadata: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
        """Return metadata without secrets in their texts."""
        return {key: self._value(value) for key, value in metadata.items()}

    def _value(self, value: JsonValue) -> JsonValue:
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, list):
            return [self._value(item) for item in value]
        if isinstance(value, Mapping):
            return {key: self._value(item) for key, item in value.items()}
        return value
