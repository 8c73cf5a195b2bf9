PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
TORCH := torch==2.13.0

.PHONY: install demo test test-all check retrain bench clean

install: $(STAMP)

# Torch first and by exact version, so that a machine without a GPU gets the CPU build.
$(STAMP): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet $(TORCH)
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	touch $(STAMP)

demo: $(STAMP)
	$(BIN)/python bench/demo.py demo-out

check: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

test: check
	$(BIN)/python -m pytest -m "not slow" -n 2

test-all: check
	$(BIN)/python -m pytest -n 2

# The shipped models, from the committed corpora, and the figures in their cards.
retrain: $(STAMP)
	$(BIN)/vmaf-tune train-v2 --corpus bench/corpus/clips.jsonl.zst --only-learn bench/corpus/made.jsonl.zst \
	  --only-learn bench/corpus/packaged.jsonl.zst --probe-cell libx264:medium:33 --curves --out-dir model/tiny
	$(BIN)/python docs/update_cards.py

bench: $(STAMP)
	$(BIN)/python bench/speed/sweep.py
	$(BIN)/python bench/speed/store.py
	$(BIN)/python bench/speed/read_corpus.py
	$(BIN)/python bench/speed/cold_start.py
	$(BIN)/python bench/speed/train.py
	$(BIN)/python bench/quality/probe.py
	$(BIN)/python bench/quality/search.py
	$(BIN)/python bench/quality/coverage.py
	$(BIN)/python bench/quality/encoders.py
	$(BIN)/python bench/quality/settings.py
	$(BIN)/python bench/quality/side_by_side.py
	$(BIN)/python bench/speed/answer_time.py

clean:
	rm -rf $(VENV) demo-out build dist
