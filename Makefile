# Two commands on a fresh machine: `make demo` and `make test`. Everything lands in .venv.
# `make demo DATA=folder` runs the same path on your own images; FLAGS= goes to `alltrain fit`.

PYTHON ?= python3
VENV := .venv
FALLBACK := .venv-tflite-runtime
BIN := $(VENV)/bin
PIP := -m pip --disable-pip-version-check --quiet
SOURCES := edge train convert tests bench

.PHONY: demo test check format lock clean

demo: $(VENV)/ready
	@PATH="$(CURDIR)/$(BIN):$$PATH" scripts/demo "$(or $(OUT),demo)" "$(DATA)" $(FLAGS)

test: $(VENV)/ready $(FALLBACK)/ready
	ALLSCOPE_TFLITE_RUNTIME_PYTHON="$(CURDIR)/$(FALLBACK)/bin/python" $(BIN)/pytest $(ARGS)

check: $(VENV)/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/ready
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# The marker is written last: an interrupted install is started again, not taken for whole.
$(VENV)/ready: requirements/dev.txt pyproject.toml
	@echo "Setting up $(VENV) (about 1 GB of downloads the first time) ..."
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if (3, 11) <= v <= (3, 13) else f"allscope needs Python 3.11 to 3.13, this is {v[0]}.{v[1]}: make PYTHON=python3.11")'
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python $(PIP) install --require-hashes -r requirements/dev.txt
	@$(BIN)/python $(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

# The fallback runtime needs numpy < 2, so its tests run in an environment of their own.
# It has wheels up to Python 3.11 only; on a newer Python its tests say that they were skipped.
$(FALLBACK)/ready: requirements/tflite-runtime.txt pyproject.toml
	@$(PYTHON) -m venv $(FALLBACK)
	@if $(FALLBACK)/bin/python -c 'import sys; sys.exit(sys.version_info >= (3, 12))'; then \
	  echo "Setting up $(FALLBACK) ..."; \
	  $(FALLBACK)/bin/python $(PIP) install --require-hashes -r requirements/tflite-runtime.txt && \
	  $(FALLBACK)/bin/python $(PIP) install --no-deps --no-build-isolation --editable .; \
	fi
	@touch $@

# Renews the locks; the only step that needs uv.
lock:
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --upgrade \
	  --extra dev pyproject.toml -o requirements/dev.txt
	uv pip compile --python-version 3.11 --generate-hashes --no-header --upgrade \
	  --extra tflite-runtime pyproject.toml requirements/build.in -o requirements/tflite-runtime.txt

clean:
	rm -rf $(VENV) $(FALLBACK) demo
