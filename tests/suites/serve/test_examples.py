"""The examples for curl, a chat UI and an editor, run as a user runs them."""

import os
import subprocess
import sys
from pathlib import Path

from tests.suites.serve.servers import environment

EXAMPLES = Path(__file__).parents[3] / "examples" / "serve"


def run(server, *command, said="", **variables):
    """Run an example beside this environment's `lmort-mem`; return what it printed."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        command, input=said, capture_output=True, text=True, timeout=120,
        env=environment(server.home) | {"PATH": path, "LMORT_URL": server.url, **variables},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_curl(server):
    """The script remembers a fact and is told what was recalled."""
    printed = run(server, "sh", EXAMPLES / "curl.sh")
    assert '"recalled":[{' in printed
    assert "Trondheim" in printed


def test_chat_ui(server):
    """Two turns, streamed by OpenAI's client; the second recalls what the first said."""
    printed = run(
        server, sys.executable, EXAMPLES / "chat_ui.py",
        said="My cello has a crack.\nWhat is wrong with my cello?\n",
        OPENAI_BASE_URL=f"{server.url}/v1", OPENAI_API_KEY=server.token,
    )  # fmt: skip
    assert printed.strip()


def test_editor(server, tmp_path):
    """The script shows the change to the editor's settings and writes nothing."""
    printed = run(
        server, "sh", EXAMPLES / "editor.sh", "vscode",
        HOME=str(tmp_path), XDG_CONFIG_HOME=str(tmp_path / "config"),
    )  # fmt: skip
    assert '+    "lmort-memory": {' in printed
    assert f"{server.url}/v1" in printed
    assert not (tmp_path / "config").exists()
