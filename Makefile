# `make chat` and `make test` do everything, from nothing but Python, make and a C++ compiler.
# A second run starts at once: each stamp is newer than what it depends on.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.make
# pip shows what setuptools warns its own developers of, over pages.
PIP := PYTHONWARNINGS=ignore $(BIN)/python -m pip
LLAMA := $(shell sed -n 's/.*"\(llama-cpp-python==[^"]*\)".*/\1/p' pyproject.toml)
# GCC drops the stores that fill AMX's tile configuration, and the first matrix product dies of
# SIGILL (ggml-org/llama.cpp pull request 26954). Clang, which does not, does not know the flags.
KEEP_STORES := $(shell c++ -fno-tree-dse -fno-dse -E -x c++ /dev/null >/dev/null 2>&1 && echo -fno-tree-dse -fno-dse)

.PHONY: help chat test lint bench wheel clean
.DEFAULT_GOAL := help

help:
	@echo "make chat    set up and talk, with memory, to the packaged model"
	@echo "make test    set up and run every test"
	@echo "make lint    set up and run ruff and mypy"
	@echo "make bench   set up and run the benchmarks: for hours, on an idle machine"
	@echo "make wheel   build the wheel, and test it in a new environment without the sources"
	@echo "make clean   remove the virtual environment and build output"

chat: $(STAMP)/chat
	@$(BIN)/lmort-mem chat

test: $(STAMP)/test
	$(BIN)/python -m pytest

lint: $(STAMP)/test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(STAMP)/bench
	$(VENV)/bench/bin/python -m benchmarks $(if $(DATA),--data $(DATA)) $(if $(QUICK),--quick)

wheel: $(STAMP)/test
	$(BIN)/python -m tests.support.wheel_check

$(STAMP)/venv:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "lmort-memory needs Python 3.11 or newer: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	@command -v c++ >/dev/null || command -v g++ >/dev/null || command -v clang++ >/dev/null \
	  || { echo "lmort-memory needs a C++ compiler: sudo apt install build-essential" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV)
	@$(PIP) install --quiet --upgrade 'pip>=25.1'
	@mkdir -p $(STAMP)
	@touch $@

# Past pip's cache: it keeps what was compiled for another processor, or without these flags.
$(STAMP)/llama: $(STAMP)/venv pyproject.toml
	@echo "Compiling llama.cpp: 5 to 15 minutes on two cores."
	@CXXFLAGS="$$CXXFLAGS $(KEEP_STORES)" $(PIP) install --no-cache-dir --force-reinstall --no-deps '$(LLAMA)'
	@touch $@

$(STAMP)/chat: $(STAMP)/llama pyproject.toml
	@echo "Installing the other packages, and the model."
	@$(PIP) install --editable '.[smollm2]'
	@touch $@

$(STAMP)/test: $(STAMP)/chat pyproject.toml
	@echo "Installing what the tests need; torch for CPU and transformers are most of it."
	@$(PIP) install --quiet --editable '.[smollm2,train]' --group dev
	@touch $@

# The peers bring packages of their own: they, and we beside them, get another environment.
$(STAMP)/bench: $(STAMP)/test pyproject.toml
	@$(PYTHON) -m venv $(VENV)/bench
	@PYTHONWARNINGS=ignore $(VENV)/bench/bin/python -m pip install --quiet --upgrade 'pip>=25.1'
	@PYTHONWARNINGS=ignore $(VENV)/bench/bin/python -m pip install --quiet --editable '.[smollm2,train]' \
	  --group dev --group bench
	@touch $@

clean:
	rm -rf $(VENV) build dist *.egg-info
