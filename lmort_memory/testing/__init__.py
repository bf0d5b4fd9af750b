"""Public helpers to test against this library: tiny models, a model-free encoder, store contract."""
