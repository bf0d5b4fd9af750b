"""Fuzzing guided by coverage, with atheris: `python -m benchmarks.fuzz --minutes N TARGET`.

`targets.py` says what is tried and what may come of it, `corpus/` holds what the inputs are made
of. What was found, and how long each target ran, is in docs/fuzzing.md.
"""
