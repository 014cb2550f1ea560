# What there is: make help
VENV := .venv
PIP := $(VENV)/bin/python -m pip --disable-pip-version-check --quiet
CANDIDATES := python3 python3.13 python3.12 python3.11
PYTHON ?= $(shell for p in $(CANDIDATES); do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
FOLDER ?= demo
CASES ?= 2000
SEEDS ?= 10000
CHANGED ?= 5000
SEED ?= 0
COUNT ?= 200
WHAT ?= score
ON ?= local
ONLY ?=
JOBS ?= 2

.DEFAULT_GOAL := help
.PHONY: help install demo test half-of-networks-and-clusters half-of-the-rest faults quick hostile test-lowest sbom mutants oracle simulate lint types java clean

help: ## say what there is
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):[^#]*## /  make \1\t/' | expand -t 18
	@echo "Another Python than the first of $(CANDIDATES) that is 3.11 or later: make PYTHON=/path/to/python ..."

install: $(VENV)/.dev ## install landcover into .venv, editable, with all extras and the tools of development

demo: $(VENV)/.all java ## generate imagery, train a small network, map it (offline once installed; FOLDER=demo)
	@$(VENV)/bin/landcover demo --folder $(FOLDER)

test: $(VENV)/.dev java ## check style and types, and run all tests
	$(VENV)/bin/ruff check
	$(VENV)/bin/ruff format --check
	$(VENV)/bin/mypy -p landcover
	@$(MAKE) --no-print-directory --keep-going --jobs 2 half-of-networks-and-clusters half-of-the-rest

# Two halves of like length beside each other, each with a temporary folder of its own, which stays where a test failed.
HALF := tests/analysis tests/backends tests/cli tests/datasets tests/models tests/report
half-of-networks-and-clusters: PART := $(HALF)
half-of-the-rest: PART := tests $(HALF:%=--ignore=%)
half-of-networks-and-clusters half-of-the-rest:
	@temporary=$$(mktemp -d) && TMPDIR=$$temporary $(VENV)/bin/python -m pytest -q -p no:cacheprovider -m "not faults" $(filter-out $(LEFT_OUT),$(PART)) $(LEFT_OUT:%=--ignore=%) $(ARGS) \
		&& rm -rf $$temporary

faults: $(VENV)/.dev java ## run the long forms of all that fails: clusters, stores, disks, kills; write docs/reliability.md (EVERY=1: each call of every command that writes)
	LANDCOVER_FAULTS_EVERY=$(or $(EVERY),5) $(VENV)/bin/python -m pytest -m faults $(ARGS)

kills: $(VENV)/.dev java ## kill commands at random moments, go on, and compare (WHAT=score|prepare|probe|network COUNT=200 ON=local|dask|spark SEED=0)
	@PYTHONPATH=tests $(VENV)/bin/python -m reliability --what $(WHAT) --count $(COUNT) --backend $(ON) --seed $(SEED)

# What needs a cluster, TensorFlow, or more than some seconds is left out.
SLOW := tests/analysis/test_change_runs.py tests/analysis/test_minimum_area.py tests/analysis/test_smoothing.py \
	tests/analysis/test_stratified.py tests/analysis/test_vectorize.py tests/analysis/test_workers.py $(wildcard tests/backends/test_[ds]*.py) tests/backends/test_private_clusters.py tests/cli \
	tests/hostile tests/labelling/test_everywhere.py tests/labelling/test_exports.py tests/labelling/test_prepare.py tests/models/cntk tests/models/test_keras_parts.py tests/models/test_keras_runtimes.py tests/models/test_keras_weights.py \
	tests/models/test_advice_tensorflow.py tests/models/test_mean_image.py tests/models/test_published.py tests/models/test_runtimes.py \
	tests/models/test_scaling.py tests/models/test_tensorflow.py tests/models/test_tensorflow_bounds.py tests/models/test_tensorflow_programs.py tests/oracle \
	tests/reliability tests/report/test_browser.py tests/runs/maps tests/scoring/test_asked_again.py tests/scoring/test_azure.py \
	tests/scoring/test_azure_failing.py tests/scoring/test_copies_of_tasks.py \
	tests/scoring/test_dates.py tests/scoring/test_everywhere.py tests/scoring/test_extending.py \
	tests/scoring/test_failing_calls.py tests/scoring/test_failing_stores.py tests/scoring/test_installation.py \
	tests/scoring/test_model.py tests/scoring/test_poison.py tests/scoring/test_promise.py tests/scoring/test_real_imagery.py \
	tests/models/test_cropping.py tests/runs/test_vector_files.py tests/scoring/test_array.py tests/scoring/test_changed_inputs.py \
	tests/scoring/test_window.py tests/scoring/test_region.py tests/scoring/test_runs_together.py tests/simulation tests/test_benchmarks.py tests/test_examples.py tests/training

quick: $(VENV)/.dev ## the same without clusters, most of TensorFlow, and what takes long
	$(VENV)/bin/ruff check
	$(VENV)/bin/ruff format --check
	$(VENV)/bin/mypy -p landcover
	@$(MAKE) --no-print-directory --keep-going --jobs 2 LEFT_OUT="$(SLOW)" half-of-networks-and-clusters half-of-the-rest

mutants: $(VENV)/.dev ## plant small faults one at a time, and see that tests notice each (ONLY=list or pattern, EVERY=1 JOBS=2)
	@PYTHONPATH=tests $(VENV)/bin/python -m mutants --jobs $(JOBS) --every $(or $(EVERY),3) --only "$(ONLY)"

simulate: $(VENV)/.dev ## let simulated worlds fail in drawn ways, one a seed (SEEDS=10000 SEED=0 JOBS=2)
	@PYTHONPATH=tests $(VENV)/bin/python -m simulation --seeds $(SEEDS) --seed $(SEED) --jobs $(JOBS)

oracle: $(VENV)/.dev java ## score random cases and compare them with a slow reference (CASES=2000 SEED=0)
	@PYTHONPATH=tests $(VENV)/bin/python -m oracle --cases $(CASES) --seed $(SEED)

hostile: $(VENV)/.dev ## try all files of strangers, then files changed where it counts (ONLY=kind JOBS=2 CHANGED=5000)
	@PYTHONPATH=tests $(VENV)/bin/python -m hostile --jobs $(JOBS) --only "$(ONLY)"
	@[ -n "$(ONLY)" ] || PYTHONPATH=tests $(VENV)/bin/python -m hostile.trying --count $(CHANGED)

test-lowest: $(VENV)/.dev ## install the lowest versions that setup.cfg allows into .venv-lowest, and run quick tests there
	$(PIP) install uv
	$(VENV)/bin/uv venv --quiet --clear --python $(VENV)/bin/python .venv-lowest
	$(VENV)/bin/uv pip install --quiet --python .venv-lowest/bin/python --resolution lowest-direct -e '.[all]' \
		'hypothesis>=6.100' 'pytest>=9' 'pytest-timeout>=2.3' 'pystac[validation]>=1.12' 'stac-model>=0.7'
	.venv-lowest/bin/python -m pytest -q -m "not faults" $(SLOW:%=--ignore=%) $(ARGS)

sbom: $(VENV)/.all ## write sbom.json, what is installed in .venv, as CycloneDX
	$(PIP) install cyclonedx-bom
	$(VENV)/bin/cyclonedx-py environment $(VENV) --output-file sbom.json

lint: $(VENV)/.dev ## check style only
	$(VENV)/bin/ruff check
	$(VENV)/bin/ruff format --check

types: $(VENV)/.dev ## check types only
	$(VENV)/bin/mypy -p landcover

clean: ## remove .venv and what tools have left
	rm -rf $(VENV) build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis

java:
	@if [ -n "$$JAVA_HOME" ] && [ -x "$$JAVA_HOME/bin/java" ]; then :; \
	elif java -version >/dev/null 2>&1; then :; \
	else echo "Java is missing: all but the backend spark works. To get it:" \
		"apt-get install openjdk-17-jre-headless, or set JAVA_HOME to a Java 17."; fi

# Everything that .all brings, .dev brings too. The files are stamps: newer than what decides them.
$(VENV)/.all: setup.cfg pyproject.toml | $(VENV)/bin/pip
	@echo "installing landcover and its libraries into $(VENV) (minutes, the first time)"
	@$(PIP) install -e '.[all]' || $(ADVISE)
	@touch $@

$(VENV)/.dev: setup.cfg pyproject.toml | $(VENV)/bin/pip
	@echo "installing landcover, its libraries and tools into $(VENV) (minutes, the first time)"
	@$(PIP) install -e '.[dev]' || $(ADVISE)
	@touch $(VENV)/.all $@

$(VENV)/bin/pip:
	@if [ -z "$(PYTHON)" ]; then \
		echo "landcover needs Python 3.11 or later; none of $(CANDIDATES) is:" \
			"install one, or name it: make PYTHON=/path/to/python"; exit 1; fi
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "landcover needs Python 3.11 or later, and $(PYTHON) is not"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
		echo "$(PYTHON) cannot make virtual environments:" \
			"apt-get install python3-venv (or that of its version)"; exit 1; }
	@$(PYTHON) -m venv $(VENV)

define ADVISE
{ echo "pip could not install everything; where a library has no build for $$($(VENV)/bin/python -V)," \
	"remove $(VENV) and name another: make PYTHON=python3.12"; exit 1; }
endef
