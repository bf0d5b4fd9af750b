"""docs/images/session.svg: a session at a terminal, as it was shown; made by running it.

    python -m tests.support.session_picture

Each command is run by a shell at a terminal of its own, with the packaged model and a new home;
what the program wrote, cursor movements included, is drawn.
"""

from __future__ import annotations

import codecs
import os
import pty
import re
import select
import sys
import tempfile
import time
from itertools import groupby
from pathlib import Path

PICTURE = Path(__file__).parents[2] / "docs" / "images" / "session.svg"
COLUMNS, ROWS = 96, 40
NOTES = {
    "garden.md": "# Garden\n\n## Bees\n\nThe hive by the fence has a new queen since May.\n",
    "travel.md": "# Travel\n\nThe ferry to Ørland leaves at nine from the old harbour.\n",
}
COMMANDS = (
    ('lmort-mem add "My sister Ada keeps bees in Trondheim."', ()),
    ("lmort-mem import notes", ()),
    ('lmort-mem recall "When does the boat go?" -k 1', ()),
    ("lmort-mem chat", ("What does my sister Ada keep?", "/recall old harbour", "/quit")),
)
_SEQUENCE = re.compile(r"\x1b\[([?0-9;]*)([A-Za-z])")


class Screen:
    """The little of a terminal that is needed: lines, a cursor, erasing, faint and bold."""

    def __init__(self) -> None:
        self.lines: list[list[tuple[str, str]]] = [[]]
        self._row = self._column = 0
        self._style = ""

    def write(self, text: str) -> None:
        """Take in what a program has written."""
        at = 0
        while at < len(text):
            sequence = _SEQUENCE.match(text, at)
            if sequence:
                self._obey(sequence[1], sequence[2])
                at = sequence.end()
            else:
                self._put(text[at])
                at += 1

    def _obey(self, argument: str, letter: str) -> None:
        count = int(argument) if argument.isdigit() else 1
        line = self.lines[self._row]
        if letter == "m":
            self._style = "" if argument in ("", "0") else f"\x1b[{argument}m"
        elif letter == "A":
            self._row = max(0, self._row - count)
        elif letter == "K":
            del line[0 if argument == "2" else self._column :]

    def _put(self, sign: str) -> None:
        if sign == "\r":
            self._column = 0
        elif sign == "\n":
            self._row += 1
            if self._row == len(self.lines):
                self.lines.append([])
        elif sign >= " ":
            line = self.lines[self._row]
            line.extend([("", " ")] * (self._column + 1 - len(line)))
            line[self._column] = (self._style, sign)
            self._column += 1

    def text(self) -> str:
        """Return the lines, with their styles as escape sequences."""
        return "\n".join(_styled(line) for line in self.lines).rstrip()


def _styled(line: list[tuple[str, str]]) -> str:
    runs = [(style, "".join(sign for _, sign in run)) for style, run in groupby(line, _style)]
    return "".join(f"{style}{text}\x1b[0m" if style else text for style, text in runs)


def _style(cell: tuple[str, str]) -> str:
    return cell[0]


def shown(command: str, typed: tuple[str, ...], folder: Path) -> str:
    """Run a command at a terminal, type into it, and return what the terminal shows at the end."""
    child, terminal = pty.fork()
    if not child:
        os.chdir(folder)
        os.environ |= {"TERM": "xterm-256color", "COLUMNS": str(COLUMNS), "LINES": str(ROWS)}
        os.environ |= {"LMORT_HOME": str(folder / "home"), "LMORT_TEMPERATURE": "0"}
        os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        os.execvp("sh", ["sh", "-c", command])
    screen = Screen()
    lines = list(typed)
    written = ""
    last = time.monotonic()
    decoder = codecs.getincrementaldecoder("utf-8")("replace")  # a read may end within a character
    while True:
        ready, _, _ = select.select([terminal], [], [], 0.2)
        if ready:
            try:
                data = decoder.decode(os.read(terminal, 65536))
            except OSError:
                break
            screen.write(data)
            written, last = written + data, time.monotonic()
        elif lines and _SEQUENCE.sub("", written).endswith("> ") and time.monotonic() - last > 1:
            os.write(terminal, f"{lines.pop(0)}\r".encode())
            written, last = "", time.monotonic()
    os.waitpid(child, 0)
    return screen.text().replace(f"{folder}/", "")


def main() -> None:
    """Run the session and draw it."""
    from rich.console import Console
    from rich.text import Text

    with tempfile.TemporaryDirectory() as name, Path(os.devnull).open("w") as nowhere:
        folder = Path(name).resolve()
        (folder / "notes").mkdir()
        for note, text in NOTES.items():
            (folder / "notes" / note).write_text(text)
        console = Console(record=True, width=COLUMNS, file=nowhere, force_terminal=True)
        for command, typed in COMMANDS:
            console.print(Text(f"$ {command}", style="bold"))
            console.print(Text.from_ansi(shown(command, typed, folder)))
        svg = console.export_svg(title="lmort-mem")
    # Nothing is fetched when the picture is looked at: the reader's own fonts will do.
    PICTURE.write_text(re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL), encoding="utf-8")


if __name__ == "__main__":
    main()
