# boss-builder: what a person types. `make help` lists it.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON := .venv/bin/python
PYTEST := $(PYTHON) -m pytest

.PHONY: help setup demo test unit integration lint format bench clean

help:  ## list the targets
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  make \1\t/' | expand -t 22

setup:  ## install what is missing: Debian packages, a virtual environment, a Docker Engine
	@scripts/setup

demo: setup  ## freeze, build, boot and validate the example release miniboss-1.0.0
	@$(PYTHON) -m example.demo

test: setup lint unit integration  ## everything that CI asks

unit: setup  ## unit tests: seconds, no network, no Docker
	@$(PYTEST) tests/unit -n 2 -q

integration: setup  ## integration tests: the real engine, the example upstream
	@$(PYTEST) tests/integration -n 2 --dist loadgroup -q --durations=40

lint: setup  ## ruff, mypy, the arrows between the rooms
	@$(PYTHON) -m ruff check .
	@$(PYTHON) -m ruff format --check --quiet . || { echo "make format cures it"; exit 1; }
	@$(PYTHON) -m mypy
	@.venv/bin/lint-imports --no-cache > .cache/lint-imports.log 2>&1 || { cat .cache/lint-imports.log; exit 1; }

format: setup  ## put the code into the standard layout
	@$(PYTHON) -m ruff check --fix --quiet . ; $(PYTHON) -m ruff format --quiet .

bench: setup  ## measure: start-up, builds, boots, audits; some of it: make bench PARTS="audit rebuild"
	@$(PYTHON) -m tests.bench $(PARTS)

clean:  ## remove what the targets made here (not the store in images/)
	rm -rf .venv .cache .mypy_cache .ruff_cache .pytest_cache
