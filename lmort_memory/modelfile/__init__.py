"""What a model file says, without llama.cpp: the GGUF container, its facts, its identity.

    GGUF file ──► header.py ──► facts.py        sizes, tokenizer, template; no weights loaded
                      │    ├──► checks.py       what would make llama.cpp abort, refused instead
                      │    └──► fingerprint.py, sketch.py    the identity of the weights
                      └──► tensors.py           rows of tensors, decoded

`convert/` makes GPT-2 and GPT-J checkpoints and files runnable.
"""
