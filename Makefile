# make run    the product with a simulated bank       make test   every test, on every back end
# make check  style, types and the quick tests        make help   the rest
SHELL := bash
.DEFAULT_GOAL := help
PYTHON_ENV := .venv/bin
QUICK := not elastic and not browser and not system and not faults
REPEAT ?= 15
ARGS ?=

.PHONY: help run test check bench faults clean

help:  ## Say what there is
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 16

run:  ## Set up, then `triage demo`: a simulated bank and the console, on loopback only (ARGS="--hours 6")
	@scripts/setup.sh run
	@exec $(PYTHON_ENV)/triage demo $(ARGS)

test:  ## Set up, then every test: unit, contracts on all back ends, a real Elasticsearch node, browser, whole system
	@scripts/setup.sh test
	$(PYTHON_ENV)/python -m pytest $(ARGS)

check:  ## Style, types and the tests that need no other process; under a minute
	@scripts/setup.sh check
	$(PYTHON_ENV)/ruff check .
	$(PYTHON_ENV)/mypy
	$(PYTHON_ENV)/python -m pytest -q -n 2 -m "$(QUICK)" $(ARGS)

bench:  ## Figures of this machine: start, ingest, one analysis run, and what the analysis finds in labelled faults
	@scripts/setup.sh check
	$(PYTHON_ENV)/python tests/bench/ingest.py
	$(PYTHON_ENV)/python tests/bench/analysis.py
	$(PYTHON_ENV)/python tests/bench/catalogue.py --quick

faults:  ## Kill tests, REPEAT rounds of each (15), every round with a seed of its own that is printed
	@scripts/setup.sh test
	FAULT_ROUNDS=$(REPEAT) $(PYTHON_ENV)/python -m pytest -s -m "system or faults" -k kill $(ARGS)

clean:  ## Remove what make made (.venv, .cache, build files); data stay
	rm -rf .venv .cache build dist ./*.egg-info .mypy_cache .ruff_cache .hypothesis
	find triage collectors dashboards tests -name __pycache__ -type d -prune -exec rm -rf {} +
