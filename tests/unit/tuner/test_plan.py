"""What `tuner make` does in the given time."""

import pytest

from lmort_memory.kit import load_kit
from lmort_memory.tuners.make.plan import planned

MINUTES = 600.0  # ten, in seconds


@pytest.mark.parametrize("each", [0.01, 0.1, 0.3, 1.0, 2.0])
def test_the_time_is_used_and_not_exceeded(each):
    """By reading and training, or by reading alone where too few texts for training can be read."""
    plan = planned(load_kit(), each, n_pairs=3000, total_s=MINUTES, probe_s=60.0, trains=True)
    assert plan.encoding_s + plan.train_s <= MINUTES
    assert plan.encoding_s + plan.train_s > 0.8 * MINUTES


def test_a_slow_model_reads_instead_of_training():
    """Half of the time would be left over for a training that does not take place."""
    kit = load_kit()
    slow, fast = (
        planned(kit, each, n_pairs=0, total_s=MINUTES, probe_s=0.0, trains=True)
        for each in (0.8, 0.1)
    )
    without = planned(kit, 0.8, n_pairs=0, total_s=MINUTES, probe_s=0.0, trains=False)
    assert slow == without
    assert slow.train_s == 0 and fast.train_s > 0


def test_no_time_still_fits_something():
    """Zero minutes read the fewest texts that a fit needs."""
    plan = planned(load_kit(), 0.1, n_pairs=3000, total_s=0.0, probe_s=5.0, trains=True)
    assert (plan.n_fit, plan.n_held_out, plan.n_pairs) == (64, 32, 0)
