"""What every message about a damaged database tells the user to do."""

from typing import Final

__all__ = ["DAMAGED"]

DAMAGED: Final = (
    "the file is damaged: `lmort-mem verify` counts what can be read,"
    " `lmort-mem export saved.jsonl --salvage` saves it, and"
    " `lmort-mem restore BACKUP` goes back to a backup"
)
