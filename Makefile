# make demo   set up and run the whole job on simulated images; results in demo-output/
# make test   set up, lint, type checks, tests
# make lint   only lint, formatting and type checks
# make format rewrite the formatting; make lists: rewrite the file lists of CMake and the tables of settings
# make bench  speed and memory
# make clean  remove what these commands made
#
# PYTHON=python3.12   the interpreter to build the environment with (3.10 to 3.12)
# VENV=.venv          where the environment goes
# PIP_ARGS=...        more arguments for pip, for example another index for PyTorch
# JOBS=2              test processes

PYTHON ?= python3
VENV ?= .venv
PIP_ARGS ?=
JOBS ?= 2

BIN := $(VENV)/bin
PIP_INSTALL := $(BIN)/python -m pip install --disable-pip-version-check $(PIP_ARGS) -c constraints.txt
INPUTS := pyproject.toml constraints.txt

.DEFAULT_GOAL := help
.PHONY: help demo test lint format lists bench clean rendering

help:
	@sed -n 's/^# \{0,1\}//p' Makefile

$(VENV)/.created: tools/make_venv.sh
	@PYTHON="$(PYTHON)" sh tools/make_venv.sh "$(VENV)"
	@touch $@

$(VENV)/.demo-ready: $(VENV)/.created $(INPUTS)
	$(PIP_INSTALL) -e ".[standalone]"
	@touch $@

$(VENV)/.test-ready: $(VENV)/.created $(INPUTS)
	$(PIP_INSTALL) -e ".[dev]"
	@touch $@ $(VENV)/.demo-ready

rendering: $(VENV)/.created
	@$(BIN)/python tools/check_rendering.py

demo: $(VENV)/.demo-ready rendering
	$(BIN)/transferrisk demo --output demo-output

test: lint rendering
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(JOBS) --dist worksteal

lint: $(VENV)/.test-ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/.test-ready
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

lists: $(VENV)/.test-ready
	$(PYTHON) tools/list_sources.py
	$(BIN)/python tools/document_settings.py

bench: $(VENV)/.test-ready
	@for script in benchmarks/*.py; do \
		if [ -f "$$script" ]; then echo "== $$script"; $(BIN)/python "$$script" || exit 1; \
		else echo "benchmarks/ is empty"; fi; \
	done

clean:
	rm -rf "$(VENV)" demo-output build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -not -path './.git/*' -prune -exec rm -rf {} +
