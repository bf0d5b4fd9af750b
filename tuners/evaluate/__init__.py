"""Evaluation of vectors: sets, metrics, layer analysis."""
