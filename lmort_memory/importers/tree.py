"""Conversations are trees, since messages can be edited and replies regenerated: one branch counts.

An export may lack messages, and a damaged one may hold a circle.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

__all__ = ["Node", "branch_to"]


@dataclass(frozen=True, slots=True)
class Node:
    """A message in its tree.

    Attributes:
        parent: Name of the message that it answers; "" at the root.
        children: Names of those that answer it, where the export says.
        time: When it was written, in any unit; 0 where that is not known.
    """

    parent: str
    children: tuple[str, ...] = ()
    time: float = 0.0


def branch_to(leaf: str, nodes: Mapping[str, Node]) -> list[str]:
    """Return the names from the root to a message.

    Above a message whose parent is missing, the branch goes on with the message that names the
    missing one as its child, else with the last one that was written before and leads elsewhere.
    """
    branch: dict[str, None] = {}
    parents = {child: name for name, node in nodes.items() for child in node.children}
    node = leaf
    while node in nodes and node not in branch:
        branch[node] = None
        parent = nodes[node].parent
        if parent and parent not in nodes:
            parent = parents.get(parent, "") or _before(node, nodes, set(branch))
        node = parent
    return list(reversed(branch))


def _before(name: str, nodes: Mapping[str, Node], below: set[str]) -> str:
    """Name the last message, in order of the file and of time, that is not below `name`."""
    place = {other: number for number, other in enumerate(nodes)}
    key: Callable[[str], tuple[float, int]] = lambda other: (nodes[other].time, place[other])  # noqa: E731
    earlier = [
        other for other in nodes if key(other) < key(name) and not _is_below(other, nodes, below)
    ]
    return max(earlier, key=key, default="")


def _is_below(name: str, nodes: Mapping[str, Node], branch: set[str]) -> bool:
    seen: set[str] = set()
    while name in nodes and name not in seen:
        if name in branch:
            return True
        seen.add(name)
        name = nodes[name].parent
    return False
