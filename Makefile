# Everything that a person does here. `make` lists the targets.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip --disable-pip-version-check -qq

# Of `make run`: make run CUSTOMERS=10000, make run CSV=people.csv, make run PORT=8001, make run ARGS=--no-serve
CUSTOMERS  ?= 2000
CSV        ?=
PORT       ?= 8000
VAULT_PORT ?= 8200
ARGS       ?=
RUN_OPTIONS = --customers $(CUSTOMERS) --port $(PORT) --vault-port $(VAULT_PORT) $(if $(CSV),--csv "$(CSV)") $(ARGS)

.DEFAULT_GOAL := help
.PHONY: help run test test-all lint docs lock bench bench-quick leaks soak clean

help:  ## this list
	@sed -n 's/^\([a-z-]*\):.*##  *\(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 20

run: $(VENV)/run.stamp  ## the demo: a Django admin over tokenized customers on http://127.0.0.1:8000 (Ctrl-C stops it)
	@exec $(BIN)/python -m testproject.run $(RUN_OPTIONS)

test: $(VENV)/dev.stamp  ## the test suite with its coverage gate, on SQLite (DATABASE_URL chooses another database)
	$(BIN)/python -m pytest -n auto -m "not soak" --cov --cov-report=term:skip-covered --cov-fail-under=$(COVERAGE) $(ARGS)

# Percent of the package's branches and lines that the suite must reach.
COVERAGE ?= 98

test-all:  ## the suite on every database, Python and Django version that this machine has
	.ci/run

lint: $(VENV)/dev.stamp  ## ruff, mypy, missing migrations
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python manage.py makemigrations --check --dry-run

docs: $(VENV)/dev.stamp  ## the documentation, warnings as errors, into docs/_build
	$(BIN)/sphinx-build -W --keep-going -b html docs docs/_build/html

lock: $(VENV)/dev.stamp  ## bring the lock files up to date: make lock ARGS=--upgrade
	$(COMPILE) --all-extras --group dev -o requirements/dev.txt
	$(COMPILE) --group testproject -c requirements/dev.txt -o requirements/run.txt
	$(COMPILE) --group databases -c requirements/dev.txt -o requirements/databases.txt

COMPILE = $(BIN)/uv pip compile pyproject.toml --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-annotate --custom-compile-command "make lock" $(ARGS)

bench: $(VENV)/dev.stamp  ## the benchmarks, beside a bare floor and the peers (minutes)
	$(BIN)/python -m benchmarks $(ARGS)

bench-quick: $(VENV)/dev.stamp  ## the assertions on counts of the benchmarks (under 2 minutes)
	$(BIN)/python -m benchmarks --quick $(ARGS)

leaks: $(VENV)/dev.stamp  ## search every sink for a canary; write the table of the documentation
	$(BIN)/python -m pytest tests/leaks -q --leaks-table docs/leaks-table.md $(ARGS)

soak: $(VENV)/dev.stamp  ## the long tests under load and faults (minutes)
	$(BIN)/python -m pytest -m soak -p no:randomly --timeout 1800 $(ARGS)

clean:  ## remove what the commands above made, the demo's data in var/ too
	rm -rf $(VENV) var build dist docs/_build htmlcov .coverage .coverage.* .mypy_cache .pytest_cache .ruff_cache .hypothesis

# A stamp is as old as the lock that was installed; a second run finds it fresh and starts at once.
$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Python 3.11 or newer is needed: make PYTHON=/path/to/python3.11 $(MAKECMDGOALS)"; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/run.stamp: requirements/run.txt | $(BIN)/python
	@echo "Installing requirements/run.txt into $(VENV) ..."
	@$(PIP) install --require-hashes -r requirements/run.txt
	@touch $@

$(VENV)/dev.stamp: requirements/dev.txt | $(BIN)/python
	@echo "Installing requirements/dev.txt into $(VENV) ..."
	@$(PIP) install --require-hashes -r requirements/dev.txt
	@touch $@ $(VENV)/run.stamp
