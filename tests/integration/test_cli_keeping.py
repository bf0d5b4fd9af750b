"""`lmort-mem` looks after what is remembered: list to forget, export, verify, doctor, import."""

import json
import shlex
import stat
import sys

from lmort_memory.cli.checks import count_connections


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
    assert (offline["name"], offline["found"]) == ("offline", "0 connections were attempted")


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
    page = data.index(b"Text 50. ") // 4096 * 4096  # one that holds records
    data[page : page + 4096] = bytes(4096)
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


def test_forget_refuses_a_condition_that_names_nothing(cli):
    """`--where {}` is a mistake of whatever wrote it, and not a wish to lose everything."""
    cli("add", "Ada keeps bees.")
    refused = cli("forget", "--where", "{}", "--yes")
    assert refused.status == 2 and "matches every record" in refused.err
    assert "Ada keeps bees." in cli("list").out


def test_forget_takes_a_relative_path(cli, tmp_path, monkeypatch):
    """A file is named as the shell completes it, wherever it was imported from."""
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "Ada.md").write_text("Keeps bees.")
    assert cli("import", tmp_path / "notes").status == 0
    monkeypatch.chdir(tmp_path)
    done = cli("forget", "--source", "notes/Ada.md", "--yes")
    assert done.status == 0 and "forgotten: 1 records" in done.out
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
    assert "unknown format: 12 x .py" in outcome.err
    assert "script-09.py: no importer reads .py\n  and 2 more" in outcome.err
    assert "script-11.py: no importer reads .py" in cli("import", tmp_path, "-v").err
    (tmp_path / "broken.md").write_bytes(bytes(range(256)))
    outcome = cli("import", tmp_path)
    assert outcome.status == 3
    assert "not imported, 1:\n" in outcome.err
    assert f"  {tmp_path / 'broken.md'} is binary or in another encoding" in outcome.err
    (tmp_path / "broken.md").unlink()
    result = cli("import", tmp_path, "--json").json
    assert result["import"]["unchanged"] == 1
    (tmp_path / "Ada.md").unlink()
    (tmp_path / "Bo.md").write_text("Bakes.")
    assert cli("import", tmp_path, "--json").json["deleted"] == [str(tmp_path / "Ada.md")]
    assert cli("import", tmp_path, "--prune", "--json").json["pruned"] == 1
    refused = cli("import", tmp_path / "script-00.py")
    assert (refused.status, refused.err.count("\n")) == (1, 1)
