# Everything in one line each; the programs themselves say what they do with --help.
BIN := .venv/bin
PYTHON ?= python3
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt
# What Python need not compile before it is used: most of it never is.
LATER := /tests/|/kubernetes/|/transformers/models/(?!auto/|llama/)
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest
SIDE_BY_SIDE := --numprocesses logical --no-loadscope-reorder

.PHONY: setup demo fast test test-engines test-slurm environments slurm lint clean

setup: .venv/installed

.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(PIP) pip # the one that Python brings along takes twice as long
	$(PIP) --no-compile '.[dev]'
	$(BIN)/python -m compileall -qq -j 0 -x '$(LATER)' .venv/lib || true # some are for other Pythons
	touch $@

demo: setup
	$(BIN)/snakemake --cores 2 --quiet rules host
	@echo "The report: $(CURDIR)/results/report.html"

# tests/tiers.py says which tests each of these runs.
fast: setup
	$(PYTEST) $(SIDE_BY_SIDE) --tier=fast

test: setup
	$(PYTEST) $(SIDE_BY_SIDE) --tier=main

test-engines: setup
	$(PYTEST) $(SIDE_BY_SIDE) --tier=engines

# They start a cluster of their own and stop it; mostly it is waited for.
test-slurm: setup slurm
	$(PYTEST) --tier=slurm

# The Python environments that engines have of their own; tests and studies build them if need be.
environments: setup
	for name in $(filter-out mathematics,$(basename $(notdir $(wildcard workflow/envs/*.txt)))); do \
	    $(BIN)/python workflow/scripts/environment.py $$name || exit 1; \
	done

# Debian's packages.
slurm:
	PATH=$$PATH:/usr/sbin:/sbin command -v slurmctld >/dev/null || { apt-get update -qq && \
	    apt-get install -y -qq --no-install-recommends slurmctld slurmd slurm-client munge; }

lint: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/snakefmt --check Snakefile workflow/rules
	$(BIN)/mypy
	$(BIN)/python -m pytest -q tests/workflow/test_lint.py # Snakemake's linter, with our exceptions

clean: # results stay: they are what this is for
	rm -rf .venv $(addprefix resources/,adapters calibrations datasets downloads envs models quantized samples)
