"""Redaction on every way into a memory, and the audit of what is stored."""

import gzip

import pytest

from lmort_memory.adapters.documents import Document, Documents
from lmort_memory.importers import scan
from lmort_memory.importing import import_files
from lmort_memory.memory import Memory

SECRET = "ghp_" + "aB3dE6gH9" * 4
CLEAN = "[redacted: GitHub token]"


@pytest.fixture
def memory(tmp_path):
    """Return a memory that redacts."""
    with Memory.open(tmp_path / "memory.db", with_model=False, redact=True) as memory:
        yield memory


def texts(memory):
    """Return the texts of all records."""
    return [record.text for record in memory.records()]


def test_every_way_in_redacts(memory, tmp_path):
    """Adding, editing, importing and restoring store no secret, and count them."""
    record = memory.add(f"one {SECRET}")
    memory.add_many([f"two {SECRET}"])
    memory.update(record.id, f"three {SECRET}")
    (tmp_path / "note.md").write_text(f"four {SECRET}")
    report = import_files(memory, scan([tmp_path / "note.md"]))
    assert report.redacted == {"GitHub token": 1}
    with Memory.open(tmp_path / "other.db", with_model=False) as other:
        other.add(f"five {SECRET}")
        other.backup(tmp_path / "backup.db")
        other.add(f"six {SECRET}")
        other.export(tmp_path / "export.jsonl")
    memory.restore(tmp_path / "backup.db")
    memory.restore(tmp_path / "export.jsonl")
    expected = [f"three {CLEAN}", f"two {CLEAN}", f"note\n\nfour {CLEAN}"]
    assert sorted(texts(memory)) == sorted([*expected, f"five {CLEAN}", f"six {CLEAN}"])
    assert memory.redactor.counts["GitHub token"] == 7
    assert SECRET.encode() not in (tmp_path / "memory.db").read_bytes()


def test_documents_are_redacted_passage_by_passage(memory):
    """Stores that other libraries see are ways in too: their texts, metadata and updates."""
    documents = Documents(memory)
    for passages in ((f"one {SECRET}", "", "two"), ("two", f"three {SECRET}")):
        documents.put([Document("key", passages, metadata={"token": SECRET})])
        record = documents.get("key", scope="default")
        assert record.text == "\n".join(passages).replace(SECRET, CLEAN)
        assert record.metadata == {"token": CLEAN}
    assert SECRET.encode() not in memory.store.path.read_bytes()


def test_what_was_imported_with_its_secrets_is_read_anew(tmp_path):
    """Redacting later replaces the stored turns; importing without it brings nothing back."""
    (tmp_path / "note.md").write_text(f"four {SECRET}")
    found = scan([tmp_path / "note.md"])
    for redact, expected in ((False, SECRET), (True, CLEAN), (False, CLEAN)):
        with Memory.open(tmp_path / "m.db", with_model=False, redact=redact) as memory:
            import_files(memory, found)
            assert texts(memory) == [f"note\n\nfour {expected}"]


def test_a_backup_is_imported_whole(tmp_path, cli):
    """A copy that `backup` made comes back with ids and scopes, as an export does."""
    with Memory.open(tmp_path / "a.db", with_model=False) as memory:
        memory.add("bees", scope="work")
        memory.backup(tmp_path / "copy.db")
        record = next(memory.records())
    done = cli("import", tmp_path / "copy.db", "--no-vectors", "--db", tmp_path / "b.db")
    assert done.status == 0, done.err
    with Memory.open(tmp_path / "b.db", with_model=False) as memory:
        assert next(memory.records()) == record
    found = scan([tmp_path])
    assert found.files == ()
    assert all("name it to import it" in item.reason for item in found.passed_over)
    tried = cli(
        "import", tmp_path / "copy.db", "--dry-run", "--no-vectors", "--db", tmp_path / "c.db"
    )
    assert "turns    1" in tried.out


def test_messages_are_never_taken_away(tmp_path):
    """An older or partial export of a chat adds what is new and removes nothing."""
    chat = tmp_path / "WhatsApp Chat with Ada.txt"
    lines = [f"31/12/2023, 21:0{at} - Ada: message {at}" for at in range(6)]
    with Memory.open(tmp_path / "m.db", with_model=False) as memory:
        for first, last, added in ((2, 6, 4), (0, 4, 2), (3, 6, 0)):
            chat.write_text("\n".join(lines[first:last]))
            report = import_files(memory, scan([chat]))
            assert (report.added, report.removed) == (added, 0)
        assert len(texts(memory)) == 6


def test_a_damaged_chat_gives_what_stands_before_the_damage(tmp_path):
    """A file that breaks off is a problem, its messages up to there are stored."""
    message = (
        '{"id": 1, "type": "message", "date_unixtime": "1700000000", "from": "A", "text": "x"}'
    )
    path = tmp_path / "result.json"
    path.write_text(f'{{"name": "Bees", "id": 1, "messages": [{message}, {message[:20]}')
    with Memory.open(tmp_path / "m.db", with_model=False) as memory:
        report = import_files(memory, scan([path]))
        assert (report.added, report.complete) == (1, False)
        assert texts(memory) == ["A: x"]


def test_audit_lists_what_is_stored(tmp_path, cli):
    """Secrets in texts, metadata and older versions are named with their record, masked."""
    with Memory.open(tmp_path / "m.db", with_model=False) as memory:
        edited = memory.add(f"one {SECRET}")
        memory.update(edited.id, "one")
        memory.add("two", metadata={"note": "password: swordfish"})
    done = cli("audit", "--json", "--db", tmp_path / "m.db")
    assert done.status == 1
    found = {one["kind"]: one for one in done.json}
    assert found["GitHub token"]["old"] is True
    assert found["GitHub token"]["id"] == edited.id
    assert found["password"]["masked"] == "sw… (9 characters)"
    assert SECRET not in done.out
    with Memory.open(tmp_path / "clean.db", with_model=False) as memory:
        memory.add("three")
    assert cli("audit", "--db", tmp_path / "clean.db").status == 0


def test_the_setting_redacts_whatever_is_added(tmp_path, cli, monkeypatch):
    """A switch in the settings file or the environment holds for every command."""
    monkeypatch.setenv("LMORT_CONFIG", str(tmp_path / "config.toml"))
    assert cli("config", "redact", "on").status == 0
    assert cli("config", "redact", "perhaps").status == 2
    done = cli("add", f"use {SECRET}", "--db", tmp_path / "m.db")
    assert "redacted before storing: 1 x GitHub token" in done.err
    monkeypatch.setenv("LMORT_REDACT", "off")
    cli("add", f"now {SECRET}", "--db", tmp_path / "m.db")
    with Memory.open(tmp_path / "m.db", with_model=False) as memory:
        assert texts(memory) == [f"use {CLEAN}", f"now {SECRET}"]


def test_a_gzipped_export_comes_back(tmp_path):
    """`export - | gzip` gives a file that `import` takes."""
    with Memory.open(tmp_path / "a.db", with_model=False) as memory:
        memory.add("bees")
        memory.export(tmp_path / "a.jsonl")
    packed = tmp_path / "a.jsonl.gz"
    packed.write_bytes(gzip.compress((tmp_path / "a.jsonl").read_bytes()))
    with Memory.open(tmp_path / "b.db", with_model=False) as memory:
        import_files(memory, scan([packed]))
        assert texts(memory) == ["bees"]
