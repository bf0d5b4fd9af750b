"""Print how far SmolLM2's captured layers are from `transformers`, as JSON.

    python -m benchmarks.parity_smollm2 > benchmarks/results/parity_smollm2.json

Largest and mean difference of a layer, in units of its root mean square, for the packaged file and
for the same weights as F32 and F16.
"""

from __future__ import annotations

import json
import tempfile
from dataclasses import asdict
from pathlib import Path

from lmort_memory.backbone import Backbone, default_model_path
from tests.support.parity import layer_differences
from tests.support.quantised import requantise
from tests.support.smollm2 import TEXT, dequantised_smollm2

LAYERS = (0, 1, 11, 30)


def main() -> None:
    with Backbone.open(default_model_path()) as backbone:
        tokens = [*backbone.prompts.prefix, *backbone.prompts.tokenize(TEXT)]
    report = {"tokens": len(tokens), "layers": {}}
    with tempfile.TemporaryDirectory() as folder:
        paths = {kind: requantise(Path(folder) / f"{kind}.gguf", kind) for kind in ("F32", "F16")}
        for kind, path in {**paths, "packaged Q4_1": default_model_path()}.items():
            found = layer_differences(dequantised_smollm2(), path, tokens)
            report["layers"][kind] = [asdict(d) for d in found if d.layer in LAYERS]
    print(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
