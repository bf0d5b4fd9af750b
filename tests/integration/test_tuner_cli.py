"""`lmort-mem tuner` on the tiny model: what it prints, writes and refuses."""

from __future__ import annotations

import gzip
import json

import pytest
from typer.testing import CliRunner

from lmort_memory.backbone import Backbone
from lmort_memory.cli.commands.tuner import app
from lmort_memory.encoder import open_encoder
from lmort_memory.encoder.artifact import read_card
from lmort_memory.errors import TunerError, TunerMismatchError
from lmort_memory.testing.tiny_gguf import write_tiny_gguf

RECIPE = """
name = "tiny"
[tuner]
align_layer = 1
uniform_layer = 3
n_head = 2
width = 16
n_ff = 32
dim = 16
[data]
max_tokens = 48
sources = [{ path = "pairs/facts", kind = "pairs", count = 24, licence = "CC0-1.0" }]
[loss]
contrastive = 1.0
[train]
epochs = 1
batch_size = 8
"""


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A model, training pairs, an evaluation set with sessions, and a recipe."""
    root = tmp_path_factory.mktemp("world")
    write_tiny_gguf(root / "tiny.gguf")
    (root / "recipe.toml").write_text(RECIPE)
    (root / "data/pairs").mkdir(parents=True)
    with gzip.open(root / "data/pairs/facts.jsonl.gz", "wt") as file:
        for i in range(24):
            row = {"query": f"What is number {i}?", "positive": f"Number {i} is {i * i}."}
            file.write(json.dumps(row) + "\n")
    (root / "set").mkdir()
    documents = [
        {"_id": f"d{i}", "text": f"Fact {i} about bees.", "session": i // 3, "speaker": "AB"[i % 2]}
        for i in range(6)
    ]
    queries = [{"_id": f"q{i}", "text": f"What of fact {i}?"} for i in range(3)]
    for name, rows in (("corpus", documents), ("queries", queries)):
        (root / f"set/{name}.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))
    (root / "set/qrels.tsv").write_text("q\td\ts\nq0\td0\t1\nq1\td1\t1\nq2\td2\t1\n")
    return root


def call(*arguments: object) -> str:
    """Run a command; return what it printed on stdout, or raise what it raised."""
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if result.exception is not None:
        raise result.exception
    return result.stdout


@pytest.fixture(scope="module")
def tuner(world):
    """A tuner that the command trained."""
    out = world / "tuner.gguf"
    model = world / "tiny.gguf"
    printed = call(
        "train", world / "recipe.toml", "--data", world / "data", "--work", world / "work",
        "--out", out, "--model", model,
    )  # fmt: skip
    assert read_card(out).fingerprint in printed
    return out


def test_train_writes_a_tuner_of_the_model(world, tuner):
    """The file belongs to the model, and says what it was made from."""
    card = read_card(tuner)
    with Backbone.open(world / "tiny.gguf") as backbone:
        assert card.backbone.fingerprint == backbone.fingerprint
    assert card.provenance["data_licences"] == "CC0-1.0"
    assert "teacher" not in card.provenance


def test_train_prints_one_object(world, tuner):
    """With --json a training that is done already names its file and what it was made of."""
    out = world / "again.gguf"
    printed = call(
        "train", world / "recipe.toml", "--data", world / "data", "--work", world / "work",
        "--out", out, "--model", world / "tiny.gguf", "--json",
    )  # fmt: skip
    found = json.loads(printed)
    assert (found["path"], found["recipe"]) == (str(out), "tiny")
    assert found["fingerprint"] == read_card(tuner).fingerprint
    assert found["size_bytes"] == out.stat().st_size
    assert found["tokens"] > 48


def test_info_shows_shape_and_provenance(tuner):
    """For people a few lines, for programs one JSON list."""
    assert "A->U, A 1, U 3" in call("info", tuner)
    (found,) = json.loads(call("info", tuner, "--json"))
    assert found["config"]["dim"] == 16
    assert found["provenance"]["recipe"] == "tiny"
    assert found["tier"] == "trained"


def test_info_says_which_tuner_was_made_at_once(world):
    """The map that a model without a tuner gets is listed, and marked as what it is."""
    open_encoder(world / "tiny.gguf").close()
    found = {one["tier"]: one for one in json.loads(call("info", "--json"))}
    assert set(found) == {"trained", "at once"}  # the one that ships, and this
    with Backbone.open(world / "tiny.gguf") as backbone:
        assert found["at once"]["backbone"]["fingerprint"] == backbone.fingerprint
    assert "`lmort-mem tuner make` fits a tuner" in call("info")


def test_a_damaged_tuner_hides_no_other(home):
    """A torn file among those made here is named on stderr; the others are shown."""
    (home / "data/tuners").mkdir(parents=True)
    (home / "data/tuners/torn.gguf").write_bytes(b"GGUF")
    result = CliRunner().invoke(app, ["info", "--json"])
    assert (result.exit_code, len(json.loads(result.stdout))) == (0, 1)
    assert "torn.gguf" in result.stderr


def test_eval_prints_one_object(world, tuner):
    """`--json` is the documented object; figures of every query go to a file."""
    arguments = ("--model", world / "tiny.gguf", "--tuner", tuner, "--work", world / "states")
    printed = call(
        "eval", "--data", world / "set", *arguments, "--per-query", world / "q.jsonl", "--json"
    )
    found = json.loads(printed)
    assert set(found) == {"set", "queries", "rows"}
    assert found["queries"] == 3
    rows = {"bm25", "words", "dense", "hybrid", "dense_in_context", "hybrid_in_context"}
    assert set(found["rows"]) == rows
    assert set(found["rows"]["bm25"]) == {
        "recall@1", "recall@5", "recall@10", "recall@50", "mrr@10", "map", "ndcg@10"
    }  # fmt: skip
    assert len((world / "q.jsonl").read_text().splitlines()) == 3 * len(rows)
    table = call("eval", "--data", world / "set", *arguments)
    assert "hybrid_in_context" in table
    assert "alignment" in table


def test_analyze_writes_json_and_pictures(world):
    """Losses of every layer as JSON, two heat maps, and the chosen layers in print."""
    out = world / "analysis"
    printed = call(
        "analyze", "--data", world / "set", "--out", out, "--model", world / "tiny.gguf",
        "--fraction", "0.75",
    )  # fmt: skip
    assert "the paper's choice" in printed
    found = json.loads((out / "analysis.json").read_text())
    assert len(found["mean"]["raw"]["alignment"]) == 5
    assert found["choice"]["within"]["uniform"] <= 3
    assert sorted(path.name for path in out.glob("*.png")) == [
        "layers-raw.png", "layers-standardised.png"
    ]  # fmt: skip
    again = json.loads(
        call("analyze", "--data", world / "set", "--out", out, "--model", world / "tiny.gguf",
             "--fraction", "0.75", "--json")
    )  # fmt: skip
    files = again.pop("files")
    assert again == found
    assert {str(path) for path in out.iterdir()} == set(files)


def test_tables_prints_one_object(world):
    """With --json every row of the paper's tables, in the order of running, and the pictures."""
    work = world / "tables"
    arguments = (
        "tables", "--data", world / "data", "--set", world / "set", "--work", work, "--best", 1, 3,
        "--worst", 4, 0, "--recipe", world / "recipe.toml", "--model", world / "tiny.gguf",
    )  # fmt: skip
    found = json.loads(call(*arguments, "--json"))
    assert [row["name"] for row in found["rows"]][:2] == ["A->U", "U->A"]
    assert len(found["rows"]) == 18  # 14, and the best two with two more seeds
    assert set(found["rows"][0]["mean"]) == {"ndcg@10", "recall@10", "alignment", "uniformity"}
    assert [str(path) for path in sorted(work.glob("*.png"))] == found["pictures"]
    shown = call(*arguments).splitlines()
    assert len(shown) == 2 + 18


def test_a_tuner_of_another_model_is_refused(world, tuner, tmp_path):
    """Evaluating with the wrong model, or with none that has a tuner, says so."""
    other = write_tiny_gguf(tmp_path / "other.gguf", seed=5)
    with pytest.raises(TunerMismatchError):
        call("eval", "--data", world / "set", "--model", other, "--tuner", tuner)
    with pytest.raises(TunerError, match="no tuner"):
        call("eval", "--data", world / "set", "--model", other)
