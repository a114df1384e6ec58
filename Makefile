# `make help` lists the targets. The programs explain their options with --help.
.DEFAULT_GOAL := help
BIN := .venv/bin
PYTHON ?= python3
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt
# Modules not compiled at installation: most of them are never used.
LATER := /tests/|/kubernetes/|/transformers/models/(?!auto/|llama/)
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest
SIDE_BY_SIDE := --numprocesses logical --no-loadscope-reorder

# Programs that generate documents in the repository; a test compares these with the code.
DOCUMENTS := document_config document_architecture
WRITE = for name in $(DOCUMENTS); do $(BIN)/python workflow/scripts/$$name.py || exit 1; done

.PHONY: help setup demo fast test test-engines test-servers explore test-slurm environments slurm bubblewrap lint documents picture fix hooks new-model check-models new-task new-engine new-quantizer new-scorer new-figure new-gate bench clean

help: ## list these targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1|\2/p' $(MAKEFILE_LIST) | \
	    while IFS='|' read -r name words; do printf 'make %-14s %s\n' "$$name" "$$words"; done

setup: .venv/installed ## install the pinned packages into .venv

.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(PIP) pip # the bundled pip takes twice as long
	$(PIP) --no-compile '.[dev]'
	$(BIN)/python -m compileall -qq -j 0 -x '$(LATER)' .venv/lib || true # some are for other Pythons
	touch $@

demo: setup ## run the study of config/config.yaml on two cores: results/report.html
	$(BIN)/snakemake --cores 2 --quiet rules host
	@echo "The report: $(CURDIR)/results/report.html"

# tests/tiers.py says which tests each of these runs.
fast: setup ## run the fastest tests, in a minute
	$(PYTEST) $(SIDE_BY_SIDE) --tier=fast

test: setup ## run the tests that need nothing but .venv, in half an hour
	$(PYTEST) $(SIDE_BY_SIDE) --tier=main

test-engines: setup ## run the tests that need engines' environments, or more time
	$(PYTEST) $(SIDE_BY_SIDE) --tier=engines

# Builds environments of 5 GB, then takes three minutes. Not in .ci/run.
test-servers: setup ## run the tests that start vLLM and transformers serve
	$(PYTEST) --tier=servers

# The other targets draw the same examples each time.
explore: setup ## run the property tests on new random examples
	$(PYTEST) $(SIDE_BY_SIDE) -m hypothesis --hypothesis-profile=explore

# These tests start and stop their own cluster, and mostly wait for it.
test-slurm: setup slurm ## run the tests that start and stop a Slurm cluster
	$(PYTEST) --tier=slurm

# A dataset's generator, and the servers that only make test-servers starts.
LEFT_OUT := mathematics transformers_serve vllm_cpu

# The engines' own Python environments. Tests and studies build them when they are needed.
environments: setup ## build the engines' environments now instead of when they are needed
	for name in $(filter-out $(LEFT_OUT),$(basename $(notdir $(wildcard workflow/envs/*.txt)))); do \
	    $(BIN)/python workflow/scripts/environment.py $$name || exit 1; \
	done

# Debian's packages.
slurm: ## install Slurm with apt-get, for make test-slurm
	PATH=$$PATH:/usr/sbin:/sbin command -v slurmctld >/dev/null || { apt-get update -qq && \
	    apt-get install -y -qq --no-install-recommends slurmctld slurmd slurm-client munge; }

bubblewrap: ## install bubblewrap with apt-get, in which generated programs run
	command -v bwrap >/dev/null || { apt-get update -qq && \
	    apt-get install -y -qq --no-install-recommends bubblewrap; }

lint: setup ## check format, lint, types and the rules; change nothing
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/snakefmt --check Snakefile workflow/rules
	$(BIN)/mypy
	@if command -v tsc > /dev/null; then tsc --checkJs --allowJs --strict --noEmit --target es2022 \
	    --lib es2022,dom,dom.iterable resources/report/*.js; \
	else echo 'the types of the report'"'"'s script are not checked: there is no tsc on the PATH'; fi
	$(BIN)/python -m pytest -q tests/workflow/test_lint.py # Snakemake's linter, with our exceptions

documents: setup ## write the generated documents: config/schema.json, ARCHITECTURE.md, …
	$(WRITE)

picture: demo ## draw the README's picture of the demo's report with chromium
	chromium --headless --no-sandbox --hide-scrollbars --window-size=1000,1790 \
	    --screenshot=docs/report.png "file://$(CURDIR)/results/report.html"

fix: setup ## fix format and lint, and write the generated documents
	$(BIN)/ruff check --fix --quiet . || true # make lint reports what it cannot fix
	$(BIN)/ruff format .
	$(BIN)/snakefmt Snakefile workflow/rules
	$(WRITE)

hooks: setup ## have git do what make fix does before each commit, and check types before each push
	$(BIN)/pre-commit install

# PATH is a folder only where it was given to make: every environment has one.
new-model: setup ## add a model to config/models.yaml: HUB=org/name (FILE=x.gguf) or PATH=folder, NAME=mine
	$(BIN)/python workflow/scripts/new_model.py $(if $(NAME),--name '$(NAME)') \
	    $(if $(HUB),--hub '$(HUB)') $(if $(REVISION),--revision '$(REVISION)') $(if $(FILE),--file '$(FILE)') \
	    $(if $(filter command,$(origin PATH)),--path '$(PATH)')

check-models: setup ## compare the catalogue's models with their checkpoints on the hub
	$(BIN)/python workflow/scripts/new_model.py --check $(NAMES)

new-task: setup ## add a task to config/tasks.yaml: NAME=mine, and FILE=table.csv (HUB=org/name) or LIKE=another
	$(BIN)/python workflow/scripts/new.py task '$(NAME)' $(if $(LIKE),--like '$(LIKE)') $(if $(FILE),--file '$(FILE)') \
	    $(if $(HUB),--hub '$(HUB)') $(if $(REVISION),--revision '$(REVISION)')

new-engine: setup ## write a working engine and its blocks: NAME=mine
new-quantizer: setup ## write a working quantizer and its block: NAME=mine
new-scorer: setup ## write a working scorer: NAME=mine
new-figure: setup ## write a working figure: NAME=mine
new-gate: setup ## write a working gate: NAME=mine
new-engine new-quantizer new-scorer new-figure new-gate:
	$(BIN)/python workflow/scripts/new.py $(@:new-%=%) '$(NAME)'

# Tools that were not built before get environments of their own in resources/envs, 1 GB.
bench: setup ## compare with lm-eval, optimum-benchmark and others: MODEL=id or folder, TASK=, REQUESTS=, ROUNDS=
	$(BIN)/python bench/side_by_side $(if $(MODEL),--model '$(MODEL)') $(if $(TASK),--task '$(TASK)') \
	    $(if $(REQUESTS),--requests '$(REQUESTS)') $(if $(ROUNDS),--rounds '$(ROUNDS)') \
	    $(if $(OUTPUT),--output '$(OUTPUT)')

# Leaves results alone.
clean: ## delete .venv and everything in resources/ that can be fetched or rebuilt
	rm -rf .venv $(addprefix resources/,adapters calibrations datasets downloads envs merged models quantized samples)
