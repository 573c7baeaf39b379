# make setup   .venv with the command `signer`
# make demo    sign a real audit with the embedded KMS, verify it, alter it, see it refused
# make test    everything the tests need, then all of them
# make lint    ruff, mypy, actionlint, zizmor, hadolint
# make bench   the figures, each beside its peers
# make lock    requirements/*.txt anew from requirements/*.in

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet --require-hashes
IMAGE := policy-audit-signer:test

.PHONY: setup demo test lint bench peers image lock clean

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

peers:
	tests/peers/install.sh

image: peers
	tests/peers/build-image.sh $(IMAGE)

test: $(VENV)/test image
	$(BIN)/python -m pytest

lint: $(VENV)/lint
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/actionlint
	$(BIN)/zizmor --offline --quiet action.yml .github
	$(BIN)/hadolint Dockerfile

bench: $(VENV)/test image
	$(BIN)/python -m bench

lock:
	cd requirements && for name in runtime build test lint; do \
	  uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
	    --upgrade --output-file $$name.txt $$name.in; \
	done

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis
