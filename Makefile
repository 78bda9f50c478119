# Commands of Cardops. Each installs what it needs into .venv first; none needs more than
# Python 3.11 to 3.13 and make.

SHELL := /bin/bash
.DEFAULT_GOAL := help
VENV ?= .venv
BIN := $(VENV)/bin
ROWS ?= 5000
# The first interpreter that runs and is one of 3.11 to 3.13 (a shim may exist and not run).
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11 python; do \
	$$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' 2>/dev/null \
	&& echo $$p && break; done)

.PHONY: help setup setup-dev demo up test test-fast test-postgresql15 soak check format bench lock clean clean-data

help: ## Show this list
	@grep -E '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 20

# --no-deps: the lock is complete; pip need not resolve. Bytecode is made on all cores after it:
# importing Dagster without bytecode costs 17 s, with it 9 s.
define install
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --no-deps --no-compile \
		--require-hashes -r $(1)
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --no-deps \
		--no-build-isolation --no-compile -e .
	@$(BIN)/python -m compileall -q -j 0 $(VENV)/lib >/dev/null 2>&1 || true
endef

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "Cardops needs Python 3.11, 3.12 or 3.13, and none was found on the PATH. Install one, or say which: make PYTHON=/path/to/python3.12" >&2; exit 2; }
	@echo "Making $(VENV) with $$($(PYTHON) --version)"
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.setup: requirements.lock pyproject.toml | $(BIN)/python
	@echo "Installing what Cardops runs on (about two minutes the first time)"
	$(call install,requirements.lock)
	@$(BIN)/python -m cardops.adapters.warehouse.dbt
	@touch $@

$(VENV)/.setup-dev: requirements-dev.lock $(VENV)/.setup
	@echo "Installing what Cardops is tested with"
	$(call install,requirements-dev.lock)
	@touch $@

setup: $(VENV)/.setup ## Make .venv with what Cardops runs on
setup-dev: $(VENV)/.setup-dev ## The same with the test tools

demo: setup ## One day of card operations, end to end (ROWS=50000 is the full size)
	@$(BIN)/cardops demo --rows $(ROWS)

up: setup ## Everything running until Ctrl-C: UI, sensors, authorizer, SFTP server
	@exec $(BIN)/cardops up

test: setup-dev ## The whole test suite
	@$(BIN)/python -m pytest -m "not soak" -n 2 --dist loadfile

test-fast: setup-dev ## Rules, contracts and adapters: no Dagster
	@$(BIN)/python -m pytest -m "not soak and not dagster" -n 2 --dist loadfile tests/rules tests/contracts tests/adapters tests/authorizer

test-postgresql15: setup-dev ## The database tests on a PostgreSQL 15 of their own
	@tests/postgresql15.sh $(BIN)/python -m pytest -q -m "database and not soak and not dagster" -n 2 --dist loadfile

soak: setup-dev ## Long rounds: kills, histories, scale
	@$(BIN)/python -m pytest -m soak --timeout 3600

check: setup-dev ## Format, lint, types, import contracts, SQL, definitions
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/sqlfluff lint dbt_project/models dbt_project/tests
	@$(BIN)/sqlfluff lint --dialect postgres cardops/adapters/postgresql/migrations
	@env -i PATH="$(abspath $(BIN)):/usr/bin:/bin" HOME="$${HOME:-/tmp}" $(BIN)/dg check defs

format: setup-dev ## Put the code in shape
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .
	@$(BIN)/sqlfluff fix --quiet dbt_project/models dbt_project/tests

bench: setup-dev ## The benchmarks, as ratios; NAME=… for one
	@$(BIN)/python -m benchmarks $(NAME)

lock: ## Renew both locks from pyproject.toml (needs uv)
	@uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
		--no-header pyproject.toml --extra build -o requirements.lock
	@uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
		--no-header pyproject.toml --extra build --extra dev --extra otel -c requirements.lock -o requirements-dev.lock

clean: ## Remove what the set-up made (not .cardops: it holds the books)
	@rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis \
		.import_linter_cache .tmp_dagster_home_* dbt_project/target dbt_project/logs benchmarks/results
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
	@echo "Left alone: .cardops (the books). make clean-data removes it."

clean-data: ## Remove .cardops: balances, decisions, files, everything
	@rm -rf .cardops
