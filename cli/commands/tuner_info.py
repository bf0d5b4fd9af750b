"""The command `tuner info`, and the text that other commands print about a tuner."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..app import PlainCommand, examples
from ..terminal.output import note, print_json, say
from .tuner import Json, app

if TYPE_CHECKING:
    from lmort_memory.encoder.artifact import TunerCard

__all__ = ["card_of_space", "tier_text"]

_TIERS = {
    "at once": "at once: made in seconds, not fitted; `lmort-mem tuner make` fits a tuner",
    "closed form": "closed form: fitted on this machine by `lmort-mem tuner make`",
    "LMORT": "LMORT: trained on this machine by `lmort-mem tuner make`",
    "unsupervised": "unsupervised: learned from notes alone by `lmort-mem tuner make`",
    "trained": "trained by a recipe",
}


def tier_text(tier: str) -> str:
    """Describe a tier, and how to make a better tuner if there is a way."""
    return _TIERS.get(tier, tier)


def card_of_space(space: str) -> TunerCard | None:
    """Find the installed tuner that made the vectors of a space."""
    return next((card for _, card in _installed() if card.space == space), None)


@app.command(
    cls=PlainCommand,
    epilog=examples("lmort-mem tuner info", "lmort-mem tuner info mine.gguf --json"),
)
def info(
    *,
    tuner: Annotated[
        Path | None, typer.Argument(metavar="GGUF", help="By default, all installed tuners.")
    ] = None,
    json: Json = False,
) -> None:
    """Show how a tuner was made, and which model it belongs to."""
    from lmort_memory.encoder.artifact import read_card

    found = list(_installed()) if tuner is None else [(tuner, read_card(tuner))]
    if json:
        print_json([{"path": path, **_card_json(card)} for path, card in found])
        return
    for path, card in found:
        _say_card(path, card)


def _installed() -> Iterator[tuple[Path, TunerCard]]:
    """Yield the tuners that models can find: made here, packaged, and at-once."""
    from lmort_memory.encoder.artifact import read_card
    from lmort_memory.encoder.pretrained import shipped_tuners
    from lmort_memory.errors import TunerError
    from lmort_memory.paths import data_dir

    made, at_once = (sorted((data_dir() / name).glob("*.gguf")) for name in ("tuners", "untrained"))
    for path in (*made, *shipped_tuners(), *at_once):
        try:
            yield path, read_card(path)
        except TunerError as error:
            note(str(error))


def _card_json(card: TunerCard) -> dict[str, object]:
    return {
        "fingerprint": card.fingerprint,
        "tier": card.tier,
        "space": card.space,
        "config": card.config,
        "backbone": card.backbone,
        "contract_version": card.contract_version,
        "provenance": card.provenance,
        "parameters": card.config.n_parameters,
    }


def _say_card(path: Path, card: TunerCard) -> None:
    config, backbone = card.config, card.backbone
    say(f"{path}")
    say(f"  tier         {tier_text(card.tier)}")
    say(f"  fingerprint  {card.fingerprint}")
    say(
        f"  backbone     {backbone.architecture}, {backbone.n_layer} blocks, {backbone.fingerprint}"
    )
    say(
        f"  shape        {config.mode}, A {config.align_layer}, U {config.uniform_layer}, "
        f"{config.n_layer} blocks, width {config.width}, dim {config.dim}, "
        f"{config.n_parameters:,} parameters"
    )
    for key, value in card.provenance.items():
        if key != "tier":
            say(f"  {key:12} {value}")
