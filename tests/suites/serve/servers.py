"""A real `lmort-mem serve` in a process of its own."""

import json
import os
import subprocess
import sys
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path

READY_S = 300  # also on a machine that does much else


@dataclass
class Running:
    """A running server and how to reach it."""

    process: subprocess.Popen
    url: str
    token: str
    home: Path
    model: str = ""

    @property
    def headers(self):
        """What a request needs."""
        return {"Authorization": f"Bearer {self.token}"}

    def stop(self):
        """End it as a user would."""
        self.process.terminate()
        self.process.wait(60)


def environment(home: Path) -> dict[str, str]:
    """Return the environment of programs that use this home."""
    return {**os.environ, "LMORT_HOME": str(home), "PYTHONUNBUFFERED": "1"}


def start(home: Path, *options: str) -> Running:
    """Start a server on any free port and wait until its model is loaded."""
    command = [sys.executable, "-m", "lmort_memory.cli", "serve", "--port", "0", "--json", *options]
    home.mkdir(exist_ok=True)
    out, log = home / "out.json", home / "server.log"
    with out.open("w") as stdout, log.open("w") as stderr:
        process = subprocess.Popen(command, env=environment(home), stdout=stdout, stderr=stderr)
    end = time.monotonic() + READY_S
    while not (said := out.read_text()).rstrip().endswith("}"):
        if process.poll() is not None or time.monotonic() > end:
            raise RuntimeError(f"the server ended: {log.read_text()}")
        time.sleep(0.05)
    facts = json.loads(said)
    file = facts["token_file"]
    token = "" if file is None else Path(file).read_text().strip()
    running = Running(process, facts["url"], token, home)
    while time.monotonic() < end:
        with urllib.request.urlopen(f"{facts['url']}/health") as answer:
            if json.load(answer)["status"] == "ready":
                break
        time.sleep(0.1)
    request = urllib.request.Request(f"{facts['url']}/v1/models", headers=running.headers)
    with urllib.request.urlopen(request) as answer:
        running.model = json.load(answer)["data"][0]["id"]
    return running
