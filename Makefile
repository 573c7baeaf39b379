# make setup   .venv with the command `signer`
# make demo    sign a real audit with the embedded KMS, verify it, alter it, see it refused
# make test    everything the tests need, then all of them
# make lint    ruff, mypy, actionlint, zizmor, hadolint
# make bench   the figures, each beside its peers
# make image   the action's image, as policy-audit-signer:test
# make docs    README tables and JSON Schema anew from the code
# make lock    requirements/*.txt anew from requirements/*.in

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# A lock names everything: nothing is resolved, so nothing newer is ever asked for.
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet --no-deps --require-hashes
CACHE := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/policy-audit-signer
WORKFLOWS = $(wildcard .github/workflows/*.yml examples/workflows/*.yml tests/container/workflows/*.yml)

.PHONY: setup demo test lint bench peers image docs lock clean

setup: $(VENV)/setup

$(VENV)/setup: pyproject.toml requirements/runtime.txt requirements/build.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; set PYTHON=")'
	$(PYTHON) -m venv $(VENV)
	$(PIP) -r requirements/runtime.txt -r requirements/build.txt
	$(BIN)/python -m pip --disable-pip-version-check install --quiet --no-deps --no-build-isolation --editable .
	$(BIN)/python -m compileall -q signer
	touch $@

$(VENV)/test: $(VENV)/setup requirements/test.txt
	$(PIP) -r requirements/test.txt
	touch $@

$(VENV)/lint: $(VENV)/test requirements/lint.txt
	$(PIP) -r requirements/lint.txt
	touch $@

demo: setup
	examples/demo.sh

# What this machine can have of cosign, act, Docker, …; REQUIRE_PEERS=1 makes tests insist on all.
peers: $(VENV)/test
	$(BIN)/python -m tests.peers

image: $(VENV)/test
	$(BIN)/python -m tests.peers docker base image

test: peers
	$(BIN)/python -m pytest

lint: $(VENV)/lint
	$(BIN)/python -m tests.peers actionlint
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	PATH="$(CACHE)/bin:$$PATH" actionlint $(WORKFLOWS)
	$(BIN)/zizmor --offline --quiet action.yml $(WORKFLOWS)
	$(BIN)/hadolint Dockerfile Dockerfile.cli tests/container/Dockerfile

bench: peers
	$(BIN)/python -m bench

lock: $(VENV)/lint
	cd requirements && for name in runtime build test lint aws az; do \
	  ../$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
	    --upgrade --output-file $$name.txt $$name.in; \
	done

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis
