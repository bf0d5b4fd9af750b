"""Running `lmort-mem`: in this process for speed, or as a program of its own."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from lmort_memory.cli import run
from lmort_memory.encoder.config import TunerConfig
from lmort_memory.testing.tiny_gguf import write_tiny_gguf
from tests.support.tiny_tuner import write_tiny_tuner


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run of the program left behind."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The result that was printed with --json."""
        return json.loads(self.out)


class Cli:
    """Calls `lmort-mem` in this process."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self._monkeypatch = monkeypatch
        self._capsys = capsys

    def __call__(self, *arguments: str | Path, stdin: str = "") -> Outcome:
        """Run a command and return what came of it."""
        self._monkeypatch.setattr(sys, "stdin", io.StringIO(stdin))
        self._capsys.readouterr()
        status = run([str(argument) for argument in arguments])
        captured = self._capsys.readouterr()
        return Outcome(status, captured.out, captured.err)


def spawn(
    *arguments: str | Path, stdin: str = "", environment: Mapping[str, str] | None = None
) -> Outcome:
    """Run `lmort-mem` as a process and wait for its end."""
    done = subprocess.run(
        [sys.executable, "-m", "lmort_memory.cli", *map(str, arguments)],
        input=stdin,
        capture_output=True,
        text=True,
        env={**os.environ, **(environment or {})},
        timeout=120,
        check=False,
    )
    return Outcome(done.returncode, done.stdout, done.stderr)


def write_tiny_pair(
    folder: Path, seed: int = 0, *, chat_template: str | None = None
) -> tuple[Path, Path]:
    """Write a tiny model and an untrained tuner for it; both work, neither is any good."""
    model = write_tiny_gguf(
        folder / f"tiny-{seed}.gguf", n_ctx=2048, seed=seed, chat_template=chat_template
    )
    config = TunerConfig(
        n_embd=32, align_layer=1, uniform_layer=3, n_head=2, width=16, n_ff=32, dim=16
    )
    return model, write_tiny_tuner(folder / f"tuner-{seed}.gguf", model, config, seed=seed)
