"""Make tuners: analyse layers, cache states, train, evaluate. The only package that uses torch.

    data ──► states (cache on disk) ──► train ──► artifact (GGUF)
                  │  teacher vectors ──┘              │
                  └──► analyze (Eq. 4, 5)             └──► evaluate (BEIR layout)

Importing this package is cheap; its modules import torch where they need it.
"""
