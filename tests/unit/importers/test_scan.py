"""Finding files: strict detection, nothing lost without a word."""

import json
import os
import zipfile
from pathlib import Path

import pytest

from lmort_memory.errors import ImportFileError
from lmort_memory.importers import FORMATS, fingerprint, scan
from lmort_memory.importers.format import MAX_TEXT_BYTES, read_text
from tests.support.imports import write_zip


def test_a_folder_is_searched_and_everything_in_it_accounted_for(tmp_path):
    """Each file of a folder is found, or passed over with a reason."""
    (tmp_path / "sub").mkdir()
    (tmp_path / ".obsidian").mkdir()
    (tmp_path / ".obsidian" / "app.json").write_text("{}")
    (tmp_path / "loop").symlink_to(tmp_path, target_is_directory=True)
    (tmp_path / "a.md").write_text("Note.")
    (tmp_path / ".draft.md").write_text("Hidden.")
    (tmp_path / "sub" / "b.TXT").write_text("Text.")
    (tmp_path / "sub" / "photo.png").write_bytes(b"\x89PNG\0")
    (tmp_path / "sub" / "latin.dat").write_bytes(b"caf\xe9 caf\xe9")
    (tmp_path / "sub" / "script.py").write_text("print()")
    (tmp_path / "sub" / "Makefile").write_text("all:")
    (tmp_path / "broken.md").symlink_to(tmp_path / "nowhere")
    report = scan([tmp_path])
    assert [(file.path.name, file.format.name) for file in report.files] == [
        ("a.md", "markdown"),
        ("b.TXT", "text"),
    ]
    found = {os.path.relpath(i.path, tmp_path): (i.kind, i.reason) for i in report.passed_over}
    assert found == {
        ".draft.md": ("aside", "hidden file"),
        ".obsidian": ("aside", "hidden folder"),
        "loop": ("aside", "link to a folder"),
        "sub/photo.png": ("aside", "binary file (.png)"),
        "sub/latin.dat": ("aside", "binary file (.dat)"),
        "sub/script.py": ("unknown", "no importer reads .py"),
        "sub/Makefile": ("unknown", "no importer reads files without a suffix"),
        "broken.md": ("problem", "it is not a regular file"),
    }
    assert report.size_bytes == len("Note.") + len("Text.")
    assert report.roots == (str(tmp_path),)


@pytest.mark.parametrize(
    ("name", "data", "reason"),
    [
        ("a.py", b"print()", "no importer reads .py"),
        ("a.json", b'{"mapping": {}}', "none of the formats"),
        ("a.json", b"{}", "none of the formats"),
        ("a.json", b"[1]", "none of the formats"),
        ("a.json", b"no JSON", "none of the formats"),
        ("a.jsonl", b'{"title": "no turn"}', "none of the formats"),
        ("a.jsonl", b'{"text": "a"}\n{"title": "b"}\n', "none of the formats"),
        ("a.jsonl", b"", "none of the formats"),
        ("a.jsonl", b"\xff\n", "none of the formats"),
        ("a.zip", b"no zip", "cannot be imported: it is a damaged zip"),
        ("a.bin", b"\0", "binary file"),
    ],
)
def test_a_named_file_that_is_unknown_is_an_error(tmp_path, name, data, reason):
    """What nobody understands is an error with the file's name, and never silently text."""
    path = tmp_path / name
    path.write_bytes(data)
    with pytest.raises(ImportFileError, match=reason) as caught:
        scan([path])
    assert caught.value.path == str(path)


def test_a_zip_of_notes_is_to_be_unpacked(tmp_path):
    """No importer reads it as it is; the error says what to do."""
    path = tmp_path / "notes.zip"
    write_zip(path, {"a.md": "Bees.", "b.md": "Figs."})
    with pytest.raises(ImportFileError, match="unpack it to import the files in it"):
        scan([path])


@pytest.mark.parametrize("data", [b"[]", b"[ ]\n", b"\xef\xbb\xbf[\r\n]\r\n"])
def test_an_empty_list_holds_nothing_and_is_no_stranger(tmp_path, data):
    """An export has one where there is nothing to list, and its other files are imported."""
    path, note = tmp_path / "projects.json", tmp_path / "a.md"
    path.write_bytes(data)
    note.write_text("Note.")
    for paths in ([tmp_path], [path, note]):
        report = scan(paths)
        assert [file.path for file in report.files] == [note]
        found = [(item.path, item.reason, item.kind) for item in report.passed_over]
        assert found == [(str(path), "an empty list", "aside")]


def test_a_missing_file_is_an_error(tmp_path):
    """A path that does not exist stops the import before anything is stored."""
    with pytest.raises(ImportFileError, match="no such file"):
        scan([tmp_path / "nowhere"])


def test_a_name_that_is_no_text_is_a_problem_of_one_file(tmp_path):
    """A file whose name is no UTF-8 is named with escapes; the others beside it are imported."""
    odd = Path(os.fsdecode(bytes(tmp_path) + b"/b\xff.md"))
    for path in (odd, tmp_path / "c.md"):
        path.write_text("Bees in winter.\n")
    report = scan([tmp_path])
    assert [file.path.name for file in report.files] == ["c.md"]
    assert [(item.path, item.kind) for item in report.passed_over] == [
        (f"{tmp_path}/b\\udcff.md", "problem")
    ]
    odd.with_suffix("").mkdir()
    for named in (odd, odd.with_suffix("")):
        with pytest.raises(ImportFileError, match="no UTF-8"):
            scan([named])


def test_a_zip_of_other_things_is_unknown(tmp_path):
    """Only an export's own file names inside a zip are looked at."""
    path = tmp_path / "photos.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("my-conversations.json.txt", json.dumps([{"mapping": {}}]))
    with pytest.raises(ImportFileError):
        scan([path])


@pytest.mark.parametrize("suffix", [".zip", ".json"])
def test_a_file_of_two_formats_is_a_problem_that_names_both(tmp_path, suffix):
    """Each would read a part of it: the user is told which they are, and what to do."""
    gpt = {"mapping": {}, "create_time": 1.0}
    claude = {"uuid": "c", "chat_messages": []}
    path = tmp_path / f"both{suffix}"
    if suffix == ".zip":
        members = {"conversations.json": [gpt], "claude/conversations.json": [claude]}
        write_zip(path, {name: json.dumps(value) for name, value in members.items()})
    else:
        path.write_text(json.dumps([gpt, claude]))
    with pytest.raises(ImportFileError, match="of 2 formats, chatgpt and claude — unpack or split"):
        scan([path])
    assert [item.kind for item in scan([tmp_path]).passed_over] == ["problem"]


def test_a_file_named_twice_is_found_once(tmp_path):
    """A file and its folder, or a path written in two ways, are one file."""
    path = tmp_path / "a.md"
    path.write_text("Note.")
    assert len(scan([tmp_path, path, tmp_path / "." / "a.md"]).files) == 1


def test_a_fingerprint_is_of_content_and_reader(tmp_path):
    """The same bytes have the same fingerprint, and another reader or other bytes another one."""
    one, two = tmp_path / "a.md", tmp_path / "b.md"
    one.write_text("Note.")
    two.write_text("Note.")
    markdown, text = FORMATS[0], FORMATS[1]
    assert fingerprint(one, markdown) == fingerprint(two, markdown)
    assert fingerprint(one, markdown) != fingerprint(one, text)
    two.write_text("Note!")
    assert fingerprint(one, markdown) != fingerprint(two, markdown)
    with pytest.raises(ImportFileError, match="cannot be read"):
        fingerprint(tmp_path / "nowhere", markdown)


def test_a_giant_text_is_refused(tmp_path):
    """A text is read whole, so one that is larger than any note is refused and not read."""
    path = tmp_path / "a.txt"
    with path.open("wb") as stream:
        stream.truncate(MAX_TEXT_BYTES + 1)
    with pytest.raises(ImportFileError, match="split it"):
        read_text(path)
