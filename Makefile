# Everything in one line each; the programs themselves say what they do with --help.
BIN := .venv/bin
PYTHON ?= python3

.PHONY: setup demo test slurm test-slurm lint clean

setup: .venv/installed

.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt '.[dev]'
	touch $@

demo: setup
	$(BIN)/snakemake --cores 2 --quiet rules host
	@echo "The report: $(CURDIR)/results/report.html"

test: setup
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses logical --no-loadscope-reorder

# Debian's packages; the tests start a cluster of their own with them and stop it.
slurm:
	apt-get update -qq
	apt-get install -y -qq --no-install-recommends slurmctld slurmd slurm-client munge

test-slurm: setup slurm
	$(BIN)/python -m pytest tests/workflow/test_slurm.py

lint: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/snakefmt --check Snakefile workflow/rules
	$(BIN)/mypy
	$(BIN)/python -m pytest -q tests/workflow/test_lint.py # Snakemake's linter, with our exceptions

clean: # results stay: they are what this is for
	rm -rf .venv $(addprefix resources/,adapters calibrations datasets downloads envs models quantized samples)
