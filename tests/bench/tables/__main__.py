"""Write the tables of docs/benchmarks.md anew."""

from __future__ import annotations

from tests.bench.tables import PAGE, RESULTS, render

if __name__ == "__main__":
    PAGE.write_text(render(PAGE.read_text(), RESULTS))
