"""Forgetting: `rows.py` deletes in SQL, `forget.py` cleans every place where traces may be."""
