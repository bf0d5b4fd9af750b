"""`lmort-mem` in the hands of a stranger: slips are named, and nothing odd is done in silence."""

import json
import os
import re
import subprocess
import sys
from datetime import datetime
from importlib.metadata import version

import pytest

from lmort_memory import LmortError, Memory, Turn
from tests.support.cli import spawn


def test_the_version_is_told(cli):
    """--version prints the version of the package that is installed."""
    assert cli("--version").out == f"lmort-mem {version('lmort-memory')}\n"


def test_ctrl_c_while_the_program_loads_is_no_traceback(monkeypatch):
    """Status 130, as after every other Ctrl-C."""
    from lmort_memory.start import main

    class Loading:
        def __getattr__(self, name):
            raise KeyboardInterrupt

    monkeypatch.setattr(sys, "argv", ["lmort-mem", "list"])
    monkeypatch.setitem(sys.modules, "lmort_memory.cli", Loading())
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 130


def test_a_backup_makes_no_folder(cli, tmp_path):
    """A folder that is not there may be a disk that is not mounted: it is named, and not made."""
    done = cli("backup", tmp_path / "disk" / "copy.db")
    assert done.status == 1
    assert f"there is no folder {tmp_path / 'disk'} — create it" in done.err
    assert not (tmp_path / "disk").exists()


def test_a_new_database_is_announced(cli, tmp_path):
    """A name that was mistyped would else be an empty memory without a word."""
    path = tmp_path / "mistyped.db"
    assert cli("recall", "bees", "--db", path).err == f"a new database: {path}\nnothing found\n"
    assert cli("recall", "bees", "--db", path).err == "nothing found\n"


@pytest.mark.parametrize(
    "command",
    [("backup", "copy"), ("export", "copy"), ("export", "-"), ("verify",), ("audit",), ("gc",)],
)
def test_what_saves_or_checks_a_database_makes_none(cli, tmp_path, monkeypatch, command):
    """A name that was mistyped is no sound memory, and no backup of a new one is any use."""
    monkeypatch.chdir(tmp_path)
    done = cli(*command, "--db", "mistyped.db")
    assert (done.status, done.out) == (1, "")
    assert "there is no database at mistyped.db — name an existing one with --db" in done.err
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_said_to_be_nothing(cli):
    """An empty list says so, on stderr; a search for nothing is a slip."""
    empty = cli("list")
    assert (empty.status, empty.out, empty.err) == (0, "", "nothing found\n")
    assert json.loads(cli("list", "--json").out) == []
    assert cli("recall", " ").status == 2


def test_records_that_are_not_there_are_not_forgotten(cli):
    """Status 1 where none of the records that were named was there, 3 where some were."""
    (known, other) = (cli("add", text).out.strip() for text in ("One.", "Two."))
    absent = "no record has the id '01JB2X4V8QW6T1Y0Z3N5M7K9PA'\n"
    none = cli("forget", "01JB2X4V8QW6T1Y0Z3N5M7K9PA")
    assert none.status == 1
    assert none.err.endswith(f"of 1 records named, 0 existed; {absent}")
    some = cli("forget", known, "01JB2X4V8QW6T1Y0Z3N5M7K9PA")
    assert some.status == 3
    assert some.err == f"of 2 records named, 1 existed; {absent}"
    assert cli("forget", other).status == 0


@pytest.mark.parametrize(
    "command",
    [("list", "--after", "zzz"), ("show", "zzz"), ("forget", "--source", "zzz", "--yes")],
)
def test_what_is_not_there_is_named(cli, command):
    """An id or a source that no record has is a mistake, not a list without entries."""
    cli("add", "Bees.")
    done = cli(*command)
    assert (done.status, done.out) == (1, "") and "'zzz'" in done.err
    assert len(cli("list", "--json").json) == 1


@pytest.mark.parametrize("command", ["recall", "list"])
def test_a_count_beyond_all_bounds_is_a_slip(cli, command):
    """More records than SQLite can count are refused as usage, not as a crash."""
    text = ["bees"] if command == "recall" else []
    flag = "-k" if command == "recall" else "-n"
    assert cli(command, *text, flag, "1" + "0" * 20).status == 2
    assert cli(command, *text, flag, "1000000").status == 0


def test_an_argument_that_is_no_text_is_refused(cli):
    """What is not UTF-8 is named: it may be the name of a file, and no other name is tried."""
    for done in (cli("add", "bees \udcff"), cli("list", "--session", "\udcff")):
        assert done.status == 2
        assert "not UTF-8 text" in done.err


def test_bytes_of_stdin_that_are_no_text_are_replaced_and_counted(cli):
    """A slip in a long text costs its character and not the text."""
    command = [sys.executable, "-m", "lmort_memory.cli", "add", "-"]
    piped = subprocess.run(command, input=b"bees \xff", capture_output=True, check=False)
    assert piped.returncode == 0
    assert b"stdin was not all UTF-8; replaced by U+FFFD: 1 x" in piped.stderr
    assert "bees \ufffd" in cli("list").out


def test_a_terminal_without_the_letters_gets_them_escaped(cli):
    """Where stdout is ASCII a text is shown with escapes, and JSON stays JSON."""
    cli("add", "The ferry to Ørland.")
    plain = {"PYTHONIOENCODING": "ascii", **{k: os.environ[k] for k in ("LMORT_MODEL",)}}
    assert "The ferry to \\xd8rland." in spawn("list", environment=plain).out
    shown = spawn("list", "--json", environment=plain).out
    assert "\\u00d8" in shown
    assert json.loads(shown)[0]["text"] == "The ferry to Ørland."


def test_an_export_goes_through_a_pipe(cli, tmp_path):
    """With - the records come out on stdout, and go into another memory from there."""
    cli("add", "The ferry to Ørland.")
    done = cli("export", "-")
    assert done.err == "1 records\n"
    (tmp_path / "piped.jsonl").write_text(done.out, encoding="utf-8")
    other = tmp_path / "other.db"
    assert cli("import", tmp_path / "piped.jsonl", "--db", other).status == 0
    assert cli("list", "--db", other, "--json").json == cli("list", "--json").json
    assert cli("export", "-", "--salvage").status == 2


def test_settings_that_cannot_be_meant_are_refused(cli):
    """No number that is none, no empty value, no value beside --unset; a nought is shown."""
    for wrong in (
        ("temperature", "nan"),
        ("system", ""),
        ("--unset",),
        ("system", "--unset", "Be brief."),
    ):
        assert cli("config", *wrong).status == 2
    assert cli("config", "temperature", "0").status == 0
    assert cli("config", "temperature").out == "0.0\n"
    unset = cli("config", "system")
    assert (unset.out, unset.err) == ("", "not set\n")


def test_an_empty_option_is_one_that_was_not_given(cli, pair):
    """A script may pass --model "$MODEL" with MODEL unset."""
    assert cli("model", "info", "").out.startswith(f"file          {pair[0]}")
    assert cli("add", "Ada keeps bees.", "--model", "", "--tuner", "").status == 0


@pytest.mark.parametrize(
    "command",
    [
        ("import", "--prune"),
        ("watch",),
        ("export",),
        ("backup",),
        ("backup", "--keep", "2"),
        ("restore", "--yes"),
        ("sync",),
        ("copy", "other.db"),
        ("serve", "--watch"),
    ],
)
def test_an_empty_place_is_not_the_current_folder(cli, tmp_path, monkeypatch, command):
    """A script whose variable is not set neither takes in everything here nor deletes it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "secret.md").write_text("The code is 1234.")
    done = cli(*command, "")
    assert done.status == 2 and "is empty — name a file or folder" in done.err
    assert cli("list").err == "nothing found\n"


@pytest.mark.parametrize(
    "command",
    [
        ("serve", "--watch="),
        ("install", "cursor", "--file", ""),
        ("add", "Bees.", "--passphrase-file", ""),
        ("encrypt", "--new-passphrase-file="),
        ("tuner", "make", "--work", ""),
    ],
)
def test_an_empty_option_that_is_a_place_is_not_the_current_folder_either(cli, command):
    """Read as a path it would be "."; the current folder can still be named so."""
    done = cli(*command)
    assert done.status == 2 and "is empty — name a file or folder" in done.err
    named = cli("add", "Bees.", "--passphrase-file", ".")
    assert named.status == 1 and "the passphrase file . cannot be read" in named.err


@pytest.mark.parametrize("option", ["--scope", "--session", "--source"])
def test_an_empty_name_forgets_nothing(cli, option):
    """`forget --scope "$S" --yes` with S unset is no request to forget the default scope."""
    cli("add", "Ada keeps bees.")
    done = cli("forget", option, "", "--yes")
    assert done.status == 2 and f"{option} is empty" in done.err
    assert len(cli("list", "--json").json) == 1


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("recall", "bees", "-k", "0"), "greater than or equal to 1; found '0'"),
        (("add", "bees", "--threads", "many"), "a valid integer"),
        (("add", "bees", "--threads", "many"), "found 'many'"),
        (("tuner", "make", "--minutes", "-1"), "greater than or equal to 0; found '-1'"),
        (("recall", "bees", "--mode", "fuzzy"), "'--mode': 'fuzzy' is not one of 'hybrid'"),
    ],
)
def test_a_value_that_is_refused_is_shown(cli, arguments, says):
    """What a command refuses may come from a script that does not show it."""
    done = cli(*arguments)
    assert done.status == 2 and says in done.err


@pytest.mark.parametrize("url", ["sqlite:///notes.db", "mysql://ada:secret@db/notes", "FILE:///n"])
def test_a_url_that_is_no_database_is_refused(cli, tmp_path, monkeypatch, url):
    """It is no path of folders named "sqlite:"; what it may hold of a password is not shown."""
    monkeypatch.chdir(tmp_path)
    for command in (("list", "--db", url), ("copy", url, "n.db"), ("config", "db", url)):
        done = cli(*command)
        assert done.status != 0 and "a database is a file or postgresql://USER@HOST" in done.err
        assert "secret" not in done.err
    assert "FAIL database" in cli("doctor", "--db", url).out
    with pytest.raises(LmortError, match="a database is a file or postgresql"):
        Memory.open(url, with_model=False)
    assert list(tmp_path.iterdir()) == []


def test_shown_metadata_can_be_given_back(cli):
    """It is JSON, as `edit --metadata` takes it."""
    metadata = {"done": True, "with": ["Åse", None]}
    id_ = cli("add", "Bees.", "--metadata", json.dumps(metadata)).out.strip()
    (shown,) = re.findall(r"^metadata +(.+)$", cli("show", id_).out, re.MULTILINE)
    assert json.loads(shown) == metadata
    assert cli("edit", id_, "--metadata", shown).status == 0


def test_a_model_that_is_not_there_leaves_the_chat_as_it_was(cli):
    """/model with a wrong name says so, and the conversation goes on with the old model."""
    done = cli("chat", stdin="/model other.gguf\n/model\n")
    assert done.status == 3
    assert "there is no model file at other.gguf" in done.out
    assert "4 blocks" in done.out


@pytest.mark.parametrize("command", [["eval"], ["analyze", "--out", "analysis"]])
def test_a_folder_that_is_no_set_is_told_what_a_set_is(cli, tmp_path, command):
    """The file that is missing is named, and so is the layout that is expected."""
    lacking = cli("tuner", *command, "--data", tmp_path)
    assert lacking.status == 1
    assert lacking.err.startswith(f"lmort-mem: {tmp_path} has no file qrels.tsv — a set in BEIR")
    assert "corpus.jsonl" in lacking.err
    assert "Errno" not in lacking.err
    assert "is not a folder" in cli("tuner", *command, "--data", tmp_path / "none").err


def test_an_unknown_option_before_any_command_turns_nothing_around(cli):
    """A mark of direction in it does not reach the terminal."""
    done = cli("--x\u202eoption")
    assert done.status == 2 and "--xoption" in done.err


@pytest.mark.parametrize(
    ("address", "option"),
    [
        ("'a..b', 0", "--host"),
        ("'x' * 70, 0", "--host"),
        ("'\u202e', 0", "--host"),
        ("'192.0.2.1', 0", "--host"),  # of documentation, so no machine's own
        ("'127.0.0.1', (taken := listen('127.0.0.1', 0)).getsockname()[1]", "--port"),
    ],
)
def test_an_address_that_cannot_be_taken_is_one_line(address, option):
    """It names the option at fault; a name that cannot be encoded is no traceback either."""
    program = (
        "import sys; from lmort_memory.errors import LmortError\n"
        "from lmort_memory.serve.running import listen\n"
        f"try:\n    listen({address})\n"
        "except LmortError as error:\n    sys.exit(str(error))"
    )
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stderr.startswith("cannot listen on") and len(done.stderr.splitlines()) == 1
    assert f"choose another with {option}" in done.stderr


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("NaN", "no nan"),
        ("Infinity", "no inf"),
        ("-Infinity", "no -inf"),
        ("1" * 400, "1023 are the most"),
        ("1" * 5_000, "5000 digits"),
        ("[" * 150 + "]" * 150, "deeper than 100 levels"),
    ],
)
def test_metadata_that_cannot_be_stored_is_a_slip(cli, value, reason):
    """What JSON or the store has no room for is named in a few lines, not shown in a traceback."""
    name = cli("add", "Bees.").out.strip()
    for command in (("add", "Wasps."), ("edit", name)):
        refused = cli(*command, "--metadata", f'{{"a": {value}}}')
        assert refused.status == 2 and reason in refused.err
        assert len(refused.err) < 400


def test_a_date_that_can_be_two_days_is_refused(cli):
    """A record stays dated as it was added, so nobody guesses; what is clear is read."""
    refused = cli("add", "Bees.", "--at", "3/4/2024")
    assert refused.status == 2 and "is one day in Britain and another in America" in refused.err
    for said, day in (("31.12.2023", "2023-12-31"), ("4.5.2024", "2024-05-04")):
        cli("add", f"Bees on {said}.", "--at", said)
        (record,) = cli("list", "-n", "1", "--since", day, "--json").json
        assert datetime.fromisoformat(record["created_at"]).astimezone().date().isoformat() == day


def test_nothing_is_stored_in_all_scopes(cli, tmp_path, monkeypatch):
    """What lay in a scope named "*" could not be told from everything, nor forgotten alone."""
    (tmp_path / "n.md").write_text("Bees.")
    for command in (("add", "Bees."), ("import", tmp_path / "n.md"), ("watch", tmp_path)):
        refused = cli(*command, "--scope", "*")
        assert refused.status == 2 and "means all scopes" in refused.err
    monkeypatch.setenv("LMORT_SCOPE", "*")
    refused = cli("add", "Bees.")
    assert refused.status == 2 and "it comes from $LMORT_SCOPE" in refused.err
    assert cli("list").err == "nothing found\n"
    monkeypatch.delenv("LMORT_SCOPE")
    cli("config", "scope", "*")
    assert "lmort-mem config scope" in cli("add", "Bees.").err
    assert 'in this scope; "*": in all scopes' in cli("forget", "--help").out
    with pytest.raises(ValueError, match='"\\*" means all'):
        Turn("Bees.", scope="*")
