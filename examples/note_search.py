"""Search a folder of notes by meaning and by words.

    python examples/note_search.py ~/notes "How do bees get through the winter?"

The first run reads the notes; later ones only what has changed.
"""

import sys
from pathlib import Path

from lmort_memory import Memory
from lmort_memory.importers import scan
from lmort_memory.importing import import_files


def search(folder: Path, question: str, database: Path | None = None) -> list[str]:
    """Bring the memory up to date with the folder, then answer with places in it."""
    with Memory.open(database) as memory:
        report = import_files(memory, scan([folder]), scope=str(folder))
        memory.encode_pending()
        print(f"{report.added} new pieces, {report.unchanged} files unchanged", file=sys.stderr)
        hits = memory.recall(question, top_k=5, scope=str(folder))
    lines = []
    for hit in hits:
        source = hit.record.source
        assert source is not None, "what was imported has a source"
        words = " ".join(hit.record.text.split())[:100]
        lines.append(f"{source.uri}, characters {source.start} to {source.end}: {words}")
    return lines


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(f"usage: {sys.argv[0]} FOLDER QUESTION")
    for line in search(Path(sys.argv[1]).expanduser(), sys.argv[2]):
        print(line)
