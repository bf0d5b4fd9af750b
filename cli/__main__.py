"""`python -m lmort_memory.cli`."""

from . import main

main()
