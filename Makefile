# The commands of this checkout; `make help` lists them. Set-up is part of each.

VENV := .venv
BIN := $(VENV)/bin
CONVERT := .venv-convert
BOARD ?= mps2-an386
MODELS ?= ../shared/models
PYTEST ?= $(BIN)/python -m pytest -n 2
export PYTHON ?= python3

.PHONY: help setup demo test test-all test-convert lint format docs bench baseline predictions calibrate clean distclean

help:  ## this list
	@awk -F ':.*## ' '/^[a-z%-]+:.*## / { printf "make %-11s %s\n", $$1, $$2 }' Makefile

setup: $(VENV)/.ready-run  ## install tinyaiot into .venv, and compilers and emulators by apt

demo: $(VENV)/.ready-run  ## measure the digits example on an emulated board (BOARD=...)
	$(BIN)/tinyaiot measure examples/digits/digits.tflite --board $(BOARD) \
		--samples examples/digits/test_digits.npz

example-%: $(VENV)/.ready-examples  ## train an example, and classify its test data on a board
	$(BIN)/python -m examples.$*.train --board $(BOARD)

test: $(VENV)/.ready-test  ## the tests, without the slowest
	$(PYTEST)

test-all: $(VENV)/.ready-test-all  ## every test, every model on every board
	$(PYTEST) -m "slow or not slow"

test-convert: $(CONVERT)/.ready-convert  ## the tests that need TensorFlow, PyTorch and ONNX
	$(CONVERT)/bin/python -m pytest -n 2 tests/test_quantization.py tests/test_recipes.py \
		tests/test_calibration_data.py tests/test_originals.py tests/test_onnx.py \
		tests/test_zoo.py tests/test_schemas.py tests/test_docs_pages.py

lint: $(VENV)/.ready-lint  ## what a change must pass beside the tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/.ready-lint  ## rewrite the Python files as lint wants them
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(VENV)/.ready-run  ## write the generated parts of README.md and docs/
	$(BIN)/python scripts/operators_doc.py > docs/operators.md
	$(BIN)/python scripts/json_doc.py > docs/json.md
	$(BIN)/python scripts/cli_doc.py > docs/cli.md
	$(BIN)/python scripts/boards_doc.py > docs/boards.md
	$(BIN)/python scripts/planner_doc.py
	$(BIN)/python scripts/update_readme.py

bench: $(VENV)/.ready-run  ## measure the models of MODELS=... on all boards, into docs/measurements.md
	$(BIN)/python -m scripts.measure_models $(MODELS)

baseline: $(VENV)/.ready-run  ## store the counts of today, which no change may raise
	$(BIN)/python -m scripts.baseline $(MODELS)

predictions: $(VENV)/.ready-run  ## print predictions beside measurements, into docs/predictions.md
	$(BIN)/python -m scripts.predictions $(MODELS)

calibrate: $(VENV)/.ready-calibrate  ## measure drawn layers of every kernel anew, for predictions
	$(BIN)/python -m scripts.calibrate

clean:  ## remove what was built; .venv stays
	rm -rf build dist

distclean: clean  ## remove .venv and .venv-convert too
	rm -rf $(VENV) $(CONVERT)

# Not to be removed after a rule of the kind example-%.
.PRECIOUS: $(VENV)/.ready-%
$(VENV)/.ready-%: pyproject.toml scripts/setup
	@scripts/setup $*

$(CONVERT)/.ready-convert: pyproject.toml scripts/setup
	@scripts/setup convert
