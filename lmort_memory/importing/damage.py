"""Turns of a file that may turn out to be damaged on the way."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from lmort_memory.errors import ImportFileError
from lmort_memory.types import Turn

__all__ = ["UntilDamage"]


class UntilDamage:
    """The turns of a file up to the first damage, if any.

    Attributes:
        error: The damage, set after the turns before it were yielded.
    """

    def __init__(self, turns: Iterable[Turn]) -> None:
        self.error: ImportFileError | None = None
        self._turns = turns

    def __iter__(self) -> Iterator[Turn]:
        try:
            yield from self._turns
        except ImportFileError as error:
            self.error = error

    def with_damage(self, turns: Iterable[Turn]) -> Iterator[Turn]:
        """Yield some of the turns, then raise the damage if it follows them."""
        yield from turns
        if self.error is not None:
            raise self.error
