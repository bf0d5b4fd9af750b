"""Forgetting: `rows.py` deletes in SQL, `forget.py` removes every remaining trace."""
