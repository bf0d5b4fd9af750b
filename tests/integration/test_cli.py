"""`lmort-mem` from the outside: results, errors, exit statuses."""

import stat
import subprocess
import sys

import pytest

from lmort_memory.cli.terminal.hits import snippet
from tests.support.cli import Cli, spawn, write_tiny_pair


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
    assert "by meaning, 1 by words" in shown.out


LONG = (
    "# Garden\n\n## Bees\n\n"
    + "The roses are red and want water in the evening. " * 9
    + "The queen of the hive by the fence is three years old. "
    + "The lawn is cut on Saturdays. " * 6
)


def test_a_hit_shows_what_matches_under_its_headings(cli, tmp_path):
    """Of a long note the headings and the part with the question's words; --full shows it whole."""
    (tmp_path / "Garden.md").write_text(LONG)
    cli("import", tmp_path)
    asked = ("recall", "How old is the queen of the hive?", "-k", "1", "--mode", "lexical")
    heading, part, facts = cli(*asked).out.splitlines()
    assert heading == "1. Garden > Bees"
    assert part.startswith("   …")
    assert part.endswith("…")
    assert "queen of the hive by the fence" in part
    assert len(part) < 250
    assert "score" in facts
    assert "words" in facts
    assert facts.endswith(str(tmp_path / "Garden.md"))
    shown = cli(*asked, "--full").out
    assert LONG.partition("\n\n## Bees\n\n")[2].strip() in shown
    assert cli(*asked, "--json").json["hits"][0]["record"]["text"].startswith("Garden > Bees\n\n")


def test_an_answer_is_shown_behind_its_question(cli):
    """In quotes, since the question is another record."""
    cli("add", "What is your boat called?", "--role", "assistant", "--session", "talk")
    cli("add", "Havsula, and she leaks.", "--session", "talk")
    shown = cli("recall", "what is my boat called").out
    assert '. "What is your boat called?"\n   Havsula, and she leaks.\n' in shown
    assert ". What is your boat called?\n" in shown


@pytest.mark.parametrize("query", ["", "zzz", "the", "蜜蜂", "queen", "lawn cut"])
def test_a_snippet_is_a_part_of_one_line(query):
    """Whatever is asked, a part of the text is shown, cut at words and no longer than asked."""
    text = " ".join(LONG.split())
    found = snippet(LONG, query, 80)
    assert len(found) <= 80
    assert f" {found.strip('…').strip()} " in f" {text} "
    assert snippet("蜜蜂" * 100, query, 80).strip("…") in "蜜蜂" * 100
    assert snippet("Short.", query, 80) == "Short."


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
    assert found("--scope", "garden", "--since", "2024-06") == {"Bees in June"}
    assert found("--scope", "garden", "--since", "2024") == {"Bees in May", "Bees in June"}
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
    (folder / "text.gguf").write_text("this is not a model, whatever its name says\n" * 20)
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
        assert "tuner   at once: made in seconds, not fitted; `lmort-mem tuner make`" in shown
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
    assert cli("config", "scope").out == ""
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
        ("scope = ", "cannot read the settings file"),
        ("colour = 'blue'", "unknown setting 'colour'"),
        ("max_tokens = 'many'", "max_tokens must be a whole number"),
        ("temperature = true", "temperature must be a number"),
        ("stop = " + "[" * 100_000, "cannot read the settings file"),
        ('db = "a\\u0000b"', "holds a NUL"),
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


def test_an_empty_text_in_the_settings_file_is_unset(cli, home):
    """As an empty option and an empty variable: it is not the current folder."""
    (home / "config").mkdir()
    (home / "config" / "config.toml").write_text('db = ""\nscope = ""\n')
    assert cli("config", "--json").json["settings"]["db"]["origin"] == "default"
    assert cli("status").status == 0


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
