# Each target sets up what it needs in .venv; nothing but Python 3.11 and make is assumed.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin

.PHONY: help demo test test-kernels fuzz lint bench install clean

help:
	@echo "make demo   find directions for regions of a face and show the edits on a page"
	@echo "make test   run the tests"
	@echo "make test-kernels  run the tests with every choice of kernels and print a table (hours)"
	@echo "make fuzz   spoil checkpoints of every format in 2,000 ways each, and see that none does harm (minutes)"
	@echo "make lint   check style, types and imports"
	@echo "make bench  print what is claimed about speed, measured on this machine"

$(VENV)/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt "torch==2.13.0"
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[test,lint]"
	@touch $@

install: $(VENV)/installed

demo: install
	$(BIN)/ganvas demo --out demo

test: install
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist worksteal

test-kernels: install
	$(BIN)/python -m tests.kernels -n auto --dist worksteal

fuzz: install
	$(BIN)/python -m tests.fuzz --count 2000

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyrefly check

bench: install
	$(BIN)/python -m benchmarks

clean:
	rm -rf $(VENV) demo
