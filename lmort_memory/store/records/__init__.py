"""Records as rows: stored, changed, browsed, with their sources and ledgers."""
