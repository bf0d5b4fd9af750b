"""`lmort-mem tuner`: train, measure layers, judge. `make` and `info` are in files of their own."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lmort_memory.errors import MissingDependencyError, TunerError
from lmort_memory.paths import make_private_dir
from lmort_memory.settings import tell_library

from ..app import PlainCommand, examples, in_order
from ..opening import setting_text
from ..terminal.output import note, print_json, say, say_text, size
from ..terminal.progress import Meter, duration

if TYPE_CHECKING:
    from lmort_memory.backbone import Backbone
    from lmort_memory.encoder.lmort import Tuner
    from lmort_memory.tuners.evaluate.analyze import Analysis
    from lmort_memory.tuners.evaluate.beir import EvalSet
    from lmort_memory.tuners.evaluate.report import Report, SetVectors

app = typer.Typer(
    cls=in_order("make", "info", "eval", "analyze", "train", "tables"),
    help="Make, evaluate and inspect tuners.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

Model = Annotated[
    str | None, typer.Option("--model", metavar="GGUF", help="Model. [env: LMORT_MODEL]")
]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
Data = Annotated[Path, typer.Option("--data", metavar="DIR", help="Folder with the data.")]


@app.command(
    cls=PlainCommand,
    epilog=examples(
        "lmort-mem tuner analyze --data eval/scifact --data eval/xquad_en --out analysis"
    ),
)
def analyze(
    *,
    data: Annotated[
        list[Path], typer.Option("--data", metavar="DIR", help="Set in BEIR layout; repeatable.")
    ],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder for JSON and plots.")],
    model: Model = None,
    pairs: Annotated[
        int, typer.Option("--pairs", metavar="N", help="Maximum positive pairs per set.")
    ] = 500,
    fraction: Annotated[
        float,
        typer.Option(
            "--fraction", metavar="X", help="Highest layer to consider, as a fraction of the depth."
        ),
    ] = 0.4,
    json: Json = False,
) -> None:
    """Measure every layer, and choose the align and the uniform layer."""
    from lmort_memory.tuners.evaluate.analyze import Analysis, analyze_set
    from lmort_memory.tuners.evaluate.heatmap import draw_heatmap

    datasets = [_set_in(folder) for folder in data]
    with opened_backbone(model) as backbone:
        sets = []
        for dataset in datasets:
            with Meter(dataset.name, unit="texts") as meter:
                sets.append(analyze_set(backbone, dataset, max_pairs=pairs, progress=meter))
        analysis = Analysis(backbone.facts.name, backbone.fingerprint, tuple(sets))
    make_private_dir(out)
    found = analysis.to_json(fraction)
    _write_json(out / "analysis.json", found)
    pictures = {kind: out / f"layers-{kind}.png" for kind in ("raw", "standardised")}
    for kind, path in pictures.items():
        draw_heatmap(analysis, kind, path)
    if json:
        print_json({**found, "files": [out / "analysis.json", *pictures.values()]})
    else:
        _say_analysis(analysis, fraction)


@app.command(
    cls=PlainCommand,
    epilog=examples(
        "lmort-mem tuner train smollm2-135m-first --data DATA --work /tmp/w --out mine.gguf"
    ),
)
def train(
    *,
    recipe: Annotated[
        str, typer.Argument(metavar="RECIPE", help="Name of a packaged recipe, or a TOML file.")
    ],
    data: Data,
    work: Annotated[
        Path,
        typer.Option(
            "--work", metavar="DIR", help="Folder for states and checkpoints; takes gigabytes."
        ),
    ],
    out: Annotated[Path, typer.Option("--out", metavar="GGUF", help="The tuner file to write.")],
    model: Model = None,
    device: Annotated[str, typer.Option("--device", metavar="NAME", help="cpu or cuda.")] = "cpu",
    matrix_type: Annotated[
        str, typer.Option("--type", metavar="TYPE", help="F16 or Q8_0.")
    ] = "Q8_0",
    json: Json = False,
) -> None:
    """Train a tuner.

    If stopped at any point, the same command resumes.
    """
    need("torch")
    from lmort_memory.tuners.train.pipeline import Workshop
    from lmort_memory.tuners.train.recipe import load_recipe, recipe_path

    chosen = load_recipe(recipe_path(recipe))
    with opened_backbone(model) as backbone, ExitStack() as meters:
        workshop = Workshop(chosen, backbone, data, work, device)
        cost = workshop.estimate()
        note(
            f"{cost.tokens:,} tokens: {size(cost.nbytes)} of states in {work}, about "
            f"{duration(cost.seconds)} of encoding, then {chosen.train.epochs} epochs"
        )
        fingerprint = workshop.make(
            out, lambda stage: meters.enter_context(Meter(stage)), matrix_type=matrix_type
        )
    nbytes = out.stat().st_size
    if json:
        made = {"path": out, "fingerprint": fingerprint, "size_bytes": nbytes}
        print_json({**made, "recipe": chosen.name, "tokens": cost.tokens})
    else:
        say(f"{out}  {fingerprint}  {size(nbytes)}")


@app.command(
    cls=PlainCommand,
    name="eval",
    epilog=examples(
        "lmort-mem tuner eval --data eval/locomo_dev",
        "lmort-mem tuner eval --data eval/scifact --tuner mine.gguf --per-query q.jsonl --json",
    ),
)
def evaluate_set(
    *,
    data: Data,
    model: Model = None,
    tuner: Annotated[
        Path | None,
        typer.Option("--tuner", metavar="GGUF", help="Tuner file; the model's own by default."),
    ] = None,
    work: Annotated[
        Path | None,
        typer.Option("--work", metavar="DIR", help="Folder that caches states for the next run."),
    ] = None,
    per_query: Annotated[
        Path | None,
        typer.Option(
            "--per-query", metavar="FILE", help="Write the results per query to this file."
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Rank a set in BEIR layout by words, by vectors and by both.

    Turns are also ranked in the context of their session.
    """
    from lmort_memory.tuners.evaluate.report import evaluate, output_losses, write_per_query

    dataset = _set_in(data)
    with opened_backbone(model) as backbone, ExitStack() as stack:
        found = _tuner(tuner, backbone)
        if work is None:
            work = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="lmort-eval-")))
        vectors = _vectors(work, backbone, dataset, found)
        share = found.config.n_parameters / _n_parameters(backbone)
    report = evaluate(dataset, vectors)
    if per_query is not None:
        write_per_query(report, per_query)
    if json:
        print_json(report.to_json())
        return
    _say_report(report)
    for name, own in vectors.items():
        alignment, uniformity = output_losses(dataset, own)
        say(f"{name}: alignment {alignment:.3f}, uniformity {uniformity:.3f}")
    say(f"the tuner has {found.config.n_parameters:,} parameters, {share:.1%} of the model's")


@app.command(
    cls=PlainCommand,
    epilog=examples(
        "lmort-mem tuner tables --best 1 11 --worst 22 0 --data DATA --set eval/xquad_en"
        " --work /tmp/tables"
    ),
)
def tables(
    *,
    data: Data,
    sets: Annotated[
        list[Path], typer.Option("--set", metavar="DIR", help="Set in BEIR layout; repeatable.")
    ],
    work: Annotated[
        Path, typer.Option("--work", metavar="DIR", help="Folder for states and results.")
    ],
    best: Annotated[
        tuple[int, int],
        typer.Option("--best", metavar="A U", help="The best align and uniform layer."),
    ],
    worst: Annotated[
        tuple[int, int],
        typer.Option("--worst", metavar="A U", help="The worst align and uniform layer."),
    ],
    model: Model = None,
    groups: Annotated[
        int,
        typer.Option(
            "--groups", metavar="N", help="Only the first N groups of grouped sets; 0 for all."
        ),
    ] = 0,
    recipe: Annotated[
        str,
        typer.Option(
            "--recipe", metavar="RECIPE", help="Recipe with the data and steps of every row."
        ),
    ] = "paper-tables",
    json: Json = False,
) -> None:
    """Run the paper's tables on a model, and print them as Markdown."""
    need("torch")
    from lmort_memory.tuners.evaluate.analyze import Choice
    from lmort_memory.tuners.evaluate.beir import first_groups
    from lmort_memory.tuners.paper.tables import markdown, run_tables
    from lmort_memory.tuners.train.pipeline import Workshop
    from lmort_memory.tuners.train.recipe import load_recipe, recipe_path

    datasets = [_set_in(folder) for folder in sets]
    if groups:
        datasets = [first_groups(d, groups) if d.group else d for d in datasets]
    with opened_backbone(model) as backbone, ExitStack() as meters:
        results = run_tables(
            Workshop(load_recipe(recipe_path(recipe)), backbone, data, work),
            datasets,
            best=Choice(*best),
            worst=Choice(*worst),
            stages=lambda stage: meters.enter_context(Meter(stage)),
        )
    if json:
        print_json({"rows": results, "pictures": [work / f"figure-{n}.png" for n in (4, 5)]})
    else:
        say_text(markdown(results))


def _set_in(folder: Path) -> EvalSet:
    """Read an evaluation set; if the folder is not one, say what it should contain."""
    from lmort_memory.tuners.evaluate.beir import load_set

    if not (folder / "qrels.tsv").is_file():
        raise TunerError(
            f"{folder} {'has no file qrels.tsv' if folder.is_dir() else 'is not a folder'} — a set"
            " in BEIR layout has corpus.jsonl and queries.jsonl (or .jsonl.gz; _id and text on"
            " every line), and qrels.tsv (query-id, corpus-id and score, after a header line)"
        )
    return load_set(folder)


def _vectors(
    work: Path, backbone: Backbone, dataset: EvalSet, tuner: Tuner
) -> dict[str, SetVectors]:
    """Capture and encode a set: turns alone and, if it has sessions, in context."""
    from lmort_memory.tuners.evaluate.set_states import alone, has_sessions, in_context, set_vectors

    ways = {"dense": alone}
    if has_sessions(dataset):
        ways["dense_in_context"] = in_context
    vectors = {}
    for name, capture in ways.items():
        with Meter(name, unit="texts") as meter:
            states = capture(
                work / dataset.name, backbone, dataset, layers=tuner.layers, progress=meter
            )
            vectors[name] = set_vectors(tuner, states)
    return vectors


@contextmanager
def opened_backbone(model: str | None) -> Iterator[Backbone]:
    """Open the model named by the option, the environment or the settings."""
    from lmort_memory.backbone import Backbone, fast_default_path

    tell_library()
    path = setting_text("model", model)
    with Backbone.open(path or fast_default_path()) as backbone:
        yield backbone


def _tuner(path: Path | None, backbone: Backbone) -> Tuner:
    from lmort_memory.encoder.lmort import Tuner
    from lmort_memory.encoder.pretrained import find_tuner
    from lmort_memory.encoder.tuned_encoder import TunedEncoder
    from lmort_memory.paths import data_dir

    path = path or find_tuner(backbone.fingerprint, data_dir() / "tuners")
    if path is None:
        raise TunerError(
            f"there is no tuner for {backbone.facts.name} ({backbone.fingerprint}) — pass --tuner, "
            "or train one"
        )
    tuner = Tuner.load(path)
    TunedEncoder(backbone, tuner)  # raises if they do not belong together
    return tuner.reading(backbone.vocabulary.detokenize)


def _n_parameters(backbone: Backbone) -> int:
    from lmort_memory.modelfile.header import read_header

    return read_header(backbone.facts.path).n_parameters


def need(package: str) -> None:
    """Raise unless the packages of the extra [train] are installed."""
    try:
        __import__(package)
    except ImportError as error:
        raise MissingDependencyError(package, extra="train") from error


def _write_json(path: Path, value: object) -> None:
    import json

    path.write_text(json.dumps(value, indent=1) + "\n")


def _say_analysis(analysis: Analysis, fraction: float) -> None:
    raw, standard = analysis.mean("raw"), analysis.mean("standardised")
    say("layer   raw: align  uniform    mrr   standardised: align  uniform    mrr")
    for layer in range(len(raw.alignment)):
        say(
            f"{layer:5}  {raw.alignment[layer]:11.3f}  {raw.uniformity[layer]:7.3f}"
            f"  {raw.mrr[layer]:5.3f}  {standard.alignment[layer]:20.3f}"
            f"  {standard.uniformity[layer]:7.3f}  {standard.mrr[layer]:5.3f}"
        )
    paper, within = analysis.choose_as_paper(), analysis.choose_within(fraction)
    say(f"the paper's choice: A {paper.align_layer}, U {paper.uniform_layer}")
    say(f"within {fraction:.0%}: A {within.align_layer}, U {within.uniform_layer}")


def _say_report(report: Report) -> None:
    means = report.means()
    metrics = list(next(iter(means.values())))
    say(f"{report.set}: {len(report.query_ids)} queries")
    say(f"{'':18}" + "".join(f"{metric:>11}" for metric in metrics))
    for row, values in means.items():
        say(f"{row:18}" + "".join(f"{values[metric]:11.3f}" for metric in metrics))
