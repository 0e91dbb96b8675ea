# The README's two commands are `make demo` and `make test`; both set up .venv on a bare machine first.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: demo test fuzz lint docs site wheel bench claims setup clean

setup: $(STAMP)

# torch goes first: an install of timm or torchvision without it could replace a CPU build by a CUDA one.
$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Vergence needs Python 3.11 or newer; set PYTHON=/path/to/python3"; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt torch
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[offline-weights,tensorboard,coco,flow,export,openvino,serve,cvat,docs,dev]'
	# gradio asks for pillow<13 and runs with 13, which everything else is tested with: its other needs first, then it alone.
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt fastapi uvicorn python-multipart \
		httpx orjson pandas pydub pytz brotli semantic-version tomlkit typer websockets cvat-sdk
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -c constraints.txt \
		gradio gradio-client hf-gradio safehttpx groovy
	@touch $@

demo: $(STAMP)
	$(BIN)/vergence demo --out demo

# Two worker processes of one thread each: more threads than cores make the suite many times slower.
test: $(STAMP)
	OMP_NUM_THREADS=1 HF_HUB_OFFLINE=1 $(BIN)/python -m pytest -n 2 --dist loadfile

# Every malformed input; `make test` runs a part of them.
fuzz: $(STAMP)
	OMP_NUM_THREADS=1 HF_HUB_OFFLINE=1 $(BIN)/python -m tests.fuzz.run

lint: $(STAMP)
	$(BIN)/ruff check src tests benchmarks examples docs/site docs/notebooks hatch_build.py
	$(BIN)/ruff format --check src tests benchmarks examples docs/site hatch_build.py
	$(BIN)/mypy

# Writes the page of all settings, then checks all pages against the program.
docs: $(STAMP)
	$(BIN)/python -m benchmarks.write_settings
	OMP_NUM_THREADS=1 HF_HUB_OFFLINE=1 $(BIN)/python -m pytest -q tests/test_docs.py

# The pages as a site that opens from disk, site/index.html; any warning is an error.
site: $(STAMP)
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet

# Source archive and wheel into dist/; the wheel is installed in a fresh environment, and runs there.
wheel: $(STAMP)
	$(BIN)/python -m build --no-isolation
	OMP_NUM_THREADS=1 HF_HUB_OFFLINE=1 $(BIN)/python -m tests.wheel.run dist/*.whl

bench: $(STAMP)
	$(BIN)/python -m benchmarks.speed.step
	$(BIN)/python -m benchmarks.speed.evaluate
	$(BIN)/python -m benchmarks.speed.three_ways_step

# Runs what is missing of the claims (hours; stop it at any time) and writes docs/claims.md.
claims: $(STAMP)
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.claims

clean:
	rm -rf $(VENV) demo build dist site
