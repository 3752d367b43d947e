# Two commands matter: `make demo` and `make test`. Everything else is for those who work on Bevyly.

SHELL := /bin/bash
.DEFAULT_GOAL := help
UV := $(shell command -v uv 2>/dev/null || echo .tools/bin/uv)
RUN := $(UV) run --frozen --no-sync

ROUNDS ?= 1
WORKERS ?= 4
MINUTES ?= 20

.PHONY: help setup demo up down test test-kafka soak check check-types check-sql check-style check-imports format bench report openapi clients fuzz

help: ## print the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  \033[1m%-12s\033[0m %s\n", $$1, $$2}'

# uv brings itself where it is missing: a bare machine has Python and pip, and nothing is installed outside this folder.
.tools/bin/uv:
	@echo "Installing uv into .tools/ ..."
	@python3 -m venv .tools 2>/dev/null || { \
	  echo "Python's venv module is missing: install it (Debian: apt-get install python3-venv) or install uv."; exit 1; }
	@.tools/bin/pip install --quiet --disable-pip-version-check uv

setup: $(if $(filter .tools/bin/uv,$(UV)),.tools/bin/uv) ## install what Bevyly needs into .venv
	@$(UV) sync --frozen --quiet || { echo "The packages could not be installed: is the Python package index reachable?"; exit 1; }

demo: setup ## set everything up, load a real sales funnel, print the ranked briefing (ONCE=1 ends there)
	@$(RUN) bevyly demo $(if $(ONCE),--once)

up: setup ## start everything on this machine and keep it running until Ctrl-C
	@$(RUN) bevyly up

down: setup ## stop what `up` started
	@$(RUN) bevyly down

test: setup ## run all tests, in several processes (WORKERS=4): they wait more than they work
	@OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(RUN) pytest -n $(WORKERS) --no-loadscope-reorder

test-kafka: setup ## run the tests that need Apache Kafka (Java and Maven)
	@$(RUN) pytest -m kafka

soak: setup ## kill everything at random while events flow, on both brokers (ROUNDS=n; half an hour each)
	@for broker in embedded apache; do \
	  $(RUN) python -m tests.faults.soak --broker $$broker --events 500000 --kills 200 --rounds $(ROUNDS) || exit 1; done

check: setup ## lint, types, import rules, SQL style
	@$(MAKE) --no-print-directory --jobs=2 --output-sync=target check-types check-sql check-style check-imports

check-types:
	@$(RUN) mypy

check-sql:
	@$(RUN) sqlfluff lint --disable-progress-bar dbt_project

check-style:
	@$(RUN) ruff format --check .
	@$(RUN) ruff check .

check-imports:
	@$(RUN) lint-imports

format: setup ## rewrite the sources in the house's style
	@$(RUN) ruff format .
	@$(RUN) ruff check --fix .
	@$(RUN) sqlfluff fix --disable-progress-bar dbt_project

openapi: setup ## write missing examples of the API, and store its document unless it breaks clients
	@RECORD_EXAMPLES=1 $(RUN) pytest -q tests/contracts/test_openapi_examples.py -k works
	@$(RUN) python -m api.documentation.compatibility --accept

clients: setup ## generate the Python and the TypeScript client into build/clients (npm for the second)
	@$(RUN) python -m api.clients.generate

fuzz: setup ## generated requests against a real server, for as long as you say (MINUTES=20)
	@$(RUN) python -m tests.support.fuzzing --minutes $(MINUTES)

bench: setup ## measure, each figure beside its reference
	@for file in benchmarks/[a-z]*.py; do $(RUN) python $$file || exit 1; done

report: setup ## how good the scores are on the public data sets
	@$(RUN) bevyly report --dataset bpic2012
	@$(RUN) bevyly report --dataset x_education
