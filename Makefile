# What the project needs is installed into .venv from the lock files, hashes checked; nothing outside is touched.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: run test torture check bench pictures schema lock clean

run: .venv/run  ## the main job: the sample spreadsheet against the sandbox
	$(BIN)/fatora-clients update data/clients.csv --sandbox --again || test $$? -eq 1

test: .venv/dev  ## every test
	$(BIN)/pytest -q -n auto

torture: .venv/dev  ## kills, and inputs that nobody would send, for as long as one likes: about an hour
	$(BIN)/python tests/torture.py --kills 3000 --seed $$(date +%s)
	$(BIN)/python tests/fuzz.py --inputs 20000 --seed $$(date +%s)

check: .venv/dev  ## style, annotations, layers: what CI checks before the tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

bench: .venv/dev .venv/newman  ## how fast rows are sent, beside curl and what else is there
	PATH="$$PATH:$(CURDIR)/.venv/newman/node_modules/.bin" $(BIN)/python tests/bench/bench.py

pictures: .venv/dev  ## the README's pictures, of a real run; needs Chromium, LibreOffice and pdftoppm
	PYTHONPATH=$(CURDIR) $(BIN)/python tests/pictures.py

schema: .venv/dev  ## the JSON Schema of the manifest, for auditors
	PYTHONPATH=$(CURDIR) $(BIN)/python tests/schema.py

lock: .venv/dev  ## resolve the dependencies anew, for every platform, with hashes and no addresses
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-header --upgrade \
	  --group build --output-file requirements.lock pyproject.toml
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-header --upgrade \
	  --group build --group dev --constraint requirements.lock --output-file requirements-dev.lock pyproject.toml

.venv/newman: | .venv/bin/python  # without npm it is asked for again the next time
	if command -v npm >/dev/null; then npm install --silent --no-audit --no-fund --prefix $@ newman@6.2.2; fi

clean:
	rm -rf .venv build *.egg-info

.venv/bin/python:
	$(PYTHON) -m venv .venv

.venv/run: requirements.lock pyproject.toml | .venv/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	touch $@

.venv/dev: requirements-dev.lock .venv/run
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	touch $@
