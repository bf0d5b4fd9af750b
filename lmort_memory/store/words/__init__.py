"""Full-text search: `tokenizer.py` folds text for FTS5, `search.py` ranks by BM25."""
