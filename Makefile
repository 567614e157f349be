# `make study` and `make test` need Python 3.11+, make and a C++ compiler; the rest is installed into .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: help install study test lint docs fuzz benchmark wheel constraints test-floors clean

help:
	@echo "make study      install, run the digits study and print its Pareto front"
	@echo "make test       install, then ruff, mypy, import-linter and pytest"
	@echo "make lint       the static checks alone"
	@echo "make docs       the documentation site in build/site"
	@echo "make fuzz       the property tests with random seeds: SEEDS=20 of them, or as many as fit into SECONDS=600"
	@echo "make benchmark  speed ratios, measured in one process each"
	@echo "make wheel      a wheel and a source distribution in dist/"
	@echo "make constraints  newest versions of all dependencies into constraints.txt; make test then says whether they work"
	@echo "make test-floors  the tests with the oldest versions that pyproject.toml admits (needs uv)"
	@echo "make clean      remove the environment and caches (runs/ is kept)"

install: $(STAMP)

$(STAMP): pyproject.toml setup.py constraints.txt $(wildcard nets/execute/native/*.cpp nets/execute/native/*.h)
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.11 install")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
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
	$(BIN)/pytest --numprocesses=auto --maxprocesses=4 --dist=loadfile --no-loadscope-reorder

docs: install
	$(BIN)/python -m sphinx --builder html --fail-on-warning --keep-going --quiet --doctree-dir build/doctrees docs build/site

# Stops at the first failure and prints the command that repeats it.
SEEDS ?= 20
fuzz: install
	$(BIN)/python -m tests.fuzz $(if $(SECONDS),--seconds $(SECONDS),--seeds $(SEEDS))

benchmark: install
	$(BIN)/python -m pip install --quiet --editable '.[dev,benchmark]'
	$(BIN)/pytest tests/benchmarks tests/report --benchmark-only --benchmark-columns=median,rounds

wheel: install
	rm -rf build dist
	$(BIN)/python -m pip install --quiet build
	$(BIN)/python -m build --outdir dist .

# Versions of Python 3.11, the oldest that is supported, so that later ones find them, too.
constraints:
	rm -rf build/newest
	$(PYTHON) -m venv build/newest
	build/newest/bin/python -m pip install --quiet --editable '.[dev]'
	build/newest/bin/python -m studies.reference.write_constraints
	build/newest/bin/python -m studies.reference.write_licences

test-floors:
	rm -rf build/oldest
	uv venv --quiet --python $(PYTHON) build/oldest
	uv pip install --quiet --python build/oldest/bin/python --resolution lowest-direct --editable '.[dev]'
	build/oldest/bin/python -m pytest --numprocesses=auto --maxprocesses=4 --dist=loadfile --no-loadscope-reorder

clean:
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache *.egg-info
