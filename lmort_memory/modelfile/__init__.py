"""Reading model files without llama.cpp: the GGUF container, its facts, its identity.

    GGUF file ──► header.py ──► facts.py        sizes, tokenizer, template; no weights loaded
                      │    ├──► checks.py       refuses what would make llama.cpp abort
                      │    └──► fingerprint.py, sketch.py    the identity of the weights
                      └──► tensors.py           rows of tensors, decoded

`convert/` turns GPT-2 and GPT-J checkpoints and files into GGUFs that llama.cpp runs.
"""
