"""`lmort-mem tuner make`: any architecture, interrupted, with and without torch's part."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from typer.testing import CliRunner

from lmort_memory.backbone import Backbone
from lmort_memory.cli import app
from lmort_memory.encoder import open_encoder
from lmort_memory.encoder.artifact import read_card
from lmort_memory.encoder.untrained import AT_ONCE
from lmort_memory.errors import TunerError
from lmort_memory.kit import load_kit, load_pairs
from lmort_memory.testing.tiny_gguf import write_tiny_gguf
from lmort_memory.tuners.evaluate.held_out import Figures, best_tier, judge
from lmort_memory.tuners.make import maker as maker_module
from lmort_memory.tuners.make.fitted import CLOSED_FORM, LMORT
from lmort_memory.tuners.make.maker import Maker
from lmort_memory.tuners.states.cache import Estimate
from tests.support.tiny_hf import write_tiny_hf


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A tiny llama model."""
    return write_tiny_gguf(tmp_path_factory.mktemp("model") / "tiny.gguf")


@pytest.fixture(scope="module")
def small_kit():
    """The first 900 texts of the kit: enough for LMORT to be trained."""
    kit = load_kit()
    return replace(kit, items=kit.items[:900], vectors=kit.vectors[:900])


def quiet(_stage):
    """Show no progress."""
    return lambda *_: None


def call(*arguments: object) -> str:
    """Run `lmort-mem tuner make`; return its stdout, or raise what it raised."""
    result = CliRunner().invoke(app, ["tuner", "make", *map(str, arguments)])
    if result.exception is not None:
        raise result.exception
    return result.stdout


@pytest.mark.parametrize("family", ["qwen3", "gemma2", "phi2", "gpt2"])
def test_every_architecture_gets_a_tuner(family, tmp_path, home):
    """The tuner is installed where the model finds it, and nothing is left in the cache."""
    model = tmp_path / f"{family}.gguf"
    write_tiny_hf(family, model)
    found = json.loads(call("--model", model, "--minutes", "0", "--json"))
    assert set(found["figures"]) == {AT_ONCE, CLOSED_FORM, "teacher"}
    assert found["figures"]["teacher"]["mrr"] > 0.5
    assert found["texts"] == 64
    opened = open_encoder(model)
    assert opened.notice is None
    assert opened.encoder.layers == tuple(found["layers"])
    assert np.isfinite(opened.encoder.encode_query("Where are the bees?")).all()
    opened.close()
    assert not list((home / "cache/tuner-make").iterdir())


def test_all_three_tiers_are_made_and_judged(model, small_kit, tmp_path):
    """With time and torch LMORT is trained from the closed form; the best is returned."""
    with Backbone.open(model, n_threads=1) as backbone:
        maker = Maker(backbone, small_kit, minutes=1, work=tmp_path, pairs=load_pairs()[:40])
        plan = maker.with_layers(maker.plan(), quiet)
        plan = replace(plan, n_fit=516, n_held_out=32, train_s=2.0, n_pairs=40)
        made = maker.make(plan, quiet)
        told = {AT_ONCE: "256 texts"}.get(made.tier, "516 texts, 40 pairs")
        assert told in made.artifact.card.provenance["data"]
        assert set(made.figures) == {AT_ONCE, CLOSED_FORM, LMORT, "teacher"}
        assert made.artifact.card.provenance["tier"] == made.tier
        assert made.plan.epochs >= 1
        evaluated = backbone.tokens_evaluated
        again = maker.make(maker.plan(), quiet)  # everything is there: states and checkpoint
        read_again = backbone.tokens_evaluated - evaluated
    assert again.figures == made.figures
    assert read_again < evaluated / 2


def test_interrupted_it_goes_on(model, small_kit, tmp_path):
    """Ctrl-C in the middle of reading keeps the states; the plan stays as it was made then."""

    class Enough(Exception):
        pass

    def interrupt(stage):
        def progress(done, _total):
            if stage == "states, fit" and done >= 64:
                raise Enough

        return progress

    with Backbone.open(model, n_threads=1) as backbone:
        maker = Maker(backbone, small_kit, minutes=1, work=tmp_path, train=False)
        plan = maker.plan()
        assert plan.train_s == 0
        with pytest.raises(Enough):
            maker.make(plan, interrupt)
        planned = maker.plan()
        assert planned.layers
        assert maker.with_layers(planned, quiet) == planned
        first = []
        made = maker.make(
            planned,
            lambda stage: lambda done, _: first.append(done) if stage == "states, fit" else None,
        )
        assert first[0] > 64
        assert LMORT not in made.figures
        with pytest.raises(TunerError, match="another tuner"):
            replace(maker, minutes=2).plan()
    (tmp_path / "plan.json").write_text("{")
    with pytest.raises(TunerError, match="damaged"), Backbone.open(model) as backbone:
        replace(maker, backbone=backbone).plan()


def test_a_machine_that_was_busy_at_first_is_measured_again(
    model, small_kit, tmp_path, monkeypatch
):
    """The plan is made anew once layers are chosen, from 256 texts in place of the sample."""
    busy = Estimate(tokens=1, nbytes=1, seconds=len(small_kit.items) * 1.0)
    monkeypatch.setattr(maker_module, "estimate", lambda *_, **__: busy)
    with Backbone.open(model, n_threads=1) as backbone:
        maker = Maker(backbone, small_kit, minutes=3, work=tmp_path, train=False)
        first = maker.plan()
        plan = maker.with_layers(first, quiet)
        assert maker.plan() == plan
    assert first.n_fit < 100
    assert plan.n_fit == small_kit.n_fit


def test_what_it_prints_says_what_fits(model, tmp_path):
    """Beforehand how many texts fit; afterwards the figures of every tier and the file."""
    out = tmp_path / "mine.gguf"
    result = CliRunner().invoke(
        app, ["tuner", "make", "--model", str(model), "--minutes", "0", "--out", str(out)]
    )
    assert result.exit_code == 0
    assert "64 of 9,508 texts and 0 of 3,000 pairs fit" in result.stderr
    assert CLOSED_FORM in result.stdout
    assert read_card(out).provenance["tier"] in result.stdout


def test_notes_teach_without_a_teacher(model, tmp_path):
    """`--unsupervised` learns from one's own files; what is worse than its start is not kept."""
    notes = tmp_path / "notes"
    notes.mkdir()
    for name in ("a.md", "b.txt"):
        lines = [f"Note {i} of {name} tells about bees and honey {i * 7 % 13}." for i in range(20)]
        (notes / name).write_text("\n\n".join(lines))
    out = tmp_path / "mine.gguf"
    found = json.loads(
        call("--model", model, "--minutes", "0.05", "--out", out, "--json",
             "--texts", notes, "--unsupervised")
    )  # fmt: skip
    assert set(found["figures"]) == {AT_ONCE, "unsupervised"}
    assert found["texts"] == 40
    assert read_card(out).provenance["tier"] == found["tier"]
    (notes / "b.txt").unlink()
    with pytest.raises(TunerError, match="20 passages"):
        call("--model", model, "--texts", notes, "--unsupervised")
    with pytest.raises(SystemExit):
        call("--model", model, "--texts", notes)


def test_a_tier_is_kept_for_what_it_finds():
    """The nearest to the teacher of the fitted ones, unless the layers as they are find more."""
    figures = {
        AT_ONCE: Figures(0.5, None),
        CLOSED_FORM: Figures(0.55, 0.6),
        LMORT: Figures(0.52, 0.62),
    }
    assert best_tier(figures) == LMORT
    assert best_tier({**figures, LMORT: Figures(0.52, 0.58)}) == CLOSED_FORM
    assert best_tier({**figures, AT_ONCE: Figures(0.6, None)}) == AT_ONCE


def test_judging_ranks_passages_among_all_that_are_no_questions():
    """A question that is nearest to its passage counts 1; to another text first, less."""
    vectors = np.eye(8, dtype=np.float32)
    vectors[0] = vectors[1]
    vectors[4] = (0.6 * vectors[5] + 0.8 * vectors[2]).astype(np.float32)
    found = judge(vectors, np.eye(8, dtype=np.float32), vectors)
    assert found.mrr == pytest.approx(0.75)
    assert found.cosine == pytest.approx(6 / 8)
