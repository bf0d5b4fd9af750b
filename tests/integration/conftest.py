"""The tiny model and `lmort-mem` in this process, for every test of the command line."""

import pytest

from tests.support.cli import Cli, write_tiny_pair


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """A tiny model and its tuner."""
    return write_tiny_pair(tmp_path_factory.mktemp("model"))


@pytest.fixture
def tiny(monkeypatch, pair):
    """Let every command use the tiny model and its tuner."""
    monkeypatch.setenv("LMORT_MODEL", str(pair[0]))
    monkeypatch.setenv("LMORT_TUNER", str(pair[1]))


@pytest.fixture
def cli(monkeypatch, capsys, tiny):
    """Run commands in this process, with the tiny model and its tuner in the environment."""
    return Cli(monkeypatch, capsys)
