# make demo: the main job in miniature. make test: all tests. Both set up what they need first.
FITS := import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 12))
PYTHON ?= $(shell for p in python3 python3.12 python3.11 python3.10; do $$p -c '$(FITS)' 2>/dev/null && echo $$p && break; done)
VENV := .venv
RUN := $(VENV)/bin/python
TESTS := $(RUN) -m pytest --dist loadfile --no-loadscope-reorder
# Tests start many processes, which would each compile all sources anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help setup setup-dev demo onnx test test-fast coverage lint format constraints clean

help:  ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' Makefile

setup: $(VENV)/.jobs  ## create .venv with what the jobs need

setup-dev: $(VENV)/.dev  ## the same with what tests and checks need

$(VENV)/bin/python:
	@test -n "$(PYTHON)" && $(PYTHON) -c '$(FITS)' || \
	  { echo "error: MindSpore needs Python 3.10 to 3.12; install one, or name it: make $(MAKECMDGOALS) PYTHON=/path/to/python3.11"; exit 2; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.jobs: requirements.txt requirements-local.txt constraints.txt | $(VENV)/bin/python
	$(RUN) -m pip install -qq --disable-pip-version-check -c constraints.txt -r requirements-local.txt
	@touch $@

$(VENV)/.dev: requirements-dev.txt requirements-cloud.txt requirements-local.txt requirements.txt constraints.txt | $(VENV)/bin/python
	$(RUN) -m pip install -qq --disable-pip-version-check -c constraints.txt -r requirements-dev.txt
	@touch $(VENV)/.jobs $@

demo: setup  ## draw a data set, train on it, judge unseen pictures (about 6 minutes)
	@$(RUN) -m modelarts.demo

onnx: setup  ## make CHECKPOINT=models/m.ckpt into models/m.onnx for engine=onnxruntime
	@test -n "$(CHECKPOINT)" || { echo "error: name the checkpoint: make onnx CHECKPOINT=models/m.ckpt"; exit 2; }
	$(RUN) -m pip install -qq --disable-pip-version-check -c constraints.txt onnx onnxruntime
	$(RUN) -m src.tools.export_onnx --checkpoint="$(CHECKPOINT)"

test: setup-dev  ## all tests, three files at a time: some of them wait
	$(TESTS) -n 3 --durations=15

coverage: setup-dev  ## all tests, then the share of the code that they run, and the lines they do not
	$(TESTS) -n 3 --cov --cov-report=term-missing

test-fast: setup-dev  ## quick tests (under three minutes on two cores)
	$(TESTS) -n 4 -m "not slow and not mindspore and not variants"

lint: setup-dev  ## check style, types and directions of imports
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	$(RUN) -m mypy
	$(VENV)/bin/lint-imports --no-logo

format: setup-dev  ## put the code into the project's style
	$(RUN) -m ruff format .
	$(RUN) -m ruff check --fix .

constraints: $(VENV)/.dev  ## write constraints.txt: the versions installed now
	$(RUN) .ci/constraints.py > constraints.txt.part && mv constraints.txt.part constraints.txt

clean:  ## remove what the targets above made, but not .venv
	rm -rf obs_root output_img work build .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .coverage
