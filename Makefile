# On Windows and macOS see README.md.
PYTHON ?= python3.11
BIN := .venv/bin
# Tests run on two cores at once: libraries that would each take both only get in each other's way.
ONE_THREAD := OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 LEADWISE_THREADS=1

.PHONY: run test check lint bench clean

run: .venv/run
	$(BIN)/python -m ecgcore run

test: .venv/test
	$(ONE_THREAD) $(BIN)/python -m pytest -m "not browser" -n 2 --dist loadfile
	$(BIN)/python -m pytest -m browser -n 2 --dist loadfile

check: lint test

lint: .venv/test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: .venv/test
	$(BIN)/python -m tests.bench

.venv/run: requirements.txt
	$(PYTHON) -m venv .venv || python3 -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet -r requirements.txt
	touch $@

.venv/test: .venv/run tests/requirements.txt
	$(BIN)/python -m pip install --quiet -r tests/requirements.txt
	touch $@

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache
