"""Conversations are trees, since messages can be edited and replies regenerated: one branch counts.

An export may lack messages, and a damaged one may hold a circle.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

__all__ = ["Node", "branch_to", "last_end"]


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
    Above one that names no parent, it goes on with the message that names it as its child.
    """
    branch: dict[str, None] = {}
    parents = _parents(nodes)
    node = leaf
    while node in nodes and node not in branch:
        branch[node] = None
        above = _above(node, nodes, parents)
        if not above and nodes[node].parent:
            above = _before(node, nodes, set(branch))
        node = above
    return list(reversed(branch))


def last_end(nodes: Mapping[str, Node]) -> str:
    """Name the end of the branch that was written last; "" if there are no messages.

    Of branches that are equally new, as all are where times are unknown, it is the longest, then
    the one that ends last in the file: a reply that was made anew stands behind the first one.
    """
    parents = _parents(nodes)
    above = {name: _above(name, nodes, parents) for name in nodes}
    ends = nodes.keys() - set(above.values()) or nodes.keys()  # a circle has no end
    lengths: dict[str, tuple[float, int]] = {}
    place = {name: number for number, name in enumerate(nodes)}
    return max(
        ends, key=lambda end: (*_measure(end, nodes, above, lengths), place[end]), default=""
    )


def _parents(nodes: Mapping[str, Node]) -> dict[str, str]:
    """Name for each message the one that has it among its children."""
    return {child: name for name, node in nodes.items() for child in node.children}


def _above(name: str, nodes: Mapping[str, Node], parents: Mapping[str, str]) -> str:
    """Name the message above one; "" where that is not in the file."""
    parent = nodes[name].parent
    return parent if parent in nodes else parents.get(parent or name, "")


def _measure(
    end: str,
    nodes: Mapping[str, Node],
    above: Mapping[str, str],
    known: dict[str, tuple[float, int]],
) -> tuple[float, int]:
    """Return the latest time on a branch and its length; `known` has those measured so far."""
    way: dict[str, None] = {}
    while end in nodes and end not in known and end not in way:
        way[end] = None
        end = above[end]
    time, length = known.get(end, (0.0, 0))
    for name in reversed(way):
        time, length = max(time, nodes[name].time), length + 1
        known[name] = time, length
    return time, length


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
