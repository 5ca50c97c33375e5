# Each target sets up what it needs in .venv; nothing but Python 3.11 and make is assumed.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
TESTS := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist worksteal

.PHONY: help studio demo test slow test-kernels check fuzz lint docs wheel bench install clean

help:
	@echo "make studio open the page on which images are edited by hand"
	@echo "make demo   find directions for regions of a face and show the edits on a page"
	@echo "make test   run the default tests (minutes)"
	@echo "make slow   run the slow tests"
	@echo "make test-kernels  run the tests with every choice of kernels and print a table (hours)"
	@echo "make lint   check style, types and imports"
	@echo "make docs   build the documentation site into docs/_build/html; a warning is an error"
	@echo "make check  run what CI runs: lint, all tests, docs, wheel"
	@echo "make fuzz   damage checkpoints of every format in 2,000 ways each, and check that none does harm (minutes)"
	@echo "make wheel  build the wheel into dist/ and print its size"
	@echo "make bench  measure the claims about speed on this machine (half an hour)"

$(VENV)/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt "torch==2.13.0"
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[test,lint]"
	@touch $@

$(VENV)/installed-docs: $(VENV)/installed
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[docs]"
	@touch $@

install: $(VENV)/installed

studio: install
	$(BIN)/ganvas studio

demo: install
	$(BIN)/ganvas demo --out demo

test: install
	$(TESTS)

slow: install
	$(TESTS) -m slow

check: lint test slow docs wheel

test-kernels: install
	$(BIN)/python -m tests.kernels -n auto --dist worksteal

fuzz: install
	$(BIN)/python -m tests.fuzz --count 2000

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyrefly check

docs: $(VENV)/installed-docs
	$(BIN)/python -m sphinx --builder html --fail-on-warning --keep-going --quiet docs docs/_build/html
	@echo "docs/_build/html/index.html"

wheel: install
	rm -rf dist
	$(BIN)/python -m pip wheel --quiet --no-deps --wheel-dir dist .
	$(BIN)/python -m tests.wheel dist

bench: install
	$(BIN)/python -m benchmarks

clean:
	rm -rf $(VENV) demo dist docs/_build docs/reference/api
