"""`lmort-mem` with a URL in place of a file: no command prints the password."""

import pytest

from lmort_memory.store import Filter, SQLiteStore
from lmort_memory.types import Turn
from tests.support.cli import Cli

PASSWORD = "s3cret-p%40ss"
NEEDLES = ("s3cret", "p@ss")


@pytest.fixture
def cli(monkeypatch, capsys):
    """Call the command line in this process."""
    return Cli(monkeypatch, capsys)


@pytest.fixture
def url(postgres):
    """A URL with a password, which this server does not ask for."""
    return postgres.url(f"postgres:{PASSWORD}", schema=postgres.fresh_schema(), pool_size=2)


def _clean(outcome):
    assert not any(needle in outcome.out + outcome.err for needle in NEEDLES), outcome
    return outcome


def test_commands_work_on_a_server(cli, url, tmp_path):
    """Commands for records and upkeep take a URL, and print no password."""
    with_db = ("--db", url)
    for text in ("Ada keeps bees.", "Bob keeps ants."):
        done = _clean(cli("import", _note(tmp_path, text), "--no-vectors", *with_db))
        assert done.status == 0, done.err
    listed = _clean(cli("list", "--json", *with_db))
    assert len(listed.json) == 2
    status = _clean(cli("status", "--json", *with_db))
    assert status.json["store"]["records"] == 2
    assert status.json["store"]["url"].startswith("postgresql://postgres@/postgres?host=")
    assert "database  postgresql://postgres@" in _clean(cli("status", *with_db)).out
    assert _clean(cli("verify", *with_db)).status == 0
    forgotten = _clean(cli("forget", "--scope", "default", "--yes", "--json", *with_db))
    assert forgotten.json["records"] == 2 and "replicas" in " ".join(forgotten.json["limits"])
    assert _clean(cli("gc", *with_db)).status == 0
    backup = _clean(cli("backup", tmp_path / "backup.db", *with_db))
    assert backup.status == 0 and (tmp_path / "backup.db").stat().st_mode & 0o777 == 0o600


def _note(folder, text):
    path = folder / f"{text.split()[0]}.md"
    path.write_text(text)
    return path


def test_copy_goes_both_ways(cli, url, tmp_path):
    """A file is copied to a server and back, with equal hashes, and never onto itself."""
    with SQLiteStore(tmp_path / "memory.db") as store:
        store.add([Turn(f"turn {i}") for i in range(20)])
        records = list(store.records(Filter()))
    there = _clean(cli("copy", tmp_path / "memory.db", url, "--json"))
    assert there.status == 0, there.err
    assert there.json["new"] == 20 and there.json["to"].startswith("postgresql://postgres@")
    back = _clean(cli("copy", url, tmp_path / "back.db", "--json"))
    assert back.json["tallies"] == there.json["tallies"]
    with SQLiteStore(tmp_path / "back.db") as store:
        assert list(store.records(Filter())) == records
    again = _clean(cli("copy", tmp_path / "memory.db", url))
    assert again.status == 0 and "0 records copied" in again.err
    assert cli("copy", tmp_path / "memory.db", tmp_path / "memory.db").status == 2
    assert "there is no database" in cli("copy", tmp_path / "no.db", url).err


@pytest.mark.parametrize(
    "command", [["encrypt"], ["decrypt"], ["passphrase"], ["restore", "x.db", "--yes"]]
)
def test_commands_for_files_say_so(cli, url, command):
    """What works on files alone is refused in one line, without the password."""
    done = _clean(cli(*command, "--db", url))
    assert done.status == 1 and "is on a server" in done.err


def test_settings_show_no_password(cli, url):
    """The settings hold the URL, and show it without its password."""
    _clean(cli("config", "db", url))
    assert _clean(cli("config", "db")).out.startswith("postgresql://postgres@")
    _clean(cli("config"))
    _clean(cli("config", "--json"))
    assert _clean(cli("status", "--json")).json["store"]["records"] == 0


def test_doctor_looks_at_the_server(cli, url):
    """`doctor` checks the database on the server and names it without its password."""
    done = _clean(cli("doctor", "--json", "--db", url))
    found = {check["name"]: check for check in done.json}
    assert "sound" in found["database"]["found"] and found["database"]["state"] == "good"


def test_a_server_that_is_away_is_one_line(cli):
    """An unreachable server is one line on stderr and exit status 1."""
    done = _clean(cli("status", "--db", f"postgresql://ada:{PASSWORD}@/x?host=/nowhere"))
    assert done.status == 1 and done.err.count("\n") == 1
