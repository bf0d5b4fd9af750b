"""Vectors read back from rows: checked all at once, and the right record is blamed."""

import numpy as np
import pytest

from lmort_memory.errors import DamagedStoreError
from lmort_memory.store.vectors.spaces import by_record


def _row(id_, values, start=0):
    blob = np.array(values, "<f2").tobytes()
    return id_, start, start + 1, blob, None, None, None


def _read(*rows):
    return by_record(rows, lambda blob: np.frombuffer(blob, "<f2"))


def test_chunks_go_to_their_records():
    """In order, as float32."""
    found = _read(_row("a", [1, 0]), _row("a", [0, 1], 1), _row("b", [0.5, 0.5]))
    assert found["a"].vectors.tolist() == [[1, 0], [0, 1]]
    assert found["a"].spans == ((0, 1), (1, 2))
    assert found["b"].vectors.tolist() == [[0.5, 0.5]] and found["b"].vectors.dtype == np.float32
    assert _read() == {}


@pytest.mark.parametrize("order", [(0, 1, 2), (1, 2, 0), (1, 0, 2)])
@pytest.mark.parametrize("damage", [[1], [float("nan"), 0]])
def test_the_damaged_record_is_named(order, damage):
    """Wherever it stands: cut short, or with what no encoder makes."""
    rows = [_row("broken", damage), _row("sound", [1, 0]), _row("whole", [0, 1])]
    with pytest.raises(DamagedStoreError, match="broken"):
        _read(*(rows[i] for i in order))
