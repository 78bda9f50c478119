# The commands of Cardops. Each one first installs what it needs into .venv; all it takes is
# Python 3.11, 3.12 or 3.13 and make.

SHELL := /bin/bash
.DEFAULT_GOAL := help
VENV ?= .venv
BIN := $(VENV)/bin
ROWS ?= 5000
# Processes of a test run: one more than two cores, because tests often wait for servers and children.
WORKERS ?= 3
# The first supported interpreter that runs: a version manager's shim may exist and not run.
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11 python; do \
	$$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' 2>/dev/null \
	&& echo $$p && break; done)

.PHONY: help setup setup-dev demo up test test-fast test-postgresql15 test-spark soak screenshots check format bench lock clean clean-data

help: ## Show this list
	@grep -E '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 20

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "Cardops needs Python 3.11, 3.12 or 3.13, and none was found on the PATH. Install one, or name it: make PYTHON=/path/to/python3.12" >&2; exit 2; }
	@echo "Creating $(VENV) with $$($(PYTHON) --version)"
	@$(PYTHON) -m venv $(VENV)

# How: deploy/install.py (uv where it can be had, else pip; hashes required either way).
$(VENV)/.setup: requirements.lock pyproject.toml | $(BIN)/python
	@echo "Installing the packages Cardops needs (about half a minute)"
	@$(BIN)/python deploy/install.py requirements.lock
	@$(BIN)/python -m cardops.adapters.warehouse.dbt
	@touch $@

$(VENV)/.setup-dev: requirements-dev.lock $(VENV)/.setup
	@echo "Installing the test tools"
	@$(BIN)/python deploy/install.py requirements-dev.lock
	@touch $@

setup: $(VENV)/.setup ## Create .venv with the packages Cardops needs
setup-dev: $(VENV)/.setup-dev ## Add the test tools to .venv

demo: setup ## Run one day of card operations end to end and verify it (ROWS=50000 for full size)
	@$(BIN)/cardops demo --rows $(ROWS)

up: setup ## Start the Dagster UI, sensors, authorizer, SFTP server and dbt docs; Ctrl-C stops them
	@exec $(BIN)/cardops up

test: setup-dev ## Run the whole test suite
	@$(BIN)/python -m pytest -m "not soak" -n $(WORKERS) --dist loadfile

test-fast: setup-dev ## Run the tests of rules, contracts, adapters and authorizer (no Dagster)
	@$(BIN)/python -m pytest -m "not soak and not dagster" -n $(WORKERS) --dist loadfile tests/rules tests/contracts tests/adapters tests/authorizer

test-postgresql15: setup-dev ## Run the database tests against PostgreSQL 15
	@tests/postgresql15.sh $(BIN)/python -m pytest -q -m "database and not soak and not dagster" -n $(WORKERS) --dist loadfile

.PHONY: need-java
need-java:
	@command -v java >/dev/null || { echo "Spark needs Java 17, and there is no java on the PATH. Install one: apt-get install default-jre-headless" >&2; exit 2; }

# Where PySpark is installed, pandas warns of it at every import: Spark has environments of its own, which
# find everything else in $(VENV). PyPI has the JAR of Iceberg for Spark 3.5 alone, whole only in that one release.
.venv-%/.setup: requirements-%.lock $(VENV)/.setup-dev
	@echo "Installing PySpark into .venv-$* (400 MB)"
	@$(BIN)/python -m venv --without-pip .venv-$*
	@folder='import sysconfig; print(sysconfig.get_path("purelib"))'; \
		echo "import site; site.addsitedir('$$($(BIN)/python -c "$$folder")')" \
		> "$$(.venv-$*/bin/python -c "$$folder")/cardops_packages.pth"
	@$(BIN)/python deploy/install.py $< .venv-$*/bin/python
	@touch $@

test-spark: need-java .venv-spark/.setup .venv-spark-iceberg/.setup ## Compare every mart and Iceberg table on Spark (needs Java 17)
	@.venv-spark/bin/python -m pytest -q -m spark tests/spark/test_marts_on_spark.py
	@.venv-spark-iceberg/bin/python -m pytest -q -m spark tests/spark/test_iceberg_on_spark.py

soak: setup-dev ## Run the long tests: kills, histories, scale
	@$(BIN)/python -m pytest -m soak --timeout 3600

screenshots: setup-dev ## Make the pictures of docs/control-room.md again (needs Chromium)
	@SCREENSHOTS_TO=docs/images $(BIN)/python -m pytest -q -m browser tests/browser/test_control_room.py

check: setup-dev ## Check format, lint, types, import contracts, SQL and definitions
	@$(MAKE) --no-print-directory --jobs 2 $(TOGETHER) $(CHECKS)

# Two at a time, because each keeps one core busy; the output of each in one piece where make can do it.
CHECKS := check-code check-types check-models check-migrations check-imports check-definitions
TOGETHER := $(if $(filter output-sync,$(.FEATURES)),--output-sync=target)
.PHONY: $(CHECKS)

check-code:
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .

check-types:
	@$(BIN)/mypy

check-models:
	@$(BIN)/sqlfluff lint dbt_project/models dbt_project/tests

check-migrations:
	@$(BIN)/sqlfluff lint --dialect postgres cardops/adapters/postgresql/migrations

check-imports:
	@$(BIN)/lint-imports

check-definitions:
	@env -i PATH="$(abspath $(BIN)):/usr/bin:/bin" HOME="$${HOME:-/tmp}" $(BIN)/dg check defs

format: setup-dev ## Format the code and fix what the linters can fix
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .
	@$(BIN)/sqlfluff fix --quiet dbt_project/models dbt_project/tests

bench: setup-dev ## Run the benchmarks (NAME=… for a single one)
	@$(BIN)/python -m benchmarks $(NAME)

lock: ## Update the lock files from pyproject.toml (needs uv)
	@uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
		--no-header pyproject.toml --extra build -o requirements.lock
	@uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
		--no-header pyproject.toml --extra build --extra dev --extra otel -c requirements.lock -o requirements-dev.lock
	@uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
		--no-header --no-annotate pyproject.toml --extra spark -c requirements-dev.lock \
		$$(grep -oE '^[a-z0-9._-]+' requirements-dev.lock | sort -u | sed 's/^/--no-emit-package /') \
		| sed '/^# The following/,$$d' > requirements-spark.lock
	@printf 'pyspark>=3.5.9,<3.6\nsnowpark-connect-deps-iceberg==1.0.2; python_version < "3.13"\n' \
		| uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
		--no-header --no-annotate - -o requirements-spark-iceberg.lock
	@echo uv | uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
		--no-header --no-annotate - -o deploy/installer.lock

clean: ## Remove .venv, caches and build output; keeps .cardops
	@rm -rf $(VENV) .venv-spark .venv-spark-iceberg build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis \
		.import_linter_cache .tmp_dagster_home_* dbt_project/target dbt_project/logs benchmarks/results
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
	@echo "Kept .cardops with its balances and files; make clean-data deletes it."

clean-data: ## Delete .cardops: all balances, decisions and files
	@rm -rf .cardops
