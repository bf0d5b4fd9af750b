"""Choose this process's library: the first that decodes a few tokens on this processor."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from lmort_memory.backbone.runtime.backends import load_backends
from lmort_memory.backbone.runtime.binding import Bound, Unusable, already_imported, bind
from lmort_memory.backbone.runtime.candidates import BINDING, Library, find_libraries
from lmort_memory.backbone.runtime.trial import run_trial
from lmort_memory.backbone.runtime.verdicts import Attempt, Verdict, code_hash, recall, remember
from lmort_memory.backbone.runtime.weights import WeightType
from lmort_memory.errors import BackboneError, MissingDependencyError

__all__ = ["Choice", "Rejected", "build", "choose", "chosen", "load", "load_modules", "loaded"]

logger = logging.getLogger(__name__)

_CURE: Final = (
    f"compile one for this processor: pip install --force-reinstall --no-cache-dir {BINDING}"
)


@dataclass(frozen=True, slots=True)
class Rejected:
    """An attempt that failed.

    Attributes:
        attempt: What was tried.
        ended: The name of a signal, or the reason.
    """

    attempt: Attempt
    ended: str

    @property
    def crashed(self) -> bool:
        """Whether it crashed its process; otherwise it was refused."""
        return self.ended.startswith("SIG")

    def __str__(self) -> str:
        how = f"crashes here ({self.ended})" if self.crashed else f"cannot be used ({self.ended})"
        return f"{self.attempt} {how}"


@dataclass(frozen=True, slots=True)
class Choice:
    """The way chosen to run weights of certain types here.

    Attributes:
        attempt: The library and how weights are loaded.
        verdict: How its trial ended.
        rejected: The preferred attempts that failed.
    """

    attempt: Attempt
    verdict: Verdict
    rejected: tuple[Rejected, ...] = ()

    @property
    def notice(self) -> str | None:
        """One line for the user if a preferred attempt failed, else None."""
        if not self.rejected:
            return None
        return f"llama.cpp: using {self.attempt}, because {'; '.join(map(str, self.rejected))}"


_lock = threading.RLock()
_bound: Bound | None = None
_choices: dict[tuple[tuple[WeightType, ...], bool], Choice] = {}


def choose(types: Sequence[WeightType], *, gpu: bool = False) -> Choice:
    """Find a way to run weights of these types on this processor, without loading it.

    The first time, child processes try each candidate for about half a second; the results are
    cached.

    Raises:
        BackboneError: nothing works, or the library that the user named cannot be used.
        MissingDependencyError: there is no library at all.
    """
    key = (tuple(types), gpu)
    with _lock:
        if key not in _choices:
            _choices[key] = _try_all(types, gpu=gpu)
        return _choices[key]


def chosen() -> Choice | None:
    """Return the choice behind the loaded library, or None before it is loaded."""
    with _lock:
        return next(iter(_choices.values()), None) if _bound is not None else None


def load(types: Sequence[WeightType], *, gpu: bool = False) -> Choice:
    """Bind what `choose` finds; if this process already has a library, only that one is tried.

    Call `load_modules` afterwards: its output goes to the log, which needs a bound library.

    Raises:
        BackboneError: nothing runs these types here.
        MissingDependencyError: there is no library at all, or no llama-cpp-python.
    """
    global _bound
    with _lock:
        choice = choose(types, gpu=gpu)
        if _bound is None:
            with _refusing(choice):
                _bound = bind(choice.attempt.library)
        elif choice.attempt.library != _bound.library:  # chosen before another was loaded
            choice = _choices[tuple(types), gpu] = _try_all(types, gpu=gpu)
        return choice


def load_modules(choice: Choice) -> None:
    """Load the back-ends that a choice needs, unless they are already loaded.

    Raises:
        BackboneError: there is no back-end for this processor.
    """
    with _lock, _refusing(choice):
        if _bound is not None:
            load_backends(_bound, gpu=choice.attempt.gpu)


@contextmanager
def _refusing(choice: Choice) -> Iterator[None]:
    """Raise BackboneError for failures the trial could not see: the file was replaced since."""
    try:
        yield
    except Unusable as error:
        raise BackboneError(f"llama.cpp: {choice.attempt.library}: {error}") from error


def loaded() -> Bound | None:
    """Return the library in use, or None before the first use."""
    return _bound


def build() -> str:
    """Return an identifier of the library in use; "" before there is one.

    Saved KV cells belong to one build, and llama.cpp does not check that they are its own.
    """
    return "" if _bound is None else code_hash(_bound.library, gpu=False).hex()[:32]


def _try_all(types: Sequence[WeightType], *, gpu: bool) -> Choice:
    rejected: list[Rejected] = []
    fresh = False
    for attempt in _attempts(gpu=gpu):
        if not attempt.extra_buffers and not rejected[-1].crashed:
            continue  # it failed before weights were repacked
        verdict = recall(attempt, types)
        if verdict is None:
            verdict, fresh = _try(attempt, types), True
        if verdict.is_good:
            return _told(Choice(attempt, verdict, tuple(rejected)), fresh=fresh)
        rejected.append(Rejected(attempt, verdict.ended))
        if attempt.library.named and verdict.refused and not attempt.gpu:
            raise BackboneError(f"llama.cpp: {attempt.library} cannot be used: {verdict.ended}")
    if not rejected:
        raise MissingDependencyError("a library of llama.cpp", extra="prebuilt")
    raise BackboneError(
        f"no llama.cpp runs on this processor: {'; '.join(map(str, rejected))} — {_CURE}"
    )


def _attempts(*, gpu: bool) -> Iterator[Attempt]:
    """Yield attempts in order of preference; those without the graphics card come last."""
    libraries = [_bound.library] if _bound is not None else _found()
    for with_gpu in (True, False) if gpu else (False,):
        for library in libraries:
            yield Attempt(library, gpu=with_gpu)
            yield Attempt(library, extra_buffers=False, gpu=with_gpu)


def _found() -> list[Library]:
    known = already_imported()
    return list(find_libraries()) if known is None else [known]


def _try(attempt: Attempt, types: Sequence[WeightType]) -> Verdict:
    names = ", ".join(one.name for one in types)
    logger.info("trying %s with weights of %s in a child process", attempt, names)
    verdict = run_trial(attempt, types)
    remember(attempt, types, verdict)
    return verdict


def _told(choice: Choice, *, fresh: bool) -> Choice:
    """Report that the preferred choice failed, once, when it is found out."""
    if fresh and choice.notice:
        logger.warning("%s", choice.notice)
    return choice
