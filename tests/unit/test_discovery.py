"""How programs find the running server, and what they do not believe."""

import os

from lmort_memory.serve.discovery import Server, discovery_path, find_server, publish, withdraw

SERVER = Server("127.0.0.1", 1, "a token", os.getpid(), None, None)


def test_the_file_is_private():
    """It holds the token, so only its owner can read it."""
    publish(SERVER)
    assert discovery_path().stat().st_mode & 0o777 == 0o600
    withdraw(SERVER)
    assert not discovery_path().exists()


def test_a_file_that_others_could_write_is_not_believed():
    """A discovery file with a wider mode leads nowhere: not even a connection is tried."""
    publish(SERVER)
    discovery_path().chmod(0o666)
    assert find_server() is None


def test_a_file_that_is_nested_without_end_is_rubbish():
    """As every other file that holds no server."""
    publish(SERVER)
    discovery_path().write_text("[" * 60_000)
    assert find_server() is None


def test_no_server_means_no_connection():
    """Without a file nothing is connected to; with one of rubbish neither."""
    assert find_server() is None
    publish(SERVER)
    discovery_path().write_text("[]")
    assert find_server() is None
