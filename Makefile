# What the project needs is installed into .venv from the lock files, hashes checked; nothing outside is touched.
# Another Python has a folder of its own: make test PYTHON=python3.13 VENV=.venv-3.13
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check
COMPILE := $(BIN)/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-header --upgrade

.PHONY: run help test test-slow coverage test-pythons torture check format bench pictures schema lock clean

run: $(VENV)/run  ## the main job: the sample spreadsheet against the sandbox
	$(BIN)/fatora-clients update data/clients.csv --sandbox --again || test $$? -eq 1

help:  ## list these targets
	@sed -n 's/^\([a-z-]*\):.*  ## /\1\t/p' Makefile | expand -t 10

test: $(VENV)/dev  ## the quick tests of every part: about three minutes on two cores
	$(BIN)/pytest -q -n auto -m "not slow"

test-slow: $(VENV)/dev  ## the other tests, which take seconds each
	$(BIN)/pytest -q -n auto -m slow

test-pythons: $(VENV)/dev  ## the quick tests under each Python that the project supports
	.ci/pythons

coverage: $(VENV)/dev  ## the quick tests under Python 3.14, and which branches they run
	.ci/pythons 3.14

torture: $(VENV)/dev  ## thousands of kills and damaged spreadsheets: about an hour
	$(BIN)/python tests/torture.py --kills 3000 --seed $$(date +%s)
	$(BIN)/python tests/fuzz.py --inputs 20000 --seed $$(date +%s)

check: $(VENV)/dev  ## style, types and layers, which CI checks before the tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

format: $(VENV)/dev  ## format the code and fix what ruff can fix
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/dev $(VENV)/newman  ## how fast rows are sent, compared with curl and other tools, and what comparing costs
	PATH="$$PATH:$(CURDIR)/$(VENV)/newman/node_modules/.bin" $(BIN)/python tests/bench/bench.py
	$(BIN)/python tests/bench/comparing.py
	$(BIN)/python tests/bench/limits_in_time.py

pictures: $(VENV)/dev  ## the README's pictures, of a real run; needs Chromium, LibreOffice and pdftoppm
	PYTHONPATH=$(CURDIR) $(BIN)/python tests/pictures.py

schema: $(VENV)/dev  ## the JSON Schema of the manifest, for auditors
	PYTHONPATH=$(CURDIR) $(BIN)/python tests/schema.py

lock: $(VENV)/dev  ## resolve the dependencies again, for every platform, with hashes
	$(COMPILE) --group build --output-file requirements.lock pyproject.toml
	$(COMPILE) --group build --group dev --constraint requirements.lock --output-file requirements-dev.lock pyproject.toml

clean:  ## remove what was installed and built
	rm -rf .venv .venv-* build dist *.egg-info .coverage*

$(VENV)/newman: | $(BIN)/python  # without npm it is asked for again the next time
	if command -v npm >/dev/null; then npm install --silent --no-audit --no-fund --prefix $@ newman@6.2.2; fi

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/run: requirements.lock pyproject.toml | $(BIN)/python
	$(INSTALL) --require-hashes -r requirements.lock
	$(INSTALL) --no-deps --no-build-isolation --editable .
	touch $@

$(VENV)/dev: requirements-dev.lock $(VENV)/run
	$(INSTALL) --require-hashes -r requirements-dev.lock
	touch $@
