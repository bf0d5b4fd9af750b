"""Fuzz targets, all of them or those named: `python -m benchmarks.fuzz --minutes 10 importers`.

Needs atheris, which `make fuzz` installs. Each distinct finding is kept in the folder --keep with
the last line of its traceback; the fuzzer then goes on. Prints a line of JSON for each target:
seconds, executions, coverage, and the findings. Status 1 if there were any.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.fuzz.targets import TARGETS

_EXECUTED = re.compile(r"^#(\d+)\s", re.MULTILINE)
_COVERED = re.compile(r"^#\d+\s.*?cov: (\d+)", re.MULTILINE)
_SLOW_S = 20


def main() -> int:
    options = _options()
    options.keep.mkdir(parents=True, exist_ok=True)
    failed = False
    for target in options.targets or TARGETS:
        report = _fuzzed(target, options.minutes, options.keep)
        print(json.dumps(report), flush=True)
        failed |= bool(report["findings"])
    return int(failed)


def _fuzzed(target: str, minutes: float, keep: Path) -> dict[str, object]:
    """Fuzz one target, and return its report."""
    began = time.monotonic()
    deadline = began + 60 * minutes
    executed = coverage = 0
    findings: dict[str, str] = {}
    with tempfile.TemporaryDirectory() as name:
        corpus = Path(name)
        for number, seed in enumerate(TARGETS[target].seeds()):
            (corpus / f"seed-{number}").write_bytes(seed)
        while (left := deadline - time.monotonic()) > 1:
            try:
                said, ended = _run(target, corpus, left, keep)
            except subprocess.TimeoutExpired:
                findings["the fuzzer did not end in time"] = "not kept"
                break
            executed += max(map(int, _EXECUTED.findall(said)), default=0)
            coverage = max(coverage, *map(int, _COVERED.findall(said)), 0)
            if ended == 0:
                continue
            what = _what(said)
            if what not in findings:
                findings[what] = _kept(said)
                print(f"found: {what} ({findings[what]})", file=sys.stderr, flush=True)
            _drop_input(said, corpus)
    return {
        "target": target,
        "seconds": round(time.monotonic() - began),
        "executions": executed,
        "coverage": coverage,
        "findings": findings,
    }


def _run(target: str, corpus: Path, left: float, keep: Path) -> tuple[str, int]:
    done = subprocess.run(
        [
            sys.executable, "-m", "benchmarks.fuzz.child", target, str(corpus),
            f"-max_total_time={int(left)}", f"-timeout={_SLOW_S}", "-rss_limit_mb=3000",
            "-max_len=20000", f"-artifact_prefix={keep}/{target}-", "-print_final_stats=1",
        ],
        capture_output=True,
        check=False,
        timeout=left + 300,
    )  # fmt: skip
    return done.stderr.decode(errors="replace") + done.stdout.decode(errors="replace"), (
        done.returncode
    )


def _what(said: str) -> str:
    """Name a finding by the error and the innermost line of ours, or by libFuzzer's word."""
    raised = re.search(r"Uncaught Python exception: ===\n(.*)", said)
    places = re.findall(r'File ".*?/((?:lmort_memory|benchmarks)/[^"]+)", line (\d+)', said)
    if raised:
        return f"{raised[1][:160]} at {':'.join(places[-1]) if places else '?'}"
    native = re.search(r"ERROR: libFuzzer: (.*)|ERROR: AddressSanitizer: (.*)", said)
    return (native[0] if native else said[-200:])[:160]


def _kept(said: str) -> str:
    found = re.search(r"Test unit written to (\S+)", said)
    return found[1] if found else "not kept"


def _drop_input(said: str, corpus: Path) -> None:
    """Take the input of a finding out of the corpus, or the next run would end with it at once."""
    if not (found := re.search(r"Test unit written to (\S+)", said)):
        return
    data = Path(found[1]).read_bytes()
    for path in corpus.iterdir():
        if path.read_bytes() == data:
            path.unlink()


def _options() -> argparse.Namespace:
    about = "\n".join(f"  {name:<10} {one.about}" for name, one in TARGETS.items())
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.fuzz",
        description=f"Fuzz targets, guided by coverage:\n{about}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "targets", nargs="*", metavar="TARGET", help="all of them, if none is named"
    )
    parser.add_argument("--minutes", type=float, default=60, help="for each target")
    parser.add_argument("--keep", type=Path, default=Path("findings"), help="folder for findings")
    options = parser.parse_args()
    if unknown := sorted(set(options.targets) - set(TARGETS)):
        parser.error(f"no target named {', '.join(unknown)}: there are {', '.join(TARGETS)}")
    return options


if __name__ == "__main__":
    sys.exit(main())
