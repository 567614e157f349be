# `make study` and `make test` need Python 3.11+, make and a C++ compiler; the rest is installed into .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: help install study test lint fuzz benchmark clean

help:
	@echo "make study      install, run the digits study and print its Pareto front"
	@echo "make test       install, then ruff, mypy, import-linter and pytest"
	@echo "make lint       the static checks alone"
	@echo "make fuzz       the property tests with random seeds: SEEDS=20 of them, or as many as fit into SECONDS=600"
	@echo "make benchmark  speed ratios, measured in one process each"
	@echo "make clean      remove the environment and caches (runs/ is kept)"

install: $(STAMP)

$(STAMP): pyproject.toml setup.py $(wildcard nets/execute/native/*.cpp nets/execute/native/*.h)
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.11 install")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	touch $(STAMP)

study: install
	$(BIN)/dse run studies/digits.toml

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# A file's tests share one process, for what its fixtures have made. A process takes about 1.5 GB.
test: lint
	$(BIN)/pytest --numprocesses=auto --maxprocesses=4 --dist=loadfile

# Stops at the first failure and prints the command that repeats it.
SEEDS ?= 20
fuzz: install
	$(BIN)/python -m tests.fuzz $(if $(SECONDS),--seconds $(SECONDS),--seeds $(SEEDS))

benchmark: install
	$(BIN)/python -m pip install --quiet --editable '.[dev,benchmark]'
	$(BIN)/pytest tests/benchmarks tests/report --benchmark-only --benchmark-columns=median,rounds

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache *.egg-info
