"""What `tuner make` can do in the given time; kept in the work folder."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Final

from lmort_memory.errors import TunerError
from lmort_memory.paths import make_private_dir

from .own import FEWEST_PAIRS

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from lmort_memory.kit import Kit

__all__ = ["FEWEST", "Plan", "keep", "planned", "read"]

FEWEST: Final = 64  # texts to fit to, however little time there is
_ENCODING_SHARE: Final = 0.5  # of the time where LMORT trains in the rest
_ALL_BUT_THE_FIT: Final = 0.9  # of the time where it does not
_PAIRS_SHARE: Final = 0.2  # of the encoding: slow models read more texts instead
_WORTH_TRAINING: Final = 500  # texts; with fewer, LMORT overfits
_FILE: Final = "plan.json"


@dataclass(frozen=True, slots=True)
class Plan:
    """What can be done in the given time.

    Attributes:
        seconds_per_text: Measured on this machine; until the layers are chosen, up to the highest
            that may be.
        n_fit: Texts to fit to.
        n_held_out: Texts to evaluate on.
        train_s: Seconds for training LMORT; 0 without torch or with too few texts.
        layers: The chosen layers; empty until they are chosen.
        epochs: Epochs of training; 0 until a step has been timed.
        n_pairs: Pairs of question and answer to read.
        probe_s: Seconds for choosing the layers.
    """

    seconds_per_text: float
    n_fit: int
    n_held_out: int
    train_s: float
    layers: tuple[int, ...] = ()
    epochs: int = 0
    n_pairs: int = 0
    probe_s: float = 0.0

    @property
    def encoding_s(self) -> float:
        """Estimated seconds for encoding the texts."""
        texts = self.n_fit + self.n_held_out + 2 * self.n_pairs
        return self.probe_s + self.seconds_per_text * texts


def planned(
    kit: Kit, each: float, *, n_pairs: int, total_s: float, probe_s: float, trains: bool
) -> Plan:
    """Plan the work.

    Args:
        kit: Texts to fit to and to evaluate on.
        each: Seconds for a text.
        n_pairs: Pairs of question and answer that there are.
        total_s: Seconds for everything.
        probe_s: Seconds of them for choosing the layers.
        trains: Whether LMORT can be trained here.
    """
    budget = total_s * (_ENCODING_SHARE if trains else _ALL_BUT_THE_FIT) - probe_s
    affordable = max(0, int(budget / each))
    n_read = min(n_pairs, int(affordable * _PAIRS_SHARE) // 2)
    n_read = n_read if n_read >= FEWEST_PAIRS else 0
    affordable -= 2 * n_read
    n_held = min(kit.n_held_out, max(32, affordable // 24 * 4))
    n_fit = min(kit.n_fit, max(FEWEST, affordable - n_held))
    plan = Plan(each, n_fit, n_held, 0.0, n_pairs=n_read, probe_s=probe_s)
    if not trains:
        return plan
    if n_fit < _WORTH_TRAINING:  # then that time is for reading
        return planned(kit, each, n_pairs=n_pairs, total_s=total_s, probe_s=probe_s, trains=False)
    return replace(plan, train_s=max(0.0, total_s - plan.encoding_s))


def keep(plan: Plan, work: Path, inputs: Mapping[str, object]) -> None:
    """Write a plan, and what it was made for, into the work folder."""
    make_private_dir(work)
    fresh = work / f"{_FILE}.new"
    fresh.write_text(json.dumps({"inputs": inputs, "plan": asdict(plan)}, indent=1))
    fresh.replace(work / _FILE)


def read(work: Path, inputs: Mapping[str, object]) -> Plan | None:
    """Read the plan of an earlier call; None if there is none.

    Raises:
        TunerError: it is damaged, or was made for something else.
    """
    path = work / _FILE
    if not path.is_file():
        return None
    try:
        kept = json.loads(path.read_text())
        found, values = kept["inputs"], kept["plan"]
        plan = Plan(**{**values, "layers": tuple(values["layers"])})
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise TunerError(f"{path} is damaged: {error} — delete {work}") from error
    if found != inputs:
        raise TunerError(
            f"{work} contains the work on another tuner: found {found}, expected {inputs} — choose"
            " another folder, or delete this one"
        )
    return plan
