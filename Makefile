# make demo   trains FL, DP-FL and ADP-FL on a phantom cohort and writes a leaderboard and a report
# make test   runs the tests; with COVERAGE=1 it says how much of the package they cover, with EXAMPLES=50 they try harder
# make accidents   tries every kind of bad input, and an accident at every file operation of a run; the tests try a part of
#                  both, which ADPFL_ACCIDENTS_SEED chooses
# make deployment   has three hospitals on this machine train a model over Flower, by the commands of docs/hospitals.md
# make test-minimum   runs their core on the oldest Python and packages that pyproject.toml promises
# make lint   checks style and types
# make models   trains the models to start from again (models/), on phantoms: some 30 minutes of one processor
# make release   builds wheels and sdists of the suite and of its models into dist/, checks them, and trains from the wheels in
#                an empty environment
# make site   builds the documentation into site/, strictly: links, anchors and pages that no menu leads to are errors
# make address   writes the repository's address, which pyproject.toml states, into CITATION.cff and the settings of issue forms
# make tutorials   runs the notebooks of docs/tutorials; with KEEP=1 their outputs are written into them
# make ... TORCH_BACKEND=cpu|cu130|...   the build of torch: auto takes the one for this machine's driver, without CUDA where
#                  there is none; with TORCH_BACKEND= pip takes what it takes, which on Linux is CUDA
PYTHON ?= python3
MINIMUM_PYTHON ?= python3.10
TORCH_BACKEND ?= auto
VENV := .venv
BIN := $(VENV)/bin
DEMO := demo
COVERAGE ?=
# Two more than there are processors, since some tests wait for processes of their own.
WORKERS := $(shell expr $$(getconf _NPROCESSORS_ONLN) + 2)
# Older releases of pydantic word a schema otherwise.
SCHEMA := tests/records/test_run_record.py::test_published_schema_is_current
PIP_INSTALL := pip install --disable-pip-version-check --quiet
# $(call take_torch,FOLDER OF PYTHON,CONSTRAINTS): PyTorch's own index has the builds of every Python, which uv knows how to find.
take_torch = $(if $(TORCH_BACKEND),$(1)/$(PIP_INSTALL) --constraint constraints.txt uv && \
	{ UV_HTTP_RETRIES=0 $(1)/uv pip install -qq --python $(1)/python --no-deps --torch-backend $(TORCH_BACKEND) --constraint $(2) torch || \
	echo "PyTorch's own index was not reached: pip takes torch from where it takes all packages."; })
CORE := tests/callbacks tests/data tests/federation tests/metrics tests/privacy tests/records tests/tasks \
	tests/cli/test_method_composition.py tests/cli/test_yaml_files.py

# Spinning threads collapse as soon as anything else wants a core.
export OMP_WAIT_POLICY ?= PASSIVE
# Compiled tests are kept for the next time, also in containers that ask for none: each worker would compile them all.
export PYTHONDONTWRITEBYTECODE :=

SITE := site
.PHONY: install demo test accidents deployment test-minimum lint models site address tutorials release format clean

install: $(VENV)/.installed

$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(call take_torch,$(BIN),constraints.txt)
	$(BIN)/$(PIP_INSTALL) --constraint constraints.txt --editable ".[dev]"
	touch $@

$(VENV)-minimum/.installed: pyproject.toml constraints-minimum.txt
	$(MINIMUM_PYTHON) -m venv $(VENV)-minimum
	$(call take_torch,$(VENV)-minimum/bin,constraints-minimum.txt)
	$(VENV)-minimum/bin/$(PIP_INSTALL) --constraint constraints-minimum.txt --editable ".[dev]"
	touch $@

$(VENV)-deploy/.installed: pyproject.toml constraints-deploy.txt
	$(PYTHON) -m venv $(VENV)-deploy
	$(call take_torch,$(VENV)-deploy/bin,constraints-deploy.txt)
	$(VENV)-deploy/bin/$(PIP_INSTALL) --constraint constraints-deploy.txt --editable ".[deploy]" hypothesis pytest
	touch $@

demo: install
	$(BIN)/adpfl-bench benchmark --config configs/demo.yaml --output $(DEMO)

test: install
	$(BIN)/pytest --numprocesses=$(WORKERS) --dist=worksteal $(if $(COVERAGE),--cov)

accidents: install
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.corpus.bad_inputs
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.accidents.every_operation

deployment: $(VENV)-deploy/.installed
	$(VENV)-deploy/bin/pytest tests/deploy

test-minimum: $(VENV)-minimum/.installed
	$(VENV)-minimum/bin/pytest --numprocesses=$(WORKERS) $(CORE) --deselect $(SCHEMA)

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

models: install
	$(BIN)/python models/make_models.py

release: install
	$(BIN)/$(PIP_INSTALL) --constraint constraints.txt --editable ".[release]"
	$(BIN)/check-jsonschema --builtin-schema vendor.citation-file-format CITATION.cff
	$(BIN)/check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml
	$(BIN)/check-jsonschema --builtin-schema vendor.dependabot .github/dependabot.yml
	$(BIN)/check-jsonschema --builtin-schema vendor.github-issue-config .github/ISSUE_TEMPLATE/config.yml
	$(BIN)/check-jsonschema --builtin-schema vendor.github-issue-forms .github/ISSUE_TEMPLATE/*_*.yml
	grep -qxF "version: $$($(BIN)/adpfl-bench --version | cut -d' ' -f2)" CITATION.cff
	rm -rf dist $(VENV)-release
	$(BIN)/python -m build --outdir dist
	$(BIN)/python -m build --outdir dist models
	$(BIN)/twine check --strict dist/*
	$(PYTHON) -m venv $(VENV)-release
	$(call take_torch,$(VENV)-release/bin,constraints.txt)
	$(VENV)-release/bin/$(PIP_INSTALL) --constraint constraints.txt dist/*.whl
	mkdir $(VENV)-release/empty
	cd $(VENV)-release/empty && ../bin/adpfl-bench fit --config tasks/isic.yaml --config callbacks/fedavg.yaml --config configs/smoke.yaml
	cd $(VENV)-release/empty && ../bin/adpfl-bench fit --config tasks/isic.yaml --config callbacks/adp_fl_quantile.yaml \
		--config configs/smoke.yaml --config configs/from_phantoms.yaml --federated.rounds 1
	cd $(VENV)-release/empty && ../bin/adpfl-bench leaderboard runs --output results

$(VENV)/.site: $(VENV)/.installed
	$(BIN)/$(PIP_INSTALL) --constraint constraints.txt --editable ".[docs]"
	touch $@

site: $(VENV)/.site
	NO_MKDOCS_2_WARNING=1 OMP_NUM_THREADS=1 $(BIN)/mkdocs build --strict --site-dir $(SITE)

address: install
	$(BIN)/python docs/site/project_address.py

tutorials: $(VENV)/.site
	$(BIN)/python docs/site/run_tutorials.py $(if $(KEEP),--keep)

format: install
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf $(VENV) $(VENV)-deploy $(VENV)-minimum $(VENV)-release dist $(DEMO) $(SITE) .mypy_cache .ruff_cache .pytest_cache
