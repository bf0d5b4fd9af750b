"""The command `tuner make`: a tuner for any model, on this machine, in minutes."""

from __future__ import annotations

import shutil
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..app import PlainCommand, examples
from ..terminal.output import note, print_json, say, size
from ..terminal.progress import Meter, duration
from .tuner import Json, Model, app, need, opened_backbone

if TYPE_CHECKING:
    from lmort_memory.backbone import Backbone
    from lmort_memory.encoder.artifact import Artifact
    from lmort_memory.tuners.make.maker import Made

_STOPPED = "stopped; the work so far is kept — run the same command to resume"


@app.command(
    cls=PlainCommand,
    epilog=examples(
        "lmort-mem tuner make --model ~/models/qwen3-4b.gguf",
        "lmort-mem tuner make --model ~/models/qwen3-4b.gguf --minutes 30 --json",
        "lmort-mem tuner make --texts ~/notes --unsupervised",
    ),
)
def make(
    *,
    model: Model = None,
    minutes: Annotated[
        float, typer.Option("--minutes", metavar="N", min=0, help="Approximate time limit.")
    ] = 10.0,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            metavar="GGUF",
            help="Tuner file to write; by default it is installed for the model.",
            show_default=False,
        ),
    ] = None,
    work: Annotated[
        Path | None,
        typer.Option(
            "--work",
            metavar="DIR",
            help="Folder for states and checkpoints; by default in the cache.",
            show_default=False,
        ),
    ] = None,
    texts: Annotated[
        Path | None,
        typer.Option(
            "--texts",
            metavar="PATH",
            help="With --unsupervised: your own notes, a file or a folder.",
            show_default=False,
        ),
    ] = None,
    unsupervised: Annotated[
        bool,
        typer.Option("--unsupervised", help="Learn from your notes alone, without a teacher."),
    ] = False,
    json: Json = False,
) -> None:
    """Make a tuner for a model from the packaged texts.

    Needs no network and no other model.
    """
    if unsupervised != (texts is not None):
        raise typer.BadParameter("--texts and --unsupervised must be used together")
    with opened_backbone(model) as backbone, ExitStack() as meters:
        folder = work or _work_folder(backbone, minutes, texts)
        try:
            made = (
                _make_from_kit(backbone, minutes, folder, meters)
                if texts is None
                else _make_from_notes(backbone, minutes, texts, folder, meters)
            )
        except KeyboardInterrupt:
            note(_STOPPED)
            raise typer.Exit(130) from None
        path = _write(made.artifact, backbone, out)
    if work is None:
        shutil.rmtree(folder)
    if json:
        print_json(
            {
                "path": path,
                "tier": made.tier,
                "layers": made.plan.layers,
                "texts": made.plan.n_fit,
                "pairs": made.plan.n_pairs,
                "seconds": round(made.seconds, 1),
                "figures": made.figures,
            }
        )
    else:
        _say_made(made, path)


def _make_from_kit(backbone: Backbone, minutes: float, folder: Path, meters: ExitStack) -> Made:
    from lmort_memory.kit import load_kit, load_pairs
    from lmort_memory.tuners.make.maker import Maker

    kit, pairs = load_kit(), load_pairs()
    maker = Maker(backbone, kit, minutes, folder, pairs=pairs)
    plan = maker.plan()
    note(
        f"{backbone.facts.name}: {plan.n_fit:,} of {kit.n_fit:,} texts and {plan.n_pairs:,} of "
        f"{len(pairs):,} pairs fit into "
        f"{duration(60 * minutes)}; about {duration(plan.encoding_s)} of reading, "
        + (f"then {duration(plan.train_s)} of training" if plan.train_s else "then the fit")
    )
    return maker.make(plan, lambda stage: meters.enter_context(Meter(stage)))


def _make_from_notes(
    backbone: Backbone, minutes: float, texts: Path, folder: Path, meters: ExitStack
) -> Made:
    need("torch")
    from lmort_memory.tuners.make.pretext import NoteMaker, read_notes

    notes = read_notes(texts)
    maker = NoteMaker(backbone, notes, minutes, folder)
    note(f"{backbone.facts.name}: {len(notes.passages):,} passages of {texts}")
    return maker.make(lambda stage: meters.enter_context(Meter(stage)))


def _work_folder(backbone: Backbone, minutes: float, texts: Path | None) -> Path:
    from lmort_memory.paths import cache_dir, make_private_dir

    kind = "kit" if texts is None else "notes"
    return make_private_dir(
        cache_dir() / "tuner-make" / f"{backbone.fingerprint}-{kind}-{minutes:g}"
    )


def _write(artifact: Artifact, backbone: Backbone, out: Path | None) -> Path:
    """Write the tuner to the given file, or where the model finds it."""
    from lmort_memory.encoder.artifact import write_artifact
    from lmort_memory.paths import data_dir, make_private_dir
    from lmort_memory.tuners.make.install import install_path

    if out is None:
        out = install_path(backbone, make_private_dir(data_dir() / "tuners"))
    write_artifact(out, artifact, matrix_type="Q8_0")
    return out


def _say_made(made: Made, path: Path) -> None:
    say(f"{path}  {made.tier}, layers {', '.join(map(str, made.plan.layers))}")
    say(f"{size(path.stat().st_size)}, {made.plan.n_fit:,} texts, {duration(made.seconds)}")
    say(f"{'held out':14}{'questions find their passage':>30}{'like the teacher':>20}")
    for tier, found in made.figures.items():
        cosine = "" if found.cosine is None else f"{found.cosine:.3f}"
        say(f"{tier:14}{found.mrr:>30.3f}{cosine:>20}")
    note("run `lmort-mem reencode` to give stored records the new vectors")
