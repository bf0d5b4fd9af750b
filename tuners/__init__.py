"""Make tuners: analyse layers, cache states, train, evaluate. The only place that knows torch.

    data ──► states (cache on disk) ──► train ──► artifact (GGUF)
                  │  teacher vectors ──┘              │
                  └──► analyze (Eq. 4, 5)             └──► evaluate (BEIR layout)

Importing this package loads nothing heavy; its modules import torch where they need it.
"""
