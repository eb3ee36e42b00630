# Two commands on a fresh machine: `make demo` and `make test`. Needs python3, git, make and the package index.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
export OMP_NUM_THREADS ?= 1

.PHONY: demo test test-fast lint types system node clean

demo: $(STAMP)
	$(BIN)/pixal3d-scene demo --out demo-run

test: $(STAMP) node
	$(BIN)/python -m pytest -n 2 --dist loadscope

test-fast: $(STAMP) node
	$(BIN)/python -m pytest -n 2 --dist loadscope -m "not slow"

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(STAMP)
	$(BIN)/mypy

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[dev,spconv-cpu]"
	touch $@

# The Khronos validator for the GLB tests; they skip and say so where there is no npm.
node:
	@if command -v npm >/dev/null; then [ -d tests/export/node_modules ] || \
	  npm install --prefix tests/export --silent --no-audit --no-fund --no-package-lock; \
	else echo "npm is not installed: the tests that need the Khronos validator will skip"; fi

# Debian packages that open3d and pyrender need at import; the job itself needs none of them.
system:
	@if command -v apt-get >/dev/null && [ "$$(id -u)" = 0 ]; then \
	  apt-get update -qq && apt-get install -y -qq --no-install-recommends \
	    libegl1 libgl1 libxrender1 libusb-1.0-0 libgomp1 >/dev/null; \
	else echo "not root or no apt-get: the tests that need open3d or pyrender will skip"; fi

clean:
	rm -rf $(VENV) demo-run runs build dist tests/export/node_modules .pytest_cache .mypy_cache .ruff_cache .hypothesis
