"""How records are found by words: `tokenizer.py` folds text for FTS5, `search.py` ranks by BM25."""
