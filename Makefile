# `make` says what there is. Everything happens in .venv; nothing outside this folder is changed but pip's own cache.

.DEFAULT_GOAL := help
SHELL := /bin/bash

# The first Python that is new enough; another one: make setup PYTHON=/path/to/python3.12
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
BIN := .venv/bin
STAMP := .venv/.setup-stamp

.PHONY: help setup demo test lint format bench clean

help: ## say what there is
	@awk -F':.*## ' '/^[a-z]+:.*## / {printf "make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(STAMP) ## create .venv with reloc and all that it needs, in pinned versions

$(STAMP): pyproject.toml .requirements.lock
	@test -n "$(PYTHON)" || { echo "error: Python 3.11 or newer is needed; say where: make setup PYTHON=/path/to/python3.11" >&2; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip || true
	$(BIN)/python -m pip install --quiet --constraint .requirements.lock --editable ".[dev]"
	@touch $@
	@echo "reloc is in $(BIN); to use it: source $(BIN)/activate"

demo: $(STAMP) ## make a recording, track it, evaluate it, and say where everything is
	$(BIN)/reloc demo

test: $(STAMP) ## run the tests, on two cores
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile

lint: $(STAMP) ## check style, types and floors
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(STAMP) ## put the code into the common format
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(STAMP) ## measure speed in ratio to SIFT, growth, memory, start and accuracy (BENCH="--quick frame" for less)
	$(BIN)/python -m tests.benchmarks $(BENCH)

clean: ## remove .venv, caches, compiled kernels and out/
	rm -rf .venv out build dist *.egg-info .pytest_cache .ruff_cache .mypy_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
