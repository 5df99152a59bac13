# make demo   trains FL, DP-FL and ADP-FL on a phantom cohort and writes a leaderboard and a report
# make test   runs the tests
# make lint   checks style and types
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DEMO := demo

# Spinning threads collapse as soon as anything else wants a core.
export OMP_WAIT_POLICY ?= PASSIVE

.PHONY: install demo test lint format clean

install: $(VENV)/.installed

$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --disable-pip-version-check --quiet --constraint constraints.txt --editable ".[dev]"
	touch $@

demo: install
	$(BIN)/adpfl-bench benchmark --config configs/demo.yaml --output $(DEMO)

test: install
	$(BIN)/pytest --numprocesses=auto

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: install
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf $(VENV) $(DEMO) .mypy_cache .ruff_cache .pytest_cache
