"""A tuner for any model in minutes: what `lmort-mem tuner make` does."""
