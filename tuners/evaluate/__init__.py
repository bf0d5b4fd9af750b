"""Judging vectors: evaluation sets, metrics, layer analysis."""
