"""Small courtesies of the command line: what people type, and what their terminals can take."""

import json
import os
import subprocess
import sys

import pytest

from lmort_memory.types import Source, Turn
from tests.support.cli import Cli, spawn, write_tiny_pair

HOSTILE = "bees \x1b[2J\x1b]0;title\x07 \u009b31m \u202ebackwards"
OBEYED = ("\x1b", "\x07", "\u009b", "\u202e")


@pytest.fixture
def cli(tiny, monkeypatch, capsys):
    """The program, over an empty memory."""
    return Cli(monkeypatch, capsys)


@pytest.fixture
def hostile(cli):
    """A record whose every field tries to drive the terminal."""
    from lmort_memory import Memory

    with Memory.open(with_model=False) as memory:
        record = memory.add(
            Turn(
                HOSTILE,
                role=f"note{HOSTILE}",
                session=HOSTILE,
                metadata={"title": HOSTILE, HOSTILE: HOSTILE},
                source=Source(f"file:///{HOSTILE}"),
            )
        )
        memory.update(record.id, f"{HOSTILE} again")
    return record.id


def test_a_text_may_begin_with_a_dash(cli):
    """A list item is a text; an option that does not exist is still refused, with a hint."""
    assert cli("add", "- buy milk").status == 0
    assert cli("add", "--role", "note", "-> see the attic", "--session", "s").status == 0
    texts = {record["text"]: record["role"] for record in cli("list", "--json").json}
    assert texts == {"- buy milk": "user", "-> see the attic": "note"}
    refused = cli("add", "--rol", "x", "text")
    assert refused.status == 2
    assert "Put -- before a text that begins with a dash" in refused.err
    assert cli("add", "--", "-5").status == 0


def test_words_without_quotes_get_a_hint(cli):
    """Several words where one text is meant: the answer shows the command as it should be."""
    done = cli("add", "my", "sister", "keeps", "bees")
    assert done.status == 2
    assert 'add "my sister keeps bees"' in done.err


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (["recall", "--", "-5", "degrees"], 'recall -- "-5 degrees"'),
        (["edit", "01JB", "a", "new", "text"], 'edit 01JB "a new text"'),
        (["add", 'a "bee"', "for", "$5"], r'add "a \"bee\" for \$5"'),
        (["add", "-", "buy", "milk"], 'add -- "- buy milk"'),
    ],
)
def test_the_hint_is_a_command_that_works(cli, words, meant):
    """What stands before the text stays outside of the quotes, and a shell reads what was typed."""
    assert f"lmort-mem {meant}\n" in cli(*words).err


def test_a_byte_order_mark_is_no_text(cli):
    """Windows begins piped text with one."""
    cli("add", "-", stdin="\ufeffbees")
    assert [record["text"] for record in cli("list", "--json").json] == ["bees"]
    assert cli("chat", stdin="\ufeff/quit\n").status == 0
    assert len(cli("list", "--json").json) == 1


@pytest.mark.parametrize(
    "word",
    ["exit", "quit", "/exit", "/quit", ":q", " Exit ", "/quit now", "Exit.", "quit!", "Bye!"],
)
def test_leaving_is_understood(cli, word):
    """Words of goodbye end the chat, and are neither answered nor stored."""
    done = cli("chat", stdin=f"{word}\nnever read\n")
    assert done.status == 0
    assert cli("list", "--json").json == []


@pytest.mark.parametrize("text", ["exit strategies?", "exit?", "Quit smoking.", "/path/exit"])
def test_a_text_that_begins_like_a_goodbye_is_said(cli, text):
    """Only the word alone leaves."""
    assert cli("chat", stdin=f"{text}\n").status == 0
    assert text in [record["text"] for record in cli("list", "--json").json]


@pytest.mark.parametrize(
    ("typed", "meant"), [("/hlep", "/help"), ("/FOGRET 1", "/forget"), ("/quti", "/quit")]
)
def test_an_unknown_command_names_the_one_that_was_meant(cli, typed, meant):
    """A slip of the fingers is not a search through a list."""
    assert f"did you mean {meant}?" in cli("chat", stdin=f"{typed}\n/nosuch\n").out
    assert "unknown command /nosuch (/help" in cli("chat", stdin="/nosuch\n").out


def test_commands_of_a_conversation(cli, tmp_path):
    """/add remembers without a reply, /export writes, /clear begins anew, /forget wants a list."""
    out = tmp_path / "out.jsonl"
    done = cli("chat", stdin=f"/forget 1\n/add Ada keeps bees.\n/export {out}\n/clear\n/add\n")
    assert done.status == 3
    assert "no memories are listed yet" in done.out
    assert "1 records written" in done.out
    assert "a new conversation" in done.out
    assert "/add needs a text" in done.out
    assert json.loads(out.read_text().splitlines()[-1])["text"] == "Ada keeps bees."


def test_what_begins_like_a_command(cli):
    """Case, tabs and white space before it make no difference; a path is said to the model."""
    done = cli("chat", stdin="  /ADD\tAda keeps bees.\n/etc/hosts is wrong\n/nosuch\n")
    assert done.status == 3
    assert "unknown command /nosuch" in done.out
    said = [record["text"] for record in cli("list", "--role", "user", "--json").json]
    assert said == ["Ada keeps bees.", "/etc/hosts is wrong"]


def test_a_command_that_takes_nothing_ignores_nothing(cli):
    """What it cannot do is said, and so is a slip of slashes; neither is done or remembered."""
    done = cli("chat", stdin="/clear all\n/why 3\n//\n")
    assert done.status == 3
    assert "/clear takes no argument; found 'all'" in done.out
    assert "/why takes no argument; found '3'" in done.out
    assert "unknown command //" in done.out and "a new conversation" not in done.out
    assert cli("list").err == "nothing found\n"


def test_nobody_is_no_speaker(cli):
    """A role that is empty would be found by no name."""
    assert "the role is empty" in cli("add", "Bees.", "--role", "").err
    assert cli("list").err == "nothing found\n"


def test_numbers_of_a_list(cli):
    """[1] is 1; no number, nothing new and what is gone are answered, and the chat goes on."""
    lines = ["/add Ada keeps bees.", "/correct \u00b2 x", "/correct 1 Ada keeps bees."]
    lines += ["/forget \u00b2", "/forget [1]", "/forget 1", f"/forget {'9' * 5000}", "/sessions"]
    done = cli("chat", stdin="\n".join(lines))
    assert done.status == 3
    assert "/correct needs a number from 1 to 1" in done.out
    assert done.out.count("needs a number from 1 to 1") == 3
    assert "memory [1] says so already" in done.out
    assert "forgotten: 1 record" in done.out
    assert "memory [1] is already forgotten" in done.out
    assert done.out.endswith("no sessions yet\n")


def test_a_session_has_one_line(cli):
    """A name may have line ends; in a list they would be lines of their own."""
    done = cli(
        "chat", "--session", "two\n  lines: 9 turns", "--max-tokens", "1", stdin="Hi.\n/sessions\n"
    )
    assert "two lines: 9 turns: " in done.out


def test_what_breaks_every_reply_is_refused(cli):
    """An empty stop text would end each before it begins, and infinite heat is no temperature."""
    done = cli("chat", "--stop", "", stdin="Hi.\n")
    assert (done.status, done.out) == (2, "")
    assert "a stop text must not be empty" in done.err
    done = cli("chat", "--temperature", "inf", stdin="Hi.\n")
    assert (done.status, done.out) == (2, "")
    assert "temperature must be at least 0 and finite" in done.err


def test_forget_in_a_chat_lists_what_repeats_it(cli):
    """What still holds the text is listed, and can be forgotten from there."""
    cli("add", "The code of the gate of the old mill is 8306, says Ada.")
    lines = ["/add The code of the gate of the old mill is 8306", "/forget 1", "/forget 1"]
    done = cli("chat", stdin="\n".join(lines))
    assert "other memories repeat some of it" in done.out
    assert done.out.count("forgotten: 1 record") == 2
    assert cli("list", "--json").json == []


def test_names_of_files_in_a_chat(cli, tmp_path):
    """A name that no file can have does not end the chat; a dropped file comes in quotes."""
    out = tmp_path / "my file.jsonl"
    escaped = str(tmp_path / "other file.jsonl").replace(" ", "\\ ")
    plain = tmp_path / "it's mine.jsonl"
    lines = [f"/model {'a' * 300}", "/export -", f"/export '{out}'", f"/export {escaped}"]
    done = cli("chat", stdin="\n".join([*lines, f"/export {plain}"]))
    assert done.status == 3
    assert "File name too long" in done.out
    assert "/export needs the name" in done.out
    assert out.exists() and plain.exists() and (tmp_path / "other file.jsonl").exists()


def test_the_model_can_be_changed_inside_a_chat(cli, tmp_path):
    """/model GGUF goes on with the same session and another model."""
    other, _ = write_tiny_pair(tmp_path, seed=5)
    done = cli("chat", "--session", "s", stdin=f"hello there\n/model {other}\n/session\nand more\n")
    assert done.status == 0, done.out
    assert str(other) in done.out
    assert {record["session"] for record in cli("list", "--json").json} == {"s"}


@pytest.mark.parametrize(
    "arguments",
    [
        ["list"],
        ["show", "ID"],
        ["recall", "bees", "--mode", "lexical", "--full", "--explain"],
        ["list", "--json"],
        ["show", "ID", "--json"],
        ["status"],
    ],
)
def test_nothing_that_is_stored_can_drive_a_terminal(cli, hostile, arguments):
    """No command prints a control character, wherever in a record it stands."""
    done = cli(*(hostile if one == "ID" else one for one in arguments))
    assert done.status == 0
    assert not any(control in done.out + done.err for control in OBEYED)


def test_json_loses_nothing(cli, hostile):
    """What a terminal would obey is escaped in JSON, and is there when it is read."""
    assert cli("list", "--json").json[0]["text"] == f"{HOSTILE} again"


def test_joined_characters_stay_joined(cli):
    """An emoji of several parts and a space of another width are not controls."""
    family = "\N{MAN}\u200d\N{WOMAN}\u200d\N{GIRL}"
    cli("add", f"{family} at\u00a0nine")
    assert f"{family} at" in cli("list").out


@pytest.mark.parametrize(
    ("name", "value"),
    [("max_tokens", "0"), ("temperature", "-1"), ("temperature", "nan"), ("gpu_layers", "-2")],
)
def test_a_setting_that_cannot_work_is_refused(cli, name, value):
    """A value that would break the chat later is refused when it is set, and in the environment."""
    done = cli("config", name, "--", value)
    assert done.status == 2
    assert "must be" in done.err and "at least" in done.err


def test_speakers_are_checked_when_they_are_set(cli):
    """One name is not a conversation."""
    done = cli("config", "speakers", "Ada")
    assert done.status == 2
    assert "two different" in done.err


def test_a_setting_means_the_same_file_in_every_folder(cli, tmp_path, monkeypatch):
    """A relative path is stored in full; a home folder and a model's name stay as they are."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "chat.jinja").write_text("x")
    for name, value, stored in (
        ("template", "chat.jinja", str(tmp_path / "chat.jinja")),
        ("template", "plain", "plain"),
        ("tuner", "~/tuner.gguf", "~/tuner.gguf"),
        ("llama_lib", "nowhere", "nowhere"),
        ("db", "new.db", str(tmp_path / "new.db")),
    ):
        assert cli("config", name, value, "--json").json[name] == stored


def test_no_traceback_for_a_place_that_cannot_be(cli, monkeypatch):
    """An unknown user, a name that is too long, a database in memory: one line each."""
    for place in ("~nosuchuser/x.db", "/" + "a" * 400, ":memory:"):
        monkeypatch.setenv("LMORT_DB", place)
        done = cli("add", "x", "--model", "")
        assert done.status == 1
        assert done.err.count("\n") == 1 and done.err.startswith("lmort-mem: ")


def test_output_that_cannot_be_written(cli):
    """A full disk is one line; a reader that has seen enough gets no message at all."""
    cli("add", "bees")
    program = [sys.executable, "-m", "lmort_memory.cli", "list"]
    with open("/dev/full", "w") as full:  # noqa: PTH123
        done = subprocess.run(program, stdout=full, stderr=subprocess.PIPE, text=True)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(program, stdout=writer, stderr=subprocess.PIPE, text=True)
    os.close(writer)
    assert (done.returncode, done.stderr) == (1, "")
    done = subprocess.run(["sh", "-c", '"$@" >&-', "sh", *program], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert spawn("list").status == 0
