# Everything runs in a virtual environment of the project's own; PYTHON says which Python makes it.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt
# How many tests run at once; those that hold a time run alone after them.
WORKERS ?= 2
# How long make faults attacks, and from which seed.
MINUTES ?= 10
SEED ?= 0
DEMO ?= --data movielens-100k --protocol clean --model GMF --methods "Normal,DeCA,DeCA(p)" --seeds 3 \
	--epochs 60 --c1 10 --c2 10 --alpha 1 --l2 0.001 --out demo

.DEFAULT_GOAL := help
.PHONY: help demo test faults coverage gpu docs bench lab install clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-9s%s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo "On Linux without a GPU, CONTRIBUTING.md says how to have the small CPU build of torch."

demo: $(VENV)/.installed ## compare normal training, DeCA and DeCA(p) with three plain rankers on MovieLens-100K; results in demo/
	$(BIN)/deca compare $(DEMO)

test: $(VENV)/.installed-dev ## every check: notebooks, sync, properties, the site in a browser, the wheel, ruff
	$(BIN)/python -m pytest -m "not alone" --numprocesses $(WORKERS) --max-worker-restart 0
	$(BIN)/python -m pytest -m alone
	$(BIN)/ruff check

faults: $(VENV)/.installed-dev ## the counted attack, MINUTES=60 long: damaged files, calls that fail, kills; SEED=7 draws others
	$(BIN)/python tests/faults/run.py --cases 100000 --minutes $(MINUTES) --seed $(SEED)

coverage: $(VENV)/.installed-dev ## what of the package chapters and tests run, in results/coverage/; half an hour, and pip install coverage first
	$(BIN)/python tools/covered.py --out results/coverage

gpu: $(VENV)/.installed-dev ## the tests that need a GPU, and how fast training is there; some five minutes, results in results/gpu/
	$(BIN)/python -m pytest -m gpu
	$(BIN)/python benchmarks/speed.py --anew --device cuda --methods DeCA --data ml-100k,modcloth,"world 1e6" --out results/gpu

docs: $(VENV)/.installed-dev ## the site, which opens without a server; it needs npm
	$(BIN)/python docs/build.py
	@echo "Open docs/_build/html/index.html in a browser."

bench: $(VENV)/.installed ## how long training and evaluation take, and could take; half an hour, results in results/speed/
	$(BIN)/python benchmarks/speed.py --anew --surface --out results/speed

lab: $(VENV)/.installed-dev ## JupyterLab on the chapters
	$(BIN)/jupyter lab nbs

install: $(VENV)/.installed-dev ## the environment that test, docs and lab use, without running anything

clean: ## remove what can be made again, the environment too
	rm -rf $(VENV) demo docs/_build build dist *.egg-info .pytest_cache .ruff_cache .hypothesis

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "deca_nb needs Python 3.11 or later: make PYTHON=python3.11"; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); echo "$(PYTHON) cannot make a virtual environment: install its venv package (on Debian: apt install python3-venv)."; exit 1; }

# torch first and alone: whatever build of it is there satisfies the rest.
$(VENV)/.installed: settings.ini setup.py pyproject.toml constraints.txt | $(VENV)/bin/python
	$(PIP) torch
	$(PIP) --editable .
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	$(PIP) --editable '.[dev,docs]'
	@touch $@
