"""The example of a page: run as it stands, and compared with what the page says it prints."""

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
EXAMPLE = re.compile(r"```python\n(?P<code>.*?)```\n+```text\n(?P<printed>.*?)```", re.DOTALL)


def check_example(page: str, folder: Path) -> None:
    """Run the first example of a page in a process and folder of its own."""
    found = EXAMPLE.search((ROOT / page).read_text(encoding="utf-8"))
    assert found is not None, f"{page} has no example with its output"
    (folder / "example.py").write_text(found["code"], encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "example.py"],
        cwd=folder,
        env={**os.environ, "LMORT_HOME": str(folder / "home"), "LLM_USER_PATH": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout == found["printed"]
