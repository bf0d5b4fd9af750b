"""`lmort-mem model`: what is known of models, and GPT-J made to run."""

import json

import pytest
from typer.testing import CliRunner

from lmort_memory.backbone.model import Backbone
from lmort_memory.cli.commands.model import app, runnable_model
from lmort_memory.errors import BackboneError, LmortError
from lmort_memory.modelfile.facts import read_facts
from lmort_memory.paths import cache_dir
from lmort_memory.testing.tiny_gguf import write_tiny_gguf
from tests.support.checkpoints import save_checkpoint, tiny_gpt2, tiny_gptj, write_gptj_gguf
from tests.support.cli import spawn


@pytest.fixture
def call(tmp_path, monkeypatch):
    """Run a command with a home of its own and a tiny model in use."""
    monkeypatch.setenv("LMORT_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("LMORT_MODEL", str(write_tiny_gguf(tmp_path / "used.gguf")))

    def call(*arguments):
        return CliRunner().invoke(app, [str(argument) for argument in arguments])

    return call


def test_info_says_what_the_header_says(call, tmp_path):
    """The facts of a named model, or of the one in use, come as text and as JSON."""
    path = write_tiny_gguf(tmp_path / "other.gguf", n_layer=7)
    assert "layers        0 to 7, 32 wide" in call("info", path).stdout
    found = json.loads(call("info", "--json").stdout)
    assert found["facts"]["n_layer"] == 4
    assert not found["needs_conversion"]
    with Backbone.open(found["facts"]["path"]) as backbone:
        assert found["fingerprint"] == backbone.fingerprint


def test_list_shows_the_model_in_use_and_broken_ones(call, tmp_path):
    """The model in use comes first; one that cannot be read is listed with its problem."""
    folder = cache_dir() / "models"
    folder.mkdir(parents=True)
    (folder / "broken.gguf").write_bytes(b"GGUF")
    listed = json.loads(call("list", "--json").stdout)
    assert listed[0]["path"] == str(tmp_path / "used.gguf")
    assert listed[0]["in_use"]
    assert "not a usable GGUF" in listed[-1]["problem"]
    assert f"* {tmp_path / 'used.gguf'}" in call("list").stdout


def test_convert_writes_a_model_that_runs(call, tmp_path):
    """A checkpoint becomes a GGUF of the type that was asked for."""
    folder = save_checkpoint(tiny_gpt2(), tmp_path / "hf")
    done = call("convert", folder, tmp_path / "out.gguf", "--type", "q8_0", "--json")
    assert json.loads(done.stdout)["facts"]["quantisation"] == "Q8_0"
    with Backbone.open(tmp_path / "out.gguf") as backbone:
        assert backbone.n_layer == 3


def test_convert_replaces_nothing_unasked(call, tmp_path):
    """An existing output is an error, and replaced with --force."""
    folder = save_checkpoint(tiny_gpt2(), tmp_path / "hf")
    out = tmp_path / "out.gguf"
    out.write_bytes(b"mine")
    refused = call("convert", folder, out)
    assert isinstance(refused.exception, LmortError)
    assert out.read_bytes() == b"mine"
    assert call("convert", folder, out, "--force").exit_code == 0
    assert read_facts(out).architecture == "gpt2"


def test_an_unknown_type_is_wrong_usage(call, tmp_path):
    """A type that cannot be written is exit status 2, and the message lists those that can."""
    folder = save_checkpoint(tiny_gpt2(), tmp_path / "hf")
    done = call("convert", folder, tmp_path / "out.gguf", "--type", "q9_9")
    assert done.exit_code == 2
    assert "q8_0" in done.stderr


def test_a_gptj_file_is_made_runnable_with_one_line(call, tmp_path, capsys):
    """A `gptj` GGUF is announced and converted on first use, silently found on the next."""
    path = tmp_path / "gptj.gguf"
    write_gptj_gguf(tiny_gptj(), path, quantisation="Q4_0")
    out = runnable_model(str(path))
    assert capsys.readouterr().err.count("\n") == 1
    with Backbone.open(out) as backbone:
        assert backbone.facts.architecture == "phi2"
    assert runnable_model(str(path)) == out
    assert capsys.readouterr().err == ""


def test_a_gptj_file_is_talked_to_at_once(call, tmp_path, monkeypatch):
    """`chat` on a `gptj` GGUF converts it and answers; the next run finds it, and the fact."""
    monkeypatch.setenv("LMORT_MAX_TOKENS", "4")
    path = tmp_path / "gptj.gguf"
    write_gptj_gguf(tiny_gptj(n_ctx=2048), path, quantisation="Q4_0")  # room for a note
    fact = "My sister Ada keeps bees in Trondheim."
    first = spawn("chat", "--model", path, stdin=f"{fact}\nGood night.\n")
    second = spawn("chat", "--model", path, stdin="Where does my sister keep bees?\n")
    assert (first.status, second.status) == (0, 0)
    assert "llama.cpp cannot run gptj.gguf as it is: converting it once, 0.1 MB" in first.err
    assert "converting" not in second.err
    assert fact in second.out


def test_a_model_that_is_missing_is_said_so(call, tmp_path):
    """A path to nothing is an error of ours, in `info` as when a model is opened."""
    assert isinstance(call("info", tmp_path / "no.gguf").exception, BackboneError)
    with pytest.raises(BackboneError, match="no model file"):
        runnable_model(str(tmp_path / "no.gguf"))
