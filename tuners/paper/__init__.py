"""The tables and figures of the paper (arXiv 2403.01999) on another backbone."""
