"""What every test stands on: no network, a home of its own, no settings of the developer's."""

import os
import signal
import socket
from pathlib import Path

import pytest

from lmort_memory.backbone import fast_default_path
from lmort_memory.paths import make_private_dir

# A shell starts background jobs with SIGINT ignored, and children inherit that: the tests of Ctrl-C
# would wait for ever.
signal.signal(signal.SIGINT, signal.default_int_handler)

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")


# What `make test-libraries` runs over each other llama.cpp that is installed: parity with
# transformers, capture, chat, conversion, and the choice of the library itself.
OVER_EVERY_LIBRARY = (
    "tests/integration/test_backbone.py",
    "tests/integration/test_chat.py",
    "tests/integration/test_chat_sessions.py",
    "tests/integration/test_convert.py",
    "tests/integration/test_encoder.py",
    "tests/integration/test_identity.py",
    "tests/integration/test_parity.py",
    "tests/integration/test_parity_smollm2.py",
    "tests/unit/backbone/",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that hold over every library."""
    root = Path(__file__).parents[1]
    for item in items:
        if item.path.relative_to(root).as_posix().startswith(OVER_EVERY_LIBRARY):
            item.add_marker("portable")


class NetworkUsed(AssertionError):
    """A test, or the code under it, tried to reach another machine."""


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch):
    """Refuse every connection that leaves the process; local pipes and socket pairs stay."""

    def refuse(*args: object, **_kwargs: object):
        raise NetworkUsed(f"the tests run offline; something tried to reach {args[1:] or args}")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket.socket, "connect_ex", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


@pytest.fixture(scope="session")
def first_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which llama.cpp is tried, once for all tests."""
    return tmp_path_factory.mktemp("first")


@pytest.fixture(scope="session")
def fast_default(first_home: Path) -> Path:
    """The copy of the packaged model that is made at its first use, made once for all tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LMORT_HOME", str(first_home))
        path = fast_default_path()
    assert "Q8_0" in path.name  # not the packaged file, for want of space
    return path


@pytest.fixture(autouse=True)
def home(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path_factory: pytest.TempPathFactory,
    first_home: Path,
    fast_default: Path,
):
    """Give the test, and its child processes, an LMORT_HOME with that copy; return it.

    What is known of llama.cpp on this processor is shared: trying it takes half a second.
    """
    folder = tmp_path_factory.mktemp("home")
    models = make_private_dir(folder / "cache" / "models")
    (models / fast_default.name).hardlink_to(fast_default)
    verdicts = make_private_dir(first_home / "cache" / "llama.cpp")
    (folder / "cache" / "llama.cpp").symlink_to(verdicts)
    for name in [name for name in os.environ if name.startswith("LMORT_")]:
        if name != "LMORT_LLAMA_LIB":  # `.ci/run` runs a part of the tests over another library
            monkeypatch.delenv(name)
    monkeypatch.setenv("LMORT_HOME", str(folder))
    return folder
