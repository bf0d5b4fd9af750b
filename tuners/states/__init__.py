"""Hidden states of texts and sessions, cached on disk."""
