# Two commands are enough: `make quickstart` and `make test`. A second call installs nothing again.
# `uv` (put into .venv by pip) resolves torch and torchvision together: plain pip can mix builds of the two, and then
# importing torchvision fails with "operator torchvision::nms does not exist".
# `make TORCH=cpu quickstart` takes torch without CUDA where an index has that build: 0.4 GB to download in place of 3.2.
PYTHON ?= python3
VENV   ?= .venv
TORCH  ?=
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
DEV    := $(VENV)/.installed-dev
LOWEST := $(VENV)-lowest
EMPTY  := $(VENV)-empty
OLDEST_TESTS := $(addprefix tests/test_,tested_versions.py training.py documents.py intervals.py folders.py \
	methods_geometry.py augment.py models.py operations.py meta_outputs.py \
	run.py::test_ray_starts_what_a_run_needs_and_no_more \
	run.py::test_plain_ray_starts_all_of_ray)

.PHONY: quickstart test lowest wheel lint types docs bench reports equal-cost reproduce-edge-paper reproduce-adapruner \
	fuzz clean

quickstart: $(STAMP)
	$(BIN)/edgesim run scenarios/quickstart.yaml

# Compiled tests are kept, whatever the environment says: pytest's rewriting of their assertions takes 10 s on each core.
test: $(DEV)
	PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest

# A selection of tests that touches every dependency, at the oldest versions that pyproject.toml allows.
lowest: $(LOWEST)/.installed
	$(LOWEST)/bin/python -m pytest $(OLDEST_TESTS)

# The files of a release: sdist and wheel, their metadata, and the wheel at work without the repository beside it, in an
# environment that has nothing but the wheel, what it asks for, and the template of a plug-in.
wheel: $(DEV)
	rm -rf dist
	$(BIN)/python -m build --installer uv >/dev/null
	$(BIN)/python -m twine check --strict dist/*
	$(BIN)/uv venv --quiet --clear --python $(PYTHON) $(EMPTY)
	$(BIN)/uv pip install --quiet --python $(EMPTY)/bin/python --constraint constraints.txt dist/*.whl docs/plugin-template
	$(EMPTY)/bin/python .ci/wheel.py
	rm -rf $(EMPTY)

lint: $(DEV)
	$(BIN)/ruff check edgesim tests reports docs .ci
	$(BIN)/ruff format --check edgesim tests reports docs .ci
	$(BIN)/lint-imports --no-cache

types: $(DEV)
	$(BIN)/mypy

docs: $(DEV)
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict
	@echo "site/index.html (its search needs a server: python3 -m http.server --directory site)"

bench: $(DEV)
	$(BIN)/python tests/benchmarks/throughput.py
	$(BIN)/python tests/benchmarks/sweep.py
	$(BIN)/python tests/benchmarks/small_devices.py
	$(BIN)/python tests/benchmarks/stacked.py
	$(BIN)/python tests/benchmarks/scoring.py
	$(BIN)/python tests/benchmarks/long_run.py

# Seeded; a finding is repeated by its kind and number: cd tests && python -m fuzz --kind KIND --first N --cases 1
fuzz: $(DEV)
	cd tests && ../$(BIN)/python -m fuzz --cases 10000

reports: $(DEV)
	$(BIN)/python reports/build.py

equal-cost: $(DEV)
	$(BIN)/python reports/equal-cost/build.py

# Hours on 2 cores; resumed where it was stopped. `build.py --list` names its points, `--only TEXT` runs some of them.
reproduce-edge-paper: $(DEV)
	$(BIN)/python reports/edge-paper/build.py

# As above, for AdaPruner's experiments. A point takes some ten minutes of a core.
reproduce-adapruner: $(DEV)
	$(BIN)/python reports/adapruner/build.py

clean:
	rm -rf $(VENV) $(LOWEST) $(EMPTY) .pytest_cache .mypy_cache .ruff_cache .hypothesis

$(BIN)/uv:
	@$(PYTHON) -c 'import sys; sys.exit("edgesim needs Python 3.11 or newer; this is " + sys.version.split()[0] + ". Name another with: make PYTHON=python3.12 …" if sys.version_info < (3, 11) else 0)'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet uv

$(STAMP): pyproject.toml constraints.txt | $(BIN)/uv
	$(BIN)/python .ci/install.py --torch "$(TORCH)"
	$(BIN)/python -m compileall -q edgesim
	@touch $@

$(DEV): pyproject.toml constraints.txt | $(BIN)/uv
	$(BIN)/python .ci/install.py --torch "$(TORCH)" --extra dev
	$(BIN)/python -m compileall -q edgesim
	@touch $(STAMP) $@

$(LOWEST)/.installed: pyproject.toml constraints.txt | $(BIN)/uv
	$(BIN)/uv venv --quiet --clear --python $(PYTHON) $(LOWEST)
	$(BIN)/uv pip install --python $(LOWEST)/bin/python --resolution lowest-direct --compile-bytecode --editable '.[timm,nvml]' \
		$$(grep -E '^(pytest|pytest-timeout|pytest-xdist|hypothesis)==' constraints.txt)
	@touch $@
