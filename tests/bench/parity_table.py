"""Print how far the captured layers of every tiny architecture are from `transformers`.

    python -m tests.bench.parity_table [--json]

For each layer the largest single difference, in units of the layer's root mean square.
"""

from __future__ import annotations

import json
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

from tests.support.parity import TEXT, layer_differences, tokens_of
from tests.support.tiny_hf import FAMILIES, N_LAYER, write_tiny_hf


def main() -> None:
    table = {}
    with tempfile.TemporaryDirectory() as folder:
        for family in FAMILIES:
            path = Path(folder) / f"{family}.gguf"
            model = write_tiny_hf(family, path, seed=1)
            table[family] = layer_differences(model, path, tokens_of(TEXT))
    if "--json" in sys.argv:
        print(json.dumps({family: [asdict(d) for d in row] for family, row in table.items()}))
        return
    print("| model | " + " | ".join(f"layer {layer}" for layer in range(N_LAYER + 1)) + " |")
    print("|---" * (N_LAYER + 2) + "|")
    for family, row in table.items():
        print(f"| {family} | " + " | ".join(f"{d.largest:.5f}" for d in row) + " |")


if __name__ == "__main__":
    main()
