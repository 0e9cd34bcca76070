# Two commands are enough: `make quickstart` and `make test`. A second call installs nothing again.
# `uv` (put into .venv by pip) resolves torch and torchvision together: plain pip can mix builds of the two, and then
# importing torchvision fails with "operator torchvision::nms does not exist".
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed

.PHONY: quickstart test lint types docs bench reports equal-cost clean

quickstart: $(STAMP)
	$(BIN)/edgesim run scenarios/quickstart.yaml

test: $(STAMP)
	$(BIN)/python -m pytest

lint: $(STAMP)
	$(BIN)/ruff check edgesim tests reports docs
	$(BIN)/ruff format --check edgesim tests reports docs
	$(BIN)/lint-imports --no-cache

types: $(STAMP)
	$(BIN)/mypy

docs: $(STAMP)
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --quiet
	@echo "build/docs/index.html (its search needs a server: python3 -m http.server --directory build/docs)"

bench: $(STAMP)
	$(BIN)/python tests/benchmarks/throughput.py
	$(BIN)/python tests/benchmarks/sweep.py
	$(BIN)/python tests/benchmarks/small_devices.py
	$(BIN)/python tests/benchmarks/stacked.py
	$(BIN)/python tests/benchmarks/scoring.py

reports: $(STAMP)
	$(BIN)/python reports/build.py

equal-cost: $(STAMP)
	$(BIN)/python reports/equal-cost/build.py

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit("edgesim needs Python 3.11 or newer; this is " + sys.version.split()[0] + ". Name another with: make PYTHON=python3.12 …" if sys.version_info < (3, 11) else 0)'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip install --python $(BIN)/python --constraint constraints.txt --compile-bytecode --editable '.[dev]'
	$(BIN)/python -m compileall -q edgesim
	@touch $(STAMP)
