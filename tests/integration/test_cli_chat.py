"""`lmort-mem chat`: over a pipe, at a terminal, from one run to the next."""

import codecs
import json
import os
import pty
import re
import select
import signal
import sys
import time
from contextlib import suppress

import pytest

from lmort_memory.errors import StoreError
from lmort_memory.paths import default_db
from lmort_memory.store import Filter, SQLiteStore
from lmort_memory.testing.tiny_gguf import CHATML, write_tiny_gguf
from tests.support.cli import spawn


@pytest.fixture
def tiny(monkeypatch, tiny):
    """Let every command use the tiny model, and keep replies short."""
    monkeypatch.setenv("LMORT_MAX_TOKENS", "8")


def test_a_fact_told_in_one_run_is_recalled_in_the_next():
    """The packaged model, two processes: what was said before comes back, and is shown."""
    short = {"LMORT_MAX_TOKENS": "4"}
    fact = "My sister Ada keeps bees in Trondheim."
    first = spawn("chat", stdin=f"{fact}\n/quit\n", environment=short)
    assert first.status == 0
    second = spawn("chat", stdin="Where does my sister live?\n/quit\n", environment=short)
    assert second.status == 0
    assert re.search(
        rf"^\[1\] recalled \d{{4}}-\d\d-\d\d, user: {re.escape(fact)}$", second.out, re.M
    )


def test_replies_over_a_pipe_can_be_json(cli):
    """With --json each reply is one object: its text and the ledger of what it was given."""
    cli("add", "Ada keeps bees.")
    outcome = cli("chat", "--json", "--session", "s", stdin="Who keeps bees?\nAnd why?\n")
    assert outcome.status == 0
    replies = [json.loads(line) for line in outcome.out.splitlines()]
    assert len(replies) == 2
    ledger = replies[0]["ledger"]
    assert [m["record"]["text"] for m in ledger["memories"]] == ["Ada keeps bees."]
    assert ledger["reply_tokens"] <= 8
    turns = cli("recall", "bees", "--session", "s", "--json", "-k", "9").json["hits"]
    assert "Who keeps bees?" in {hit["record"]["text"] for hit in turns}


def test_commands_inside_the_chat(cli):
    """/why, /recall, /forget, /session, /sessions, /model and /help do what they say."""
    cli("add", "Ada keeps bees.")
    lines = [
        "/why",
        "Who keeps bees?",
        "/why",
        "/recall bees",
        "/session trip",
        "Hello.",
        "/sessions",
    ]
    outcome = cli("chat", "--session", "home", stdin="\n".join([*lines, "/model", "/help"]))
    assert outcome.status == 0
    assert "nothing has been said yet" in outcome.out
    assert re.search(r"\[1\] .* user: Ada keeps bees\. \(score .* tokens", outcome.out)
    assert re.search(r"tokens: \d+ yours, \d+ of notes, \d+ of reply", outcome.out)
    (costs,) = re.findall(r"time: recall .*\n      reply .*, storing .*", outcome.out)
    assert max(map(len, costs.splitlines())) <= 80
    assert re.search(r"\[\d\] .*Ada keeps bees\. \(score [\d.]+\)", outcome.out)
    assert "session trip" in outcome.out
    assert re.search(r"home: \d turns, last .*, began", outcome.out)
    assert re.search(r"trip: \d turns, last .*, began", outcome.out)
    assert "4 blocks of 32" in outcome.out
    assert "/forget    N:" in outcome.out


def test_forget_inside_the_chat(cli):
    """/forget N deletes the N-th memory of the last list, and only with a list to choose from."""
    cli("add", "Ada keeps bees.")
    outcome = cli("chat", stdin="/forget 1\n/recall bees\n/forget 2\n/forget 1\n/recall bees\n")
    assert outcome.status == 3
    assert "no memories are listed yet" in outcome.out
    assert "a number from 1 to 1" in outcome.out
    assert "forgotten: 1 record" in outcome.out
    assert outcome.out.endswith("nothing found\n")


def test_a_correction_may_begin_after_any_space(cli):
    """A tab parts number and text, or the end of a line; what was forgotten is not corrected."""
    cli("add", "Ada keeps bees.")
    outcome = cli(
        "chat", stdin="/recall bees\n/correct 1\tAda keeps goats.\n/forget 1\n/correct 1 Bees.\n"
    )
    assert outcome.status == 3
    assert re.search(r"\[1\] .* user: Ada keeps goats\.\n    before: ", outcome.out)
    assert outcome.out.endswith("memory [1] is already forgotten\n")


def test_what_cannot_be_done_does_not_end_the_chat(cli):
    """An unknown command is reported, a text longer than the context answered; the chat goes on."""
    outcome = cli("chat", "--json", stdin="/dance\n" + "bees " * 3000 + "\nHello.\n")
    assert outcome.status == 3
    assert "unknown command /dance" in outcome.err
    assert "were not read" in outcome.err
    assert len(outcome.out.splitlines()) == 2


# Knows a system prompt, a turn and its reply: no session with earlier turns can be opened with it.
SHORT = "{% if messages | length > 4 %}{{ raise_exception('one turn only') }}{% endif %}" + CHATML


def test_a_session_that_cannot_be_opened_does_not_end_the_chat(cli, monkeypatch, tmp_path):
    """The error is shown, and the chat goes on in the session that it was in."""
    monkeypatch.setenv("LMORT_TEMPERATURE", "0")  # a drawn reply may be empty: no exchange
    assert cli("chat", "--session", "long", stdin="Who keeps bees?\n").status == 0
    template = tmp_path / "short.jinja"
    template.write_text(SHORT)
    lines = "/session long\n/session\nHello there.\n"
    outcome = cli("chat", "--session", "home", "--template", template, stdin=lines)
    assert outcome.status == 3
    assert "one turn only" in outcome.out
    assert "session home" in outcome.out
    listed = cli("list", "--session", "home", "--role", "user", "--json").json
    assert [record["text"] for record in listed] == ["Hello there."]


def test_a_model_that_cannot_chat_does_not_end_the_chat(cli, monkeypatch, tmp_path):
    """The error is shown, and the chat goes on with the model and the session that it had."""
    monkeypatch.setenv("LMORT_TEMPERATURE", "0")
    other = write_tiny_gguf(tmp_path / "other.gguf", n_ctx=2048, chat_template=SHORT)
    lines = f"My name is Ada.\n/model {other}\n/model\n/session\nHello there.\n"
    outcome = cli("chat", "--session", "home", stdin=lines)
    assert outcome.status == 3
    assert "one turn only" in outcome.out
    assert "tiny-0.gguf" in outcome.out
    assert "session home" in outcome.out
    listed = cli("list", "--session", "home", "--role", "user", "--json").json
    assert {record["text"] for record in listed} == {"My name is Ada.", "Hello there."}


# Readline wants bracketed pastes only where it waits for a line; "> " alone may be an echo of one.
PROMPT = "\x1b[?2004h> "


class Tty:
    """`lmort-mem` on a terminal of its own."""

    def __init__(self, *arguments, term="xterm", prompt=PROMPT):
        """Start it and wait for the prompt."""
        self.shown = ""
        self.decoder = codecs.getincrementaldecoder("utf-8")()  # a read may end within a character
        self.child, self.fd = pty.fork()
        if not self.child:
            os.environ["TERM"] = term
            os.execv(sys.executable, [sys.executable, "-m", "lmort_memory.cli", *arguments])
        self.wait_for("> " if term == "dumb" else prompt)

    def wait_for(self, text, seconds=240):
        """Read until a text is shown."""
        assert self.shows(text, seconds), f"waited for {text!r}, shown is {self.shown!r}"

    def shows(self, text, seconds):
        """Read until a text is shown, the time is over, or the program has ended."""
        end = time.monotonic() + seconds
        while text not in self.shown:
            ready, _, _ = select.select([self.fd], [], [], max(0, end - time.monotonic()))
            try:
                self.shown += self.decoder.decode(os.read(self.fd, 4096)) if ready else ""
            except OSError:
                return False
            if not ready:
                return False
        return True

    def interrupt(self, answer):
        """Press Ctrl-C until it is answered, as a person does.

        Python's readline module sees one that comes before it waits for a key, or while readline
        still reads one, with the next key only; on one core with other work that is no rare case.
        """
        self.type("\x03")
        for again in range(30):
            if self.shows(answer, seconds=3):
                self.shown = self.shown.partition(answer)[2]
                if again:  # each that was pressed is answered: none may be left for what follows
                    self.shows(answer, seconds=3)
                return
            os.write(self.fd, b"x")
            time.sleep(0.5)  # Ctrl-C discards what has not been read
            os.write(self.fd, b"\x03")
        self.wait_for(answer, seconds=0)

    def leave(self, keys="/quit\r"):
        """Leave the chat, which ends well."""
        self.type(keys)
        assert self.status() == 0

    def type(self, text):
        """Type a text; what is shown from here on is new."""
        self.shown = ""
        os.write(self.fd, text.encode())

    def status(self, seconds=240):
        """Wait for the end and return the exit status."""
        end = time.monotonic() + seconds
        while True:
            try:
                if not select.select([self.fd], [], [], max(0, end - time.monotonic()))[0]:
                    os.kill(self.child, signal.SIGKILL)  # it would wait for ever, and the suite too
                if not os.read(self.fd, 4096):
                    break
            except OSError:
                break
        _, status = os.waitpid(self.child, 0)
        os.close(self.fd)
        return os.waitstatus_to_exitcode(status)


def test_a_chat_at_a_terminal(tiny, monkeypatch):
    """A person sees a prompt, the memories in one faint line, and leaves with Ctrl-D."""
    monkeypatch.setenv("LMORT_TEMPERATURE", "0")  # a drawn reply may be empty: no turn
    spawn("add", "Ada keeps bees.")
    terminal = Tty("chat")
    terminal.type("Who keeps bees?\r")
    terminal.wait_for("\x1b[2m[1] ")
    terminal.wait_for("Ada keeps bees.")
    terminal.wait_for(PROMPT)
    terminal.type('"""\rtwo\r')
    terminal.wait_for("… ")
    terminal.type('lines"""\r')
    terminal.wait_for(PROMPT)
    terminal.type("/sessions\r")
    terminal.wait_for("4 turns")
    terminal.wait_for(PROMPT)
    terminal.leave("\x04")
    hits = spawn("recall", "two lines", "--mode", "lexical", "--json").json["hits"]
    assert "two\nlines" in {hit["record"]["text"] for hit in hits}


def test_a_list_fits_the_terminal(tiny, monkeypatch):
    """Each memory that /recall finds is one line of the terminal, its score included."""
    monkeypatch.setenv("COLUMNS", "70")
    spawn("add", "Ada keeps bees in Trondheim, behind the house by the fence, where the sun comes.")
    terminal = Tty("chat")
    terminal.type("/recall bees\r")
    terminal.wait_for(")\x1b[0m\r\n")
    (line,) = re.findall(r"\[1\] .*score [\d.]+\)", terminal.shown)
    assert len(line) <= 70
    assert "Ada keeps bees" in line
    terminal.leave()


def until_stored(text):
    """Wait until the default database holds a record with this text."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        # The program may be just about to make it.
        with suppress(StoreError), SQLiteStore(default_db(), read_only=True) as store:
            if text in {record.text for record in store.records(Filter())}:
                return
        time.sleep(0.01)
    raise TimeoutError(f"{text!r} was not stored within a minute")


def test_ctrl_c_stops_the_reply_and_not_the_program(tiny, monkeypatch):
    """Ctrl-C ends a long reply, what was said is kept; at the prompt it only gives a hint."""
    monkeypatch.setenv("LMORT_MAX_TOKENS", "1500")
    monkeypatch.setenv("LMORT_TEMPERATURE", "0")  # so the tiny model goes on to the last of them
    terminal = Tty("chat")
    terminal.type("Tell me everything.\r")
    until_stored("Tell me everything.")  # then the reply has begun, however busy the machine
    terminal.type("\x03")
    terminal.wait_for("(stopped)")
    terminal.wait_for(PROMPT)
    terminal.interrupt("leave with Ctrl-D or /quit")
    terminal.wait_for(PROMPT)
    terminal.leave()
    hits = spawn("recall", "everything", "--mode", "lexical", "--json").json["hits"]
    assert hits[0]["record"]["text"] == "Tell me everything."


def test_a_pasted_text_is_one_turn_and_can_be_called_back(tiny):
    """Lines pasted together are one turn, and the arrow keys of a later chat bring it back."""
    terminal = Tty("chat")
    terminal.type("\x1b[200~first line\rsecond line\x1b[201~\r")
    terminal.wait_for("second line")
    terminal.wait_for(PROMPT)
    terminal.leave("\x04")
    listed = spawn("list", "--role", "user", "--json").json
    assert [record["text"] for record in listed] == ["first line\nsecond line"]
    terminal = Tty("chat")
    terminal.type("\x1b[A")
    terminal.wait_for("second line")
    terminal.interrupt("leave with Ctrl-D or /quit")  # drops the line
    terminal.wait_for(PROMPT)
    terminal.leave("\x04")


def test_what_is_typed_ahead_is_not_shown_twice(tiny):
    """Text typed while a line is answered, from its first moment on, shows at the next prompt."""
    terminal = Tty("chat")
    terminal.type("Hello.\r")
    terminal.wait_for("\n")
    time.sleep(0.05)
    terminal.type("typed ahead\r")
    terminal.wait_for(PROMPT)
    assert "typed ahead" not in terminal.shown.partition(PROMPT)[0]
    terminal.wait_for("typed ahead")
    terminal.shown = terminal.shown.partition("typed ahead")[2]
    terminal.wait_for(PROMPT)
    terminal.leave()


def test_no_color_is_respected(tiny, monkeypatch):
    """With NO_COLOR the terminal's chat is readable and without faint lines."""
    monkeypatch.setenv("NO_COLOR", "1")
    terminal = Tty("chat")
    terminal.type("/model\r")
    terminal.wait_for("4 blocks")
    assert "\x1b[2m" not in terminal.shown
    terminal.leave()


def test_a_reply_that_is_cut_off_says_so(tiny, monkeypatch):
    """Whoever waits for the end of a sentence learns why it does not come."""
    monkeypatch.setenv("LMORT_TEMPERATURE", "0")
    monkeypatch.setenv("LMORT_MAX_TOKENS", "3")
    terminal = Tty("chat")
    terminal.type("Who keeps bees?\r")
    terminal.wait_for("cut off here, its tokens were used up; --max-tokens N")
    terminal.wait_for(PROMPT)
    terminal.leave()


def test_ctrl_d_ends_a_block_and_not_the_chat(tiny):
    """What was typed over several lines is said, not thrown away."""
    terminal = Tty("chat")
    terminal.type('"""\rtwo\r')
    terminal.wait_for("… ")
    terminal.type("lines\r")
    terminal.wait_for("… ")
    terminal.type("\x04")
    terminal.wait_for(PROMPT)
    terminal.leave("\x04")
    listed = spawn("list", "--role", "user", "--json").json
    assert [record["text"] for record in listed] == ["two\nlines"]


def test_a_terminal_that_edits_no_lines_has_a_prompt(tiny):
    """A person in an editor's shell sees that it is their turn."""
    terminal = Tty("chat", term="dumb")
    terminal.type("Hello.\r")
    terminal.wait_for("\n> ")
    terminal.type("exit\r")
    assert terminal.status() == 0


def test_a_pasted_text_is_no_command(tiny):
    """A text of several lines may begin with a slash; only commands that take a text take lines."""
    terminal = Tty("chat")
    for pasted in ("/quit\rsecond line", "/nosuch\rthird line", "/add two\rlines"):
        terminal.type(f"\x1b[200~{pasted}\x1b[201~\r")
        terminal.wait_for("line")
        terminal.wait_for(PROMPT)
    terminal.leave("\x04")
    listed = spawn("list", "--role", "user", "--json").json
    wanted = ["/nosuch\nthird line", "/quit\nsecond line", "two\nlines"]
    assert sorted(record["text"] for record in listed) == wanted


def test_a_question_is_answered_or_stopped(tiny):
    """Enter is no; Ctrl-C is a stop, with its own status; with --yes nothing is asked at all."""
    spawn("add", "Ada keeps bees.", "--session", "told")
    spawn("add", "You said: Ada keeps bees.", "--session", "quoted")
    command = ("forget", "--session", "told")
    stopped = Tty(*command, prompt="Forget them too? [y/N]: ")
    time.sleep(0.5)  # until it waits for a key: see `interrupt`
    stopped.type("\x03")
    assert stopped.status() == 130
    refused = Tty(*command, prompt="Forget them too? [y/N]: ")
    refused.type("\r")
    refused.wait_for("Forget 1 records? [y/N]: ")
    refused.type("\r")
    assert refused.status() == 1
    assert len(spawn("list", "--json").json) == 2
    assert Tty(*command, "--yes", prompt="1 other records repeat some of it").status() == 0
    assert [record["session"] for record in spawn("list", "--json").json] == ["quoted"]
