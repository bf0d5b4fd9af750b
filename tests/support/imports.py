"""What tests of importers share: files made of text, and what is read of them."""

import json
import zipfile
from collections import Counter

from lmort_memory.importers import read, scan


def read_all(path, formats=None):
    """Return the turns of everything below a path, and what was left out."""
    left_out = Counter()
    files = scan([path], formats=formats).files
    turns = [turn for file in files for turn in read(file, left_out)]
    return turns, +left_out


def said(turns):
    """Return role and text of each turn."""
    return [(turn.role, turn.text) for turn in turns]


def write_lines(path, *objects):
    """Write one JSON object a line, and return the path."""
    path.write_text("".join(json.dumps(one) + "\n" for one in objects), encoding="utf-8")
    return path


def write_json(path, value):
    """Write a JSON file and return its path."""
    path.write_text(json.dumps(value), encoding="utf-8")
    return path


def write_zip(path, members):
    """Write a zip of texts or bytes by name, and return its path."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path
