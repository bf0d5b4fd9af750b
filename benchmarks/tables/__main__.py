"""Write the tables of the pages anew."""

from __future__ import annotations

from benchmarks.tables import PAGES, RESULTS, render

if __name__ == "__main__":
    for page in PAGES:
        page.write_text(render(page.read_text(), RESULTS))
