"""Files into a memory: incremental, idempotent, nothing lost by a kill."""

import json
import os
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from lmort_memory.importers import scan
from lmort_memory.importing import estimate, find_deleted, import_files, prune
from lmort_memory.memory import Memory
from lmort_memory.store import SQLiteStore
from lmort_memory.store.values import SourceState
from lmort_memory.testing.hash_encoder import HashEncoder
from lmort_memory.types import Turn


@pytest.fixture
def memory(tmp_path):
    """A memory with a model-free encoder."""
    with Memory(HashEncoder(), SQLiteStore(tmp_path / "memory.db")) as memory:
        yield memory


@pytest.fixture
def vault(tmp_path):
    """A folder of three notes."""
    folder = tmp_path / "vault"
    (folder / "people").mkdir(parents=True)
    (folder / "people" / "Ada.md").write_text("# Ada\n\nKeeps bees.\n\n## Home\n\nTrondheim.\n")
    (folder / "people" / "Bo.md").write_text("Bakes bread.\n")
    (folder / "todo.txt").write_text("Buy milk.\n")
    return folder


def texts(memory, **choice):
    """Return what is remembered, in order."""
    return sorted(record.text for record in memory.records(**choice))


def run(memory, *paths, **options):
    """Import paths."""
    return import_files(memory, scan(paths), **options)


def test_a_second_import_reads_nothing(memory, vault):
    """Unchanged files are skipped by hash; records keep their ids."""
    first = run(memory, vault)
    assert (first.files, first.unchanged, first.added) == (3, 0, 4)
    ids = [record.id for record in memory.records()]
    for path in vault.rglob("*.md"):
        os.utime(path)
    second = run(memory, vault)
    assert (second.files, second.unchanged, second.added) == (0, 3, 0)
    assert [record.id for record in memory.records()] == ids


def test_a_changed_file_replaces_its_turns(memory, vault):
    """What a file no longer says is gone, what it still says keeps its id, the rest is new."""
    run(memory, vault)
    kept = {record.text: record.id for record in memory.records()}
    note = vault / "people" / "Ada.md"
    note.write_text("# Ada\n\nKeeps bees.\n\n## Home\n\nBergen.\n")
    report = run(memory, vault)
    assert (report.files, report.added, report.kept, report.removed) == (1, 1, 1, 1)
    now = {record.text: record.id for record in memory.records()}
    assert "Ada > Home\n\nTrondheim." not in now
    assert "Ada > Home\n\nBergen." in now
    assert now["Ada\n\nKeeps bees."] == kept["Ada\n\nKeeps bees."]
    assert memory.recall("Trondheim", mode="lexical") == []


def test_an_emptied_file_leaves_nothing(memory, vault):
    """A note that was cleared takes its turns with it, and is not read again."""
    run(memory, vault)
    (vault / "todo.txt").write_text("")
    report = run(memory, vault)
    assert (report.removed, dict(report.left_out)) == (1, {"empty file": 1})
    assert run(memory, vault).unchanged == 3


def test_deleted_files_are_reported_and_forgotten_only_when_asked(memory, vault):
    """A file that is gone stays remembered until the user prunes."""
    run(memory, vault)
    (vault / "people" / "Bo.md").unlink()
    found = scan([vault])
    assert import_files(memory, found).removed == 0
    assert find_deleted(memory, found) == [str(vault / "people" / "Bo.md")]
    assert "Bo\n\nBakes bread." in texts(memory)
    assert prune(memory, find_deleted(memory, found)) == 1
    assert "Bo\n\nBakes bread." not in texts(memory)
    assert find_deleted(memory, found) == []


def test_what_cannot_be_seen_is_not_deleted(memory, vault, tmp_path):
    """An empty mount point, or a folder that lies elsewhere, deletes nothing."""
    run(memory, vault)
    vault.rename(tmp_path / "unplugged")
    vault.mkdir()
    assert find_deleted(memory, scan([vault])) == []
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "a.md").write_text("Note.")
    assert find_deleted(memory, scan([tmp_path / "other"])) == []


def test_an_unreadable_folder_is_a_problem_and_no_deletion(memory, vault):
    """What the user may not read is reported, and nothing in it counts as gone."""
    run(memory, vault)
    with tempfile.TemporaryDirectory() as parent:  # pytest's own folder is closed to others
        shut = Path(parent) / "shut"
        (shut / "inner").mkdir(parents=True)
        (shut / "open.md").write_text("Note.")
        run(memory, shut)
        Path(parent).chmod(0o755)
        (shut / "inner").chmod(0)
        code = (
            "import os, pickle, sys; from lmort_memory.importers import scan;"
            " os.getuid() or os.setuid(65534);"  # root may read everything
            f" report = scan([{str(shut)!r}]);"
            " print(report.unseen, [(i.reason, i.kind) for i in report.passed_over])"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        assert done.stdout.strip() == (
            f"({str(shut / 'inner')!r},) [('folder cannot be read: Permission denied', 'problem')]"
        ), done.stderr
        (shut / "inner").chmod(0o755)
        found = replace(scan([shut]), unseen=(str(shut / "inner"),))
        memory.store.replace_source(
            SourceState(str(shut / "inner" / "a.md"), "x"), [Turn("Text.")], scope="default"
        )
        assert find_deleted(memory, found) == []
        assert find_deleted(memory, replace(found, unseen=())) == [str(shut / "inner" / "a.md")]


def test_damaged_files_do_not_stop_the_others(memory, vault):
    """Each file that cannot be read is named with its reason; the rest is stored."""
    (vault / "broken.md").write_bytes(bytes(range(256)))
    (vault / "script.py").write_text("print()")
    report = run(memory, vault)
    assert report.files == 3
    assert not report.complete
    problems = {i.path.rsplit("/", 1)[1]: i.reason for i in report.passed_over}
    assert "not UTF-8" in problems["broken.md"]
    assert problems["script.py"] == "no importer reads .py"


def test_a_folder_with_files_of_other_kinds_is_imported_completely(memory, vault):
    """What no format claims is named, and makes no import a partial one."""
    (vault / "drawing.svg").write_text("<svg/>")
    (vault / "package.json").write_text("{}")
    report = run(memory, vault)
    assert (report.files, report.complete) == (3, True)
    assert {(i.path.rsplit("/", 1)[1], i.kind) for i in report.passed_over} == {
        ("drawing.svg", "aside"),
        ("package.json", "unknown"),
    }


def conversation(name, *texts):
    """Return a ChatGPT conversation of one user's messages."""
    mapping, parent = {}, None
    for number, text in enumerate(texts):
        message = {
            "id": f"{name}-{number}",
            "author": {"role": "user"},
            "create_time": 1700000000 + number,
            "content": {"content_type": "text", "parts": [text]},
        }
        mapping[str(number)] = {"id": str(number), "parent": parent, "message": message}
        parent = str(number)
    return {"id": name, "title": name, "mapping": mapping, "current_node": parent}


def write_export(path, *conversations):
    """Write a ChatGPT export as a zip."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("conversations.json", json.dumps(conversations))
    return path


def test_next_months_export_adds_only_what_is_new(memory, tmp_path):
    """Another file with mostly the same conversations stores the changed ones only."""
    old = write_export(
        tmp_path / "may.zip", conversation("one", "Hi.", "Bees?"), conversation("two", "Bread?")
    )
    run(memory, old)
    ids = {record.text: record.id for record in memory.records()}
    new = write_export(
        tmp_path / "june.zip",
        conversation("one", "Hi.", "Bees?"),
        conversation("two", "Bread?", "With rye."),
        conversation("three", "Tea?"),
    )
    report = run(memory, new)
    assert (report.unchanged, report.added, report.kept, report.removed) == (1, 2, 1, 0)
    assert texts(memory) == ["Bees?", "Bread?", "Hi.", "Tea?", "With rye."]
    assert {record.text: record.id for record in memory.records()} | ids == {
        record.text: record.id for record in memory.records()
    }
    order = [r.text for r in memory.records(session="chatgpt:two")]
    assert order == ["Bread?", "With rye."]


def test_a_damaged_export_keeps_what_came_before(memory, tmp_path):
    """Conversations before the damage are stored, and the next import goes on from there."""
    path = tmp_path / "conversations.json"
    whole = json.dumps([conversation(str(n), f"Text {n}.") for n in range(5)])
    path.write_text(whole[: len(whole) // 2])
    report = run(memory, path)
    assert not report.complete
    assert texts(memory) == ["Text 0.", "Text 1."]
    path.write_text(whole)
    report = run(memory, path)
    assert report.complete
    # The one at which the file broke off was not trusted to be whole.
    assert (report.unchanged, report.kept, report.added) == (1, 1, 3)


def test_an_export_of_ours_brings_back_every_record(memory, tmp_path, vault):
    """An export goes into another memory with ids, scopes and sources, and only once."""
    run(memory, vault)
    memory.add("Of work.", scope="work", session="s", metadata={"n": 1})
    path = tmp_path / "all.jsonl"
    memory.export(path)
    with Memory(None, SQLiteStore(tmp_path / "other.db")) as other:
        assert run(other, path).added == 5
        assert list(other.records()) == list(memory.records())
        assert run(other, path).unchanged == 1
        path.write_text(path.read_text() + "\n")
        report = run(other, path)
        assert (report.added, report.kept) == (0, 5)


def test_jsonl_of_turns_is_one_source(memory, tmp_path):
    """Lines that leave a file of turns take their turns with them, equal lines stay two."""
    path = tmp_path / "turns.jsonl"
    path.write_text('{"text": "Yes."}\n{"text": "Yes."}\n{"text": "No.", "session": "s"}\n')
    assert run(memory, path, scope="work").added == 3
    path.write_text('{"text": "Yes."}\n{"text": "Yes."}\n')
    report = run(memory, path, scope="work")
    assert (report.added, report.kept, report.removed) == (0, 2, 1)
    assert texts(memory, scope="work") == ["Yes.", "Yes."]


def test_an_estimate_stores_nothing_and_comes_near(memory, vault):
    """What an import would take is said before, from the files and a sample of their turns."""
    for number in range(200):
        (vault / f"{number}.md").write_text(f"# Note {number}\n\n" + "Ada keeps bees. " * 90)
    (vault / "broken.md").write_bytes(bytes(range(256)))
    before = memory.status().store.size_bytes
    found = estimate(memory, scan([vault]))
    assert texts(memory) == []
    report = run(memory, vault)
    memory.encode_pending()
    assert (found.files, found.turns) == (report.files, report.added)
    assert found.encode_s > 0
    assert found.tokens is None  # there is no model here
    memory.store.compact()  # the journal of the last writes is not growth
    grown = memory.status().store.size_bytes - before
    assert found.disk_bytes / 3 < grown < found.disk_bytes * 3
    assert {item.kind for item in found.passed_over} == {"problem"}
    again = estimate(memory, scan([vault]))
    assert (again.files, again.unchanged, again.turns) == (0, 203, 0)


def test_vectors_follow_and_are_not_made_twice(memory, vault):
    """Words are found at once, meaning after `encode_pending`; a second run has nothing to do."""
    run(memory, vault)
    assert [hit.record.text for hit in memory.recall("bread", mode="lexical")] == [
        "Bo\n\nBakes bread."
    ]
    assert memory.recall("bread", mode="dense") == []
    seen = []
    assert memory.encode_pending(progress=lambda done, total: seen.append((done, total))) == 4
    assert seen[-1] == (4, 4)
    assert memory.recall("bread", mode="dense")[0].record.text == "Bo\n\nBakes bread."
    run(memory, vault)
    assert memory.encode_pending() == 0


KILLED = """
import sys
from lmort_memory.importers import scan
from lmort_memory.importing import import_files
from lmort_memory.memory import Memory
from lmort_memory.store import SQLiteStore
from lmort_memory.testing.hash_encoder import HashEncoder

with Memory(HashEncoder(), SQLiteStore(sys.argv[1])) as memory:
    print("ready", flush=True)
    import_files(memory, scan([sys.argv[2]]), progress=lambda done, total: print(done, flush=True))
    memory.encode_pending(progress=lambda done, total: print("v", done, flush=True), batch_size=8)
"""


def kill_import_after(lines, database, folder):
    """Import in a process and kill it when it has printed so many lines."""
    command = [sys.executable, "-c", KILLED, str(database), str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        for _, _line in zip(range(lines), process.stdout, strict=False):
            pass
        process.kill()


def test_a_killed_import_goes_on_where_it_stopped(tmp_path):
    """Killed again and again, at any moment, an import ends up whole and without a double."""
    folder = tmp_path / "vault"
    folder.mkdir()
    for number in range(300):
        (folder / f"{number:03}.md").write_text(f"# Note {number}\n\nOne.\n\n## Sub\n\nTwo.\n")
    database = tmp_path / "memory.db"
    stored = []
    for lines in (1, 280, 290, 330, 15):
        kill_import_after(lines, database, folder)
        with SQLiteStore(database) as store:
            stored.append(store.status().records)
    assert stored == sorted(stored)
    assert stored[1] > 0  # small files are stored many at a time
    with Memory(HashEncoder(), SQLiteStore(database)) as memory:
        run(memory, folder)
        memory.encode_pending()
        assert len(texts(memory)) == len(set(texts(memory))) == 600
        assert memory.status().pending == 0
        assert run(memory, folder).unchanged == 300
