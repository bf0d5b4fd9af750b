"""States of turns in the context of their session, the same as in a live chat.

A session is rendered with the model's chat template and run through the model once; each turn's
rows are cut out. They equal those of a live chat, because a causal model cannot see later tokens.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lmort_memory.types import HiddenStates

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from lmort_memory.backbone import Backbone

__all__ = ["replay", "session_roles", "session_states"]


def session_roles(speakers: Sequence[str]) -> list[str]:
    """Assign the user's role to the first speaker of a session, the assistant's to all others."""
    return ["user" if speaker == speakers[0] else "assistant" for speaker in speakers]


def session_states(
    backbone: Backbone,
    roles: Sequence[str],
    texts: Sequence[str],
    *,
    layers: Sequence[int],
    max_tokens: int | None = None,
) -> Iterator[HiddenStates]:
    """Capture each turn of a session in the context of the turns before it.

    A session too long for one context is split into windows. Each window repeats the latest turns,
    up to half its length, so that every turn but the first has some context.

    Args:
        backbone: The model.
        roles: "user" or "assistant" for each turn.
        texts: The turns' texts; must not be empty.
        layers: Layers to capture.
        max_tokens: Tokens per window, template included; None means as many as fit.

    Yields:
        One `HiddenStates` per turn, in order, for the turn's own tokens.

    Raises:
        ValueError: a turn does not fit in a window.
        BackboneError: the template refuses this order of roles, or llama.cpp refused.
    """
    limit = min(max_tokens or backbone.longest_text, backbone.longest_text)
    contents = [backbone.prompts.tokenize(text) for text in texts]
    done = 0
    for start, stop in _windows(backbone, roles, contents, limit):
        prompt = backbone.prompts.write(roles[start:stop], contents[start:stop], reply=False)
        captured = backbone.states_of_tokens(prompt.tokens, layers)
        for turn in range(done, stop):
            first, last = prompt.spans[turn - start]
            yield HiddenStates(
                prompt.tokens[first:last], captured.layers, captured.states[:, first:last].copy()
            )
        done = stop


def replay(
    backbone: Backbone,
    sessions: Iterable[tuple[Sequence[str], Sequence[str]]],
    *,
    layers: Sequence[int],
    done: int,
) -> Iterator[HiddenStates]:
    """Run sessions, given as (roles, texts); yield the states of every turn from turn `done` on.

    Turns are counted over all sessions. Sessions that end before `done` cost no forward pass.
    """
    first = 0
    for roles, texts in sessions:
        if first + len(texts) > done:
            states = session_states(backbone, roles, texts, layers=layers)
            yield from (one for i, one in enumerate(states, first) if i >= done)
        first += len(texts)


def _windows(
    backbone: Backbone, roles: Sequence[str], contents: Sequence[Sequence[int]], limit: int
) -> Iterator[tuple[int, int]]:
    """Split turns into consecutive windows [start, stop)."""

    def size(start: int, stop: int) -> int:
        return len(
            backbone.prompts.write(roles[start:stop], contents[start:stop], reply=False).tokens
        )

    start = stop = 0
    while stop < len(contents):
        while stop < len(contents) and size(start, stop + 1) <= limit:
            stop += 1
        if start == stop:
            raise ValueError(
                f"turn {stop} has {len(contents[stop])} tokens; a window holds {limit}"
            )
        yield start, stop
        keep = stop
        while keep > start + 1 and size(keep - 1, stop) <= limit // 2:
            keep -= 1
        start = keep
