"""Memory for programs built on other frameworks, in the terms of their owners.

Each module needs the extra of its own name (`pip install 'lmort-memory[langgraph]'`) and is
imported by nobody but its user. What several need is here once: records under a key of the
caller's (`documents`), notes for a prompt (`notes`) and namespaces (`lmort_memory.scopes`).
"""
