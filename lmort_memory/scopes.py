"""Namespaces as scopes: ("team", "ada/2") is "team/ada%2F2", and back.

A scope is one text. Frameworks name places by tuples of labels, users or collections; joined with
"/", and with "/" and "%" inside a label percent-encoded, each such tuple is one scope of its own,
and a `ScopeTree` of a prefix of it finds it.
"""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import unquote

__all__ = ["to_labels", "to_scope"]


def to_scope(labels: Iterable[str]) -> str:
    """Return the scope that stands for these labels.

    Raises:
        ValueError: there are none, or one is empty.
    """
    parts = [label.replace("%", "%25").replace("/", "%2F") for label in labels]
    if not all(parts) or not parts:
        raise ValueError(f"a scope needs one or more non-empty labels; got {parts!r}")
    return "/".join(parts)


def to_labels(scope: str) -> tuple[str, ...]:
    """Return the labels that `to_scope` joined."""
    return tuple(unquote(part) for part in scope.split("/"))
