"""`lmort-mem` from the outside: results, errors, exit statuses."""

import json
import shlex
import stat
import subprocess
import sys

import pytest

from lmort_memory.cli._checks import count_connections
from tests.support.cli import Cli, spawn, write_tiny_pair


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """A tiny model and its tuner."""
    return write_tiny_pair(tmp_path_factory.mktemp("model"))


@pytest.fixture
def cli(monkeypatch, capsys, pair):
    """Run commands in this process, with the tiny model and its tuner in the environment."""
    monkeypatch.setenv("LMORT_MODEL", str(pair[0]))
    monkeypatch.setenv("LMORT_TUNER", str(pair[1]))
    return Cli(monkeypatch, capsys)


def files_below(folder):
    """Return the content of every file below a folder."""
    return {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_help_loads_nothing_heavy():
    """Help comes at once: no NumPy, no llama.cpp, no SQLite, no rich."""
    code = (
        "import sys; from lmort_memory.cli import run; assert run(['--help']) == 0;"
        " print(*sys.modules, sep='\\n', file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "recall" in done.stdout
    heavy = {"numpy", "llama_cpp", "sqlite3", "sqlite_utils", "rich", "torch", "hnswlib"}
    assert heavy & set(done.stderr.split()) == set()


def test_what_is_added_is_recalled(cli):
    """A text goes in, its id comes out, and a later command finds it."""
    added = cli("add", "My sister Ada keeps bees in Trondheim.")
    cli("add", "-", "--role", "note", stdin="The train to Oslo leaves at seven.\n")
    assert added.status == 0
    hits = cli("recall", "Where does my sister keep bees?", "--json").json["hits"]
    assert hits[0]["record"]["id"] == added.out.strip()
    assert hits[0]["record"]["text"] == "My sister Ada keeps bees in Trondheim."
    assert hits[0]["scores"]["dense"] is not None
    shown = cli("recall", "train", "-k", "1", "--mode", "lexical", "--explain")
    assert shown.out.startswith("1. The train to Oslo leaves at seven.\n")
    assert "note" in shown.out
    assert "bm25" in shown.out


def test_filters_narrow_what_is_recalled(cli):
    """Scope, role, time and metadata decide before the ranking does."""
    cli("add", "Bees in May", "--scope", "garden", "--at", "2024-05-01", "--metadata", '{"n": 1}')
    cli("add", "Bees in June", "--scope", "garden", "--at", "2024-06-01", "--metadata", '{"n": 2}')
    cli("add", "Bees at work", "--role", "assistant")

    def found(*options):
        hits = cli("recall", "bees", "--json", *options).json["hits"]
        return {hit["record"]["text"] for hit in hits}

    assert found() == {"Bees at work"}
    assert found("--scope", "*") == {"Bees in May", "Bees in June", "Bees at work"}
    assert found("--scope", "garden", "--since", "2024-05-15") == {"Bees in June"}
    assert found("--scope", "garden", "--until", "2024-05-15") == {"Bees in May"}
    assert found("--scope", "garden", "--where", '{"n": {"$gt": 1}}') == {"Bees in June"}
    assert found("--role", "user") == set()


def test_recall_by_words_loads_no_model(cli, monkeypatch):
    """Words need no model, so none is looked for, and a wrong one does not matter."""
    cli("add", "Ada keeps bees.")
    monkeypatch.setenv("LMORT_MODEL", "/nowhere.gguf")
    assert "Ada keeps bees." in cli("recall", "bees", "--mode", "lexical").out
    assert cli("recall", "bees").status == 1


def test_nothing_found_is_no_error(cli):
    """An empty result is an empty result; the remark about it goes to stderr."""
    outcome = cli("recall", "anything")
    assert (outcome.status, outcome.out, outcome.err) == (0, "", "nothing found\n")


@pytest.mark.parametrize(
    "arguments",
    [
        ["add"],
        ["add", " "],
        ["add", "text", "--metadata", "[1]"],
        ["add", "text", "--at", "soon"],
        ["recall", "text", "-k", "0"],
        ["recall", "text", "--mode", "psychic"],
        ["recall", "text", "--where", "{"],
        ["recall", "text", "--where", '{"a": {"$near": 1}}'],
        ["import"],
        ["config", "colour", "blue"],
        ["config", "max_tokens", "many"],
        ["bench"],
        ["nonsense"],
        ["recall", "text", "--no-such-option"],
    ],
)
def test_wrong_usage_is_exit_status_2(cli, arguments):
    """What the user typed wrongly is told apart from what failed."""
    outcome = cli(*arguments)
    assert outcome.status == 2
    assert outcome.out == ""
    assert "Error" in outcome.err


def broken_setups(folder, pair):
    """Return, by name, the options that cannot work; made below `folder`."""
    model, tuner = pair
    (folder / "text.gguf").write_text("this is no model, whatever its name says\n" * 20)
    (folder / "cut.gguf").write_bytes(model.read_bytes()[: model.stat().st_size // 2])
    (folder / "photo.db").write_bytes(b"\x89PNG\r\n" * 1000)
    other_model, _ = write_tiny_pair(folder, seed=1)
    return {
        "no model": ["--model", str(folder / "nowhere.gguf")],
        "no GGUF": ["--model", str(folder / "text.gguf")],
        "truncated": ["--model", str(folder / "cut.gguf")],
        "other tuner": ["--model", str(other_model), "--tuner", str(tuner)],
        "no database": ["--db", str(folder / "photo.db")],
    }


@pytest.mark.parametrize("name", ["no model", "no GGUF", "truncated", "other tuner", "no database"])
def test_an_error_is_one_line_and_changes_nothing(name, home, tmp_path, pair):
    """What cannot work is said in one line, with status 1, before a byte is written."""
    options = broken_setups(tmp_path, pair)[name]
    before = files_below(tmp_path) | files_below(home)
    environment = {"LMORT_MODEL": str(pair[0]), "LMORT_TUNER": str(pair[1])}
    outcome = spawn("recall", "anything", *options, environment=environment)
    assert (outcome.status, outcome.out) == (1, "")
    assert outcome.err.startswith("lmort-mem: ")
    assert outcome.err.count("\n") == 1
    assert "Traceback" not in outcome.err
    assert files_below(tmp_path) | files_below(home) == before


def test_a_model_without_a_tuner_adds_and_recalls(monkeypatch, capsys, pair):
    """One line says that there is no tuner; adding and recalling work all the same."""
    monkeypatch.setenv("LMORT_MODEL", str(pair[0]))
    cli = Cli(monkeypatch, capsys)
    added = cli("add", "Ada keeps bees.")
    assert added.status == 0
    assert added.err.count("\n") == 1
    assert "tuner" in added.err
    outcome = cli("recall", "bees", "--json")
    assert [hit["record"]["text"] for hit in outcome.json["hits"]] == ["Ada keeps bees."]
    for shown in (cli("status").out, cli("status", "--with-model").out):
        assert "tuner   at once: the model's layers as they are; `lmort-mem tuner make`" in shown
    assert cli("status", "--with-model", "--json").json["tier"] == "at once"
    checks = {check["name"]: check for check in cli("doctor", "--json").json}
    assert checks["tuner"]["state"] == "note"
    assert checks["tuner"]["mend"].startswith("lmort-mem tuner make --model")
    assert checks["vectors"]["state"] == "good"


def test_files_are_private(cli, home):
    """What is remembered can be read by its owner alone."""
    cli("add", "A secret.")
    cli("config", "scope", "work")
    for path in [home, *home.rglob("*")]:
        mode = stat.S_IMODE(path.stat().st_mode)
        assert mode & 0o077 == 0 or path == home, path


def test_status_counts(cli):
    """Status says what is there, with and without the model."""
    cli("add", "One.")
    found = cli("status", "--json").json
    assert found["store"]["records"] == 1
    assert found["store"]["spaces"][0]["vectors"] == 1
    assert found["model"] is None
    loaded = cli("status", "--with-model", "--json").json
    assert loaded["pending"] == 0
    assert loaded["space"] == found["store"]["spaces"][0]["name"]
    shown = cli("status").out
    assert "records   1;" in shown
    assert "index     none; every search is exact" in shown
    assert "tuner   not installed here" in shown  # it was named, not put where models find it
    assert "config.toml, none yet" in shown


def test_settings_come_from_option_environment_file_default(cli, monkeypatch, home):
    """The nearer wins: option over environment over file over default."""
    assert cli("config", "scope").out == "\n"
    assert cli("config", "scope", "from-file").status == 0
    assert cli("config", "scope").out == "from-file\n"
    cli("add", "In the file's scope.")
    monkeypatch.setenv("LMORT_SCOPE", "from-environment")
    cli("add", "In the environment's scope.")
    cli("add", "In the option's scope.", "--scope", "from-option")
    hits = cli("recall", "scope", "--scope", "*", "--json").json["hits"]
    assert {hit["record"]["scope"] for hit in hits} == {
        "from-file",
        "from-environment",
        "from-option",
    }
    settings = cli("config", "--json").json["settings"]
    assert settings["scope"] == {"value": "from-environment", "origin": "environment"}
    assert cli("config", "scope", "--unset").status == 0
    monkeypatch.delenv("LMORT_SCOPE")
    assert cli("config", "--json").json["settings"]["scope"]["origin"] == "default"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("scope = ", "cannot be read"),
        ("colour = 'blue'", "no setting is named 'colour'"),
        ("max_tokens = 'many'", "max_tokens must be a whole number"),
        ("temperature = true", "temperature must be a number"),
    ],
)
def test_a_bad_settings_file_is_an_error(cli, home, text, reason):
    """A setting that does not exist, or is of another type, is named and not passed over."""
    (home / "config").mkdir()
    (home / "config" / "config.toml").write_text(text)
    outcome = cli("status")
    assert outcome.status == 1
    assert reason in outcome.err
    assert outcome.err.count("\n") == 1


def test_a_settings_file_in_the_working_folder_is_not_read(cli, tmp_path, monkeypatch):
    """A folder that came from somewhere cannot choose the model or the database."""
    for name in ("config.toml", "lmort.toml", ".lmort.toml"):
        (tmp_path / name).write_text("scope = 'theirs'\n")
    monkeypatch.chdir(tmp_path)
    assert cli("config", "--json").json["settings"]["scope"]["origin"] == "default"


def test_settings_survive_odd_texts(cli):
    """Quotes, line ends and other scripts in a setting come back as they were."""
    text = 'Say "hi\\there",\nthen 蜜蜂\t\x7f.'
    cli("config", "system", text)
    assert cli("config", "--json").json["settings"]["system"]["value"] == text


def test_output_in_a_pipe_is_plain():
    """Without a terminal there is no colour and no progress."""
    outcome = spawn("status", environment={"FORCE_COLOR": "1", "TERM": "xterm-256color"})
    assert outcome.status == 0
    assert "\x1b" not in outcome.out + outcome.err


def test_the_shell_can_complete_commands():
    """The completion that `--install-completion` sets up knows the commands."""
    environment = {"COMP_WORDS": "lmort-mem rec", "COMP_CWORD": "1"}
    outcome = spawn(environment={"_LMORT_MEM_COMPLETE": "complete_bash", **environment})
    assert outcome.out.split() == ["recall"]


def test_list_and_show(cli):
    """The newest records are listed, pages follow an id, one record is shown with its history."""
    ids = [cli("add", f"Text {n}.", "--role", "note").out.strip() for n in range(5)]
    listed = cli("list", "-n", "2", "--json").json
    assert [record["id"] for record in listed] == ids[3:]
    page = cli("list", "-n", "2", "--after", ids[0], "--json").json
    assert [record["id"] for record in page] == ids[1:3]
    assert cli("list", "--until", "2020-01-01").out == ""
    assert cli("list").out.splitlines()[0].startswith(f"{ids[0]}  ")
    assert cli("edit", ids[0], "Text zero.").status == 0
    shown = cli("show", ids[0])
    assert shown.out.startswith("Text zero.\n")
    assert "Text 0." in shown.out
    found = cli("show", ids[0], "--json").json
    assert found["record"]["role"] == "note"
    assert [version["text"] for version in found["history"]] == ["Text 0."]


def test_edit_changes_text_and_metadata(cli):
    """What is changed is found, what was is not; nothing given, or an unknown id, is refused."""
    name = cli("add", "Ada keeps bees in Trondheim.").out.strip()
    assert cli("edit", name, "-", stdin="Ada keeps bees in Bergen.\n").status == 0
    assert cli("edit", name, "--metadata", '{"topic": "bees"}').status == 0
    hits = cli("recall", "Bergen", "--where", '{"topic": "bees"}', "--json").json["hits"]
    assert [hit["record"]["id"] for hit in hits] == [name]
    assert hits[0]["scores"]["dense"] is not None
    assert cli("recall", "Trondheim", "--mode", "lexical", "--json").json["hits"] == []
    assert cli("edit", name).status == 2
    assert cli("edit", name, " ").status == 2
    missing = cli("edit", "01JB2X4V8QW6T1Y0Z3N5M7K9PA", "Text.")
    assert (missing.status, missing.err.count("\n")) == (1, 1)


def test_forget_deletes_what_is_named(cli):
    """Ids are deleted at once, whole sessions and sources only when that is confirmed."""
    one, two = (cli("add", text, "--session", "s").out.strip() for text in ("One.", "Two."))
    cli("add", "Three.")
    assert cli("forget").status == 2
    assert cli("forget", "--session", "s").status == 2
    assert cli("forget", "--session", "nobody's").err == "nothing to forget\n"
    assert len(cli("list", "--json").json) == 3
    assert cli("forget", one, "01JB2X4V8QW6T1Y0Z3N5M7K9PA").status == 3
    receipt = cli("forget", "--session", "s", "--yes", "--json").json
    assert (receipt["records"], receipt["verified"]) == (1, True)
    assert [record["text"] for record in cli("list", "--json").json] == ["Three."]
    assert "no byte of their texts" in cli("forget", "--scope", "*", "--yes").out
    assert cli("show", two).status == 1


def test_export_and_backup_bring_everything_back(cli, tmp_path):
    """An export goes into a new database, a backup is one; neither overwrites a file."""
    cli("add", "Ada keeps bees.", "--scope", "garden", "--metadata", '{"n": 1}')
    before = cli("list", "--scope", "*", "--json").json
    for command, name in (("export", "all.jsonl"), ("backup", "copy.db")):
        assert cli(command, tmp_path / name).status == 0
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600
        refused = cli(command, tmp_path / name)
        assert (refused.status, refused.err.count("\n")) == (1, 1)
    fresh = ["--db", tmp_path / "fresh.db"]
    assert cli("import", tmp_path / "all.jsonl", *fresh).status == 0
    assert cli("list", "--scope", "*", "--json", *fresh).json == before
    assert cli("list", "--scope", "*", "--json", "--db", tmp_path / "copy.db").json == before


def add_notes(cli, folder, count):
    """Store notes of some length without vectors."""
    lines = [json.dumps({"text": f"Text {number}. " * 100}) for number in range(count)]
    (folder / "notes.jsonl").write_text("\n".join(lines))
    assert cli("import", folder / "notes.jsonl", "--no-vectors").status == 0


def test_verify_tells_sound_from_damaged(cli, home, tmp_path):
    """A sound database is called sound; one with a damaged page is not, with status 1."""
    add_notes(cli, tmp_path, 100)
    assert cli("verify").status == 0
    (database,) = home.rglob("memory.db")
    data = bytearray(database.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 4096] = bytes(4096)
    database.write_bytes(data)
    outcome = cli("verify", "--json")
    assert outcome.status == 1
    assert outcome.json["problems"]


def test_reencode_makes_missing_vectors(cli, tmp_path):
    """What was stored without vectors gets them, once."""
    (tmp_path / "note.md").write_text("Bees.\n")
    assert cli("import", tmp_path, "--no-vectors").status == 0
    assert cli("status", "--json").json["store"]["spaces"] == []
    assert cli("reencode", "--json").json["encoded"] == 1
    assert cli("reencode", "--json").json["encoded"] == 0
    assert cli("status", "--json").json["store"]["spaces"][0]["vectors"] == 1


def test_gc_gives_space_back(cli, tmp_path):
    """The file becomes no larger by cleaning, and stays sound."""
    add_notes(cli, tmp_path, 100)
    result = cli("gc", "--json").json
    assert result["after_bytes"] <= result["before_bytes"]
    assert cli("verify").status == 0


def test_doctor_finds_everything_in_order(cli):
    """With all in place every check is good, and no connection was tried."""
    cli("add", "Ada keeps bees.")
    outcome = cli("doctor", "--json")
    assert outcome.status == 0
    states = {check["name"]: check["state"] for check in outcome.json}
    assert set(states.values()) <= {"good", "note"}
    assert {"python", "compiler", "llama.cpp", "sqlite", "model", "tuner", "database"} <= set(
        states
    )
    offline = outcome.json[-1]
    assert (offline["name"], offline["found"]) == ("offline", "0 connections were tried")


def test_doctor_names_the_command_for_what_is_wrong(cli, tmp_path):
    """What is wrong is marked, has the command that mends it, and makes status 1."""
    (tmp_path / "photo.db").write_bytes(b"\x89PNG\r\n" * 1000)
    outcome = cli("doctor", "--model", tmp_path / "nowhere.gguf", "--db", tmp_path / "photo.db")
    assert outcome.status == 1
    assert "FAIL model" in outcome.out
    assert "lmort-mem doctor    # without --model" in outcome.out
    assert "FAIL database" in outcome.out
    assert "lmort-mem doctor    # without --db" in outcome.out


def test_doctor_knows_where_a_wrong_name_comes_from(cli, monkeypatch, pair, tmp_path):
    """A wrong tuner of the settings file, or model of the environment, is taken back there."""
    cli("config", "tuner", str(tmp_path / "nowhere.gguf"))
    monkeypatch.delenv("LMORT_TUNER")
    outcome = cli("doctor")
    assert outcome.status == 1
    assert "FAIL tuner" in outcome.out
    assert "lmort-mem config tuner --unset" in outcome.out
    assert cli("config", "tuner", "--unset").status == 0
    monkeypatch.setenv("LMORT_MODEL", str(tmp_path / "nowhere.gguf"))
    outcome = cli("doctor")
    assert "FAIL model" in outcome.out
    assert "unset LMORT_MODEL" in outcome.out


def test_doctor_says_how_to_save_a_damaged_database(cli, home, tmp_path):
    """The commands that it names for a damaged database are run as they stand, and save it."""
    add_notes(cli, tmp_path, 100)
    (database,) = home.rglob("memory.db")
    data = bytearray(database.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 4096] = bytes(4096)
    database.write_bytes(data)
    checks = {check["name"]: check for check in cli("doctor", "--json").json}
    assert checks["database"]["state"] == "bad"
    export, _, restore = checks["database"]["mend"].partition(" && ")
    for line in (export, restore):
        program, *arguments = shlex.split(line)
        assert program == "lmort-mem"
        arguments = [a.replace("saved.jsonl", str(tmp_path / "s.jsonl")) for a in arguments]
        assert cli(*arguments).status == 0
    saved = cli("verify", "--json", "--db", f"{database}.new").json
    assert saved["problems"] == []
    assert 90 <= saved["readable"] < 100
    refused = cli("export", tmp_path / "whole.jsonl")
    assert (refused.status, (tmp_path / "whole.jsonl").exists()) == (1, False)


def test_the_offline_check_sees_connections():
    """The count is of real attempts: one that Python is about to make is counted."""
    with count_connections() as attempts:
        sys.audit("socket.connect", None, ("203.0.113.1", 443))
    sys.audit("socket.connect", None, ("203.0.113.2", 443))
    assert attempts == ["socket.connect ('203.0.113.1', 443)"]


def test_a_dry_run_estimates_and_stores_nothing(cli, tmp_path):
    """--dry-run says files, turns, tokens, time and disk, and the memory stays empty."""
    (tmp_path / "Ada.md").write_text("# Ada\n\nKeeps bees.\n")
    outcome = cli("import", tmp_path, "--dry-run")
    assert outcome.status == 0
    assert [line.split()[0] for line in outcome.out.splitlines()] == [
        "files",
        "turns",
        "tokens",
        "time",
        "disk",
    ]
    assert cli("import", tmp_path, "--dry-run", "--json").json["turns"] == 1
    assert cli("list", "--json").json == []


def test_import_reports_and_says_what_is_partly_done(cli, tmp_path):
    """What came in is counted, what did not is named; only a damaged file makes status 3."""
    (tmp_path / "Ada.md").write_text("# Ada\n\nKeeps bees.\n")
    (tmp_path / "photo.png").write_bytes(b"\x89PNG\0")
    assert cli("import", tmp_path).status == 0
    for number in range(12):
        (tmp_path / f"script-{number:02}.py").write_text("print()")
    outcome = cli("import", tmp_path)
    assert (outcome.status, outcome.out) == (0, "")
    assert "0 files read, 1 unchanged" in outcome.err
    assert "skipped: 1 x binary file (.png)" in outcome.err
    assert "of no known format: 12 x .py" in outcome.err
    assert "script-09.py: no importer reads .py\n  and 2 more" in outcome.err
    assert "script-11.py: no importer reads .py" in cli("import", tmp_path, "-v").err
    (tmp_path / "broken.md").write_bytes(b"caf\xe9")
    outcome = cli("import", tmp_path)
    assert outcome.status == 3
    assert "not imported, 1:\n" in outcome.err
    assert f"  {tmp_path / 'broken.md'} is not UTF-8" in outcome.err
    (tmp_path / "broken.md").unlink()
    result = cli("import", tmp_path, "--json").json
    assert result["import"]["unchanged"] == 1
    (tmp_path / "Ada.md").unlink()
    (tmp_path / "Bo.md").write_text("Bakes.")
    assert cli("import", tmp_path, "--json").json["deleted"] == [str(tmp_path / "Ada.md")]
    assert cli("import", tmp_path, "--prune", "--json").json["pruned"] == 1
    refused = cli("import", tmp_path / "script-00.py")
    assert (refused.status, refused.err.count("\n")) == (1, 1)
