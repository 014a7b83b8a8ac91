# Every target does the set-up that it needs; a second call finds it done. `make help` lists them.
.DEFAULT_GOAL := help
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:

# The first interpreter that runs and fits; another: make PYTHON=...
FITS := import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	"$$p" -c '$(FITS)' 2>/dev/null && echo "$$p" && break; done)
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt
PORT ?= 3000
AUDITOR_PORT ?= 3001

.PHONY: help demo test test-slow lint ui ui-auditor bench clean

help: ## Explain the targets
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(VENV)/.made:
	@test -n "$(PYTHON)" && "$(PYTHON)" -c '$(FITS)' || \
		{ echo "Assent needs Python 3.11 to 3.13; name one: make PYTHON=/path/to/python"; exit 2; }
	@echo "Setting up $(VENV) with $$($(PYTHON) --version) (once)"
	@$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.demo: $(VENV)/.made pyproject.toml constraints.txt
	@echo "Installing the pinned packages (once)"
	@$(PIP) --editable '.[demo]'
	@touch $@

$(VENV)/.dev: $(VENV)/.demo
	@echo "Installing the tools of development (once)"
	@$(PIP) --editable '.[demo,dev]'
	@touch $@

demo: $(VENV)/.demo ## Run the whole chain on the demo's data and show what came of it
	@$(BIN)/assent run

ui: $(VENV)/.demo ## Dagster's UI on localhost, schedules and sensors running
	@$(BIN)/assent ui --port $(PORT)

ui-auditor: $(VENV)/.demo ## The same instance, read-only
	@$(BIN)/assent ui --read-only --port $(AUDITOR_PORT)

lint: $(VENV)/.dev ## Check style, types, SQL and the rooms' imports
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo
	@$(BIN)/sqlfluff lint --processes 2 --disable-progress-bar dbt_project/models

# The tests of a file share what it makes; in the files' order, the short ones of tests/unit come last.
PYTEST := $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

test: $(VENV)/.dev ## Run every test but the slow ones, with coverage
	@$(PYTEST) -m "not slow" --hypothesis-profile quick --cov --cov-report=term:skip-covered --cov-fail-under=90

test-slow: $(VENV)/.dev ## Run what runs the whole chain again and again, and properties at length
	@$(PYTEST) -m "slow or property"

bench: $(VENV)/.dev ## Compare the governed pipeline with a bare one, and time what rights take; print tables
	@$(BIN)/python -m benchmarks.run
	@$(BIN)/python -m benchmarks.rights

clean: ## Remove the environment and the demo's state
	rm -rf $(VENV) .assent .assent.keys
