"""The pages say what the results say."""

import json
import re
from pathlib import Path

import pytest

from benchmarks.tables import PAGES, RESULTS, TABLES, render

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_a_page_is_what_the_results_give(page: Path):
    """No figure of a table is typed, or left from an earlier run."""
    text = (ROOT / page).read_text()
    assert render(text, ROOT / RESULTS) == text


def test_every_table_stands_somewhere():
    """Each table that can be made is on one of the pages at least."""
    texts = "".join((ROOT / page).read_text() for page in PAGES)
    assert set(re.findall(r"<!-- table: (\S+)", texts)) == set(TABLES)


@pytest.mark.parametrize("path", sorted((ROOT / RESULTS).glob("*.json")), ids=lambda p: p.stem)
def test_a_result_names_no_folder_of_a_machine(path: Path):
    """Where files lay on the machine that measured is nobody's business."""
    assert not re.search(r'"[^"]*(/tmp/|/home/|/work/|/root/)', path.read_text())
    json.loads(path.read_text())
