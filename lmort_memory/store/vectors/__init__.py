"""Nearest-neighbour search.

search.py          the vectors of one space, searched under a filter
├── vector_query.py   one query: which rankings are tried
├── candidates.py     the few vectors that can pass a filter
├── matrix.py         exactly: cosines over all of them
└── graph.py          approximately: HNSW
spaces.py          vectors in and out of SQLite
refresh.py         the caches of matrix and graph kept current; cachefiles.py: their files
"""
