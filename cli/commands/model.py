"""Commands about models: model list, model info, model convert."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lmort_memory import paths
from lmort_memory.errors import BackboneError, LmortError, MissingDependencyError
from lmort_memory.settings import setting

from ..app import PlainCommand, examples
from ..terminal.output import note, print_json, say, size
from ..terminal.progress import Meter

if TYPE_CHECKING:
    from lmort_memory.modelfile.facts import ModelFacts

__all__ = ["app", "runnable_model"]

app = typer.Typer(
    help="Inspect models, and convert GPT-2 and GPT-J models.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

_Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]


@dataclass(frozen=True, slots=True)
class _Listed:
    """A known model: where it comes from, and what its header says or what is wrong with it."""

    path: Path
    origin: str
    in_use: bool
    facts: ModelFacts | None
    problem: str | None


@app.command(cls=PlainCommand, name="list", epilog=examples("lmort-mem model list --json"))
def list_models(*, json: _Json = False) -> None:
    """List the known models."""
    found = list(_known())
    if json:
        print_json(found)
        return
    for one in found:
        say(f"{'*' if one.in_use else ' '} {one.path}")
        say(f"    {one.origin}; {one.problem or _summary(one.facts)}")
    if not found:
        note("no model found — pass a GGUF with --model, or pip install 'lmort-memory[smollm2]'")


@app.command(cls=PlainCommand, epilog=examples("lmort-mem model info ~/models/qwen3-4b.gguf"))
def info(
    model: Annotated[
        str | None, typer.Argument(metavar="GGUF", help="By default, the model in use.")
    ] = None,
    *,
    json: _Json = False,
) -> None:
    """Show a model file's metadata, without loading its weights."""
    from lmort_memory.modelfile.convert import needs_conversion
    from lmort_memory.modelfile.elsewhere import located
    from lmort_memory.modelfile.facts import facts_of, read_header
    from lmort_memory.modelfile.fingerprint import fingerprint

    header = read_header(located(_chosen(model)))
    facts = facts_of(header)
    identity = fingerprint(header)
    converts = needs_conversion(facts)
    if json:
        print_json({"facts": facts, "fingerprint": identity, "needs_conversion": converts})
        return
    say(f"file          {facts.path}, {size(facts.size_bytes)}")
    say(f"name          {facts.name}")
    say(f"architecture  {facts.architecture}, {facts.quantisation}")
    say(f"layers        0 to {facts.n_layer}, {facts.n_embd} wide, {facts.n_head or 'no'} heads")
    say(f"vocabulary    {facts.n_vocab} tokens ({facts.tokenizer})")
    say(f"context       {facts.n_ctx_train} tokens{_fixed(facts)}")
    say(f"template      {'its own' if facts.chat_template else 'none; User and Assistant lines'}")
    say(f"fingerprint   {identity}")
    if converts:
        say("to run        is converted once, when it is first used")


@app.command(
    cls=PlainCommand,
    epilog=examples(
        "lmort-mem model convert ./gpt2-large gpt2-large.gguf",
        "lmort-mem model convert ./gpt-j-6b gptj.gguf --type q8_0",
        "lmort-mem model convert ggml-gpt4all-j.gguf gptj-runs.gguf",
    ),
)
def convert(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="SOURCE", help="Hugging Face folder of GPT-2 or GPT-J, or a gptj GGUF."
        ),
    ],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="GGUF file to write.")],
    *,
    kind: Annotated[
        str | None,
        typer.Option(
            "--type",
            metavar="TYPE",
            help="f32, f16 (the default), bf16, q8_0, q5_1, q5_0, q4_1 or q4_0; a GGUF keeps its"
            " own.",
            show_default=False,
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace OUT if it exists.")] = False,
    json: _Json = False,
) -> None:
    """Convert a GPT-2 or GPT-J model to a GGUF that llama.cpp can run."""
    from lmort_memory.modelfile.convert import convert as convert_model
    from lmort_memory.modelfile.facts import read_facts

    if out.exists() and not force:
        raise LmortError(f"{out} exists — choose another name, or pass --force to replace it")
    try:
        with Meter("converting", unit="bytes") as meter:
            convert_model(source, out, type=kind, progress=meter)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--type") from error
    except KeyboardInterrupt:
        note(f"stopped; {out} was not written")
        raise typer.Exit(130) from None
    facts = read_facts(out)
    if json:
        print_json({"facts": facts})
    else:
        note(f"written to {out}: {_summary(facts)}")


def runnable_model(model: str | None) -> str | None:
    """Return a model that llama.cpp can run; convert it first if needed, and say so.

    None, the default model, stays None.
    """
    from lmort_memory.modelfile.convert import ensure_runnable

    if model is None:
        return None
    with Meter("converting", unit="bytes") as meter:
        cache = paths.models_dir()
        return str(ensure_runnable(Path(model), cache, announce=note, progress=meter))


def _known() -> Iterator[_Listed]:
    named = setting("model").value
    packaged, copy = _packaged(), _copy()
    if named is not None:
        yield _listed(paths.expanded(str(named)), "named by you", in_use=True)
    if packaged is not None:
        yield _listed(packaged, "packaged default", in_use=named is None and copy is None)
    for path in sorted(paths.models_dir().glob("*.gguf")):
        if path == copy:
            yield _listed(path, "copy of the default, faster to read", in_use=named is None)
        else:
            yield _listed(path, "converted here", in_use=False)


def _listed(path: Path, origin: str, *, in_use: bool) -> _Listed:
    from lmort_memory.modelfile.facts import read_facts

    try:
        return _Listed(path, origin, in_use, read_facts(path), None)
    except BackboneError as error:
        return _Listed(path, origin, in_use, None, str(error))


def _packaged() -> Path | None:
    from lmort_memory.backbone.default import default_model_path

    try:
        return default_model_path()
    except MissingDependencyError:
        return None


def _copy() -> Path | None:
    """Return the copy that is opened instead of the packaged model, if it was made."""
    from lmort_memory.backbone.default import fast_copy_path

    copy = None if _packaged() is None else fast_copy_path()
    return copy if copy is not None and copy.is_file() else None


def _chosen(model: str | None) -> Path:
    from lmort_memory.backbone.default import default_model_path

    named = setting("model", model).value
    return paths.expanded(str(named)) if named is not None else _copy() or default_model_path()


def _summary(facts: ModelFacts | None) -> str:
    if facts is None:
        return "unknown"
    return (
        f"{facts.name}, {facts.architecture}, {facts.quantisation}, "
        f"{facts.n_layer} blocks of {facts.n_embd}, {size(facts.size_bytes)}"
    )


def _fixed(facts: ModelFacts) -> str:
    return ", fixed: its positions are learned" if facts.learned_positions else ""
