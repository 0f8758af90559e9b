# Two commands on a fresh machine: `make demo` and `make test`. Everything lands in .venv.
# `make demo DATA=folder` runs the same path on your own images; FLAGS= goes to `alltrain fit`.

PYTHON ?= python3
VENV := .venv
OLDEST := .venv-oldest
BIN := $(VENV)/bin
PIP := -m pip --disable-pip-version-check --quiet

.PHONY: demo test test-oldest check audit wheel sbom format lock clean

demo: $(VENV)/ready
	@PATH="$(CURDIR)/$(BIN):$$PATH" scripts/demo "$(or $(OUT),demo)" "$(DATA)" $(FLAGS)

ifeq ($(shell $(PYTHON) -c 'import sys; print(sys.version_info[:2] == (3, 11))'),True)
test: export ALLSCOPE_TFLITE_RUNTIME_PYTHON := $(CURDIR)/$(OLDEST)/bin/python
test: test-oldest
endif

test: $(VENV)/ready
	$(BIN)/pytest $(or $(ARGS),--numprocesses 2 --dist loadfile)

test-oldest: $(OLDEST)/ready
	$(OLDEST)/bin/python -m pytest -q tests/edge --ignore tests/edge/page --ignore tests/edge/report

check: $(VENV)/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/mypy --scripts-are-modules scripts/sbom scripts/audit
	$(BIN)/lint-imports

# Known vulnerabilities of everything in the locks. Fails as well where the service that knows them cannot be asked.
audit: $(VENV)/ready
	$(BIN)/python scripts/audit

# What is released: the same bytes anywhere (docs/supply-chain.md), and the lists of what runs beside it.
wheel: $(VENV)/ready
	scripts/build-wheel dist

sbom: $(VENV)/ready
	@mkdir -p dist
	$(BIN)/python scripts/sbom requirements/pi-bookworm.txt --out dist/allscope-pi-bookworm.cdx.json
	$(BIN)/python scripts/sbom requirements/pi-trixie.txt --out dist/allscope-pi-trixie.cdx.json
	$(BIN)/python scripts/sbom requirements/dev.txt --out dist/allscope-workstation.cdx.json

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

# The oldest versions that we support, and both TFLite runtimes: the tests of what counts cells run there again.
# tflite-runtime has wheels up to Python 3.11 only; on a newer Python this part is left out, and says so.
$(OLDEST)/ready: requirements/oldest.txt pyproject.toml
	@$(PYTHON) -m venv $(OLDEST)
	@echo "Setting up $(OLDEST) ..."
	@$(OLDEST)/bin/python $(PIP) install --require-hashes -r requirements/oldest.txt
	@$(OLDEST)/bin/python $(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

# Renews the locks; the only step that needs uv.
lock:
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --upgrade \
	  --extra dev pyproject.toml -o requirements/dev.txt
	uv pip compile --python-version 3.11 --resolution lowest-direct --generate-hashes --no-header --upgrade \
	  --extra edge --extra tflite-runtime pyproject.toml requirements/oldest.in -o requirements/oldest.txt
	for system in bookworm:3.11 trixie:3.13; do \
	  uv pip compile --python-version $${system#*:} --python-platform aarch64-manylinux_2_28 --only-binary :all: \
	    --generate-hashes --no-header --no-emit-package numpy --upgrade --extra edge --extra page --extra fleet \
	    --constraint requirements/pi-$${system%:*}.in pyproject.toml -o requirements/pi-$${system%:*}.txt || exit 1; \
	done

clean:
	rm -rf $(VENV) $(OLDEST) demo
