# make run    the product with a simulated bank       make test   every test, on every back end
# make check  style, types and the quick tests        make help   the rest
SHELL := bash
.DEFAULT_GOAL := help
PYTHON_ENV := .venv/bin
QUICK := not elastic and not browser and not system and not faults and not slow
REPEAT ?= 20
OUTAGE ?= 60
RECORDS ?= 1000000
STORES ?=
FAULTS := $(patsubst %,tests/system/test_%.py,kill follow_kill elastic_stop cluster full_disk)
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

check:  ## Style, types and the quick tests, which need no other program, with fewer examples; under a minute
	@scripts/setup.sh check
	$(PYTHON_ENV)/ruff check .
	$(PYTHON_ENV)/mypy
	$(PYTHON_ENV)/python -m pytest -q -n 2 --dist loadfile -m "$(QUICK)" --hypothesis-profile=quick $(ARGS)

bench:  ## Figures of this machine: ingest, kept data (RECORDS=1000000; STORES=--elastic: on a node too), analysis, labelled faults
	@scripts/setup.sh check
	$(PYTHON_ENV)/python tests/bench/ingest.py
	$(PYTHON_ENV)/python tests/bench/elastic_ingest.py
	$(PYTHON_ENV)/python tests/bench/kept.py $(RECORDS)
	$(PYTHON_ENV)/python tests/bench/lookup.py $(RECORDS)
	$(if $(STORES),$(PYTHON_ENV)/python tests/bench/lookup.py $(RECORDS) $(STORES))
	$(PYTHON_ENV)/python tests/bench/analysis.py
	$(PYTHON_ENV)/python tests/bench/grouping.py
	$(PYTHON_ENV)/python tests/bench/catalogue.py --quick

faults:  ## Faults under load, REPEAT rounds of each (20), OUTAGE seconds without Elasticsearch (60); each prints its seed (FAULT_SEED)
	@scripts/setup.sh test
	FAULT_ROUNDS=$(REPEAT) FAULT_OUTAGE_S=$(OUTAGE) $(PYTHON_ENV)/python -m pytest -s $(FAULTS) $(ARGS)

clean:  ## Remove what make made (.venv, .cache, build files); data stay
	rm -rf .venv .cache build dist ./*.egg-info .mypy_cache .ruff_cache .hypothesis
	find triage collectors dashboards tests -name __pycache__ -type d -prune -exec rm -rf {} +
