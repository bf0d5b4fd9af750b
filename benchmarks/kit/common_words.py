"""Write the table of common words: `python -m benchmarks.kit.common_words`.

The weight of a stem is the logarithm of how few of the calibration kit's texts hold it. Rarer stems
than those of the table all weigh the same.
"""

from __future__ import annotations

import math
import textwrap
from collections import Counter, defaultdict
from pathlib import Path

from lmort_memory.kit import load_kit
from lmort_memory.memory.overlap import RAREST, all_stems

LEAST = 0.003  # of the texts
TARGET = Path(__file__).parents[2] / "lmort_memory" / "memory" / "common.py"
HEAD = '''"""Common stems, by what sharing one says; made by `benchmarks.kit.common_words`.

Natural logarithm of 2 / (share of the calibration kit's texts + 0.001), in steps of a half.
"""

from typing import Final

'''


def main() -> None:
    """Count the kit's stems and write the module."""
    kit = load_kit()
    found = Counter(stem for item in kit.items for stem in all_stems(item.text))
    levels: dict[float, list[str]] = defaultdict(list)
    for stem, count in found.most_common():
        share = count / len(kit.items)
        if share >= LEAST:
            levels[min(RAREST, round(2 * math.log(2 / (share + 0.001))) / 2)].append(stem)
    lines = [HEAD, "COMMON: Final[dict[float, str]] = {\n"]
    for level, stems in sorted(levels.items()):
        rows = textwrap.wrap(" ".join(sorted(stems)), 88)
        lines += [f"    {level}: (\n", *(f'        "{row} "\n' for row in rows), "    ),\n"]
    TARGET.write_text("".join([*lines, "}\n"]), encoding="utf-8")


if __name__ == "__main__":
    main()
