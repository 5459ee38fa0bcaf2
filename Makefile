# Needs Python 3.10 to 3.13 and make, nothing else. Another Python: make demo PYTHON=python3.12
PYTHON ?= python3
VENV := .venv
INSTALLED := $(VENV)/.installed
KEEP ?=
EVERY ?=

WHAT := --constraint constraints.txt --editable '.[dev]'
QUIETLY := --quiet --disable-pip-version-check

.DEFAULT_GOAL := help
.PHONY: help demo test faults bench lint clean

help:  ## Show what can be made
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 15

demo: $(INSTALLED)  ## Run the example DAGs on a real Airflow and the local cloud; KEEP=1 leaves both up
	@$(VENV)/bin/airflow-jobs demo $(if $(filter-out 0,$(KEEP)),--keep)

test: $(INSTALLED)  ## Run all tests, unit, contract and end to end
	$(VENV)/bin/python -m pytest

faults: $(INSTALLED)  ## Kill what submits and waits, lose answers, and count the jobs; EVERY=1 kills at all points
	@$(VENV)/bin/python -m tests.faults $(if $(EVERY),--every $(EVERY))

bench: $(INSTALLED)  ## Measure beside the official operators and rewrite benchmarks/README.md (needs PostgreSQL)
	@$(VENV)/bin/python -m benchmarks report

lint: $(INSTALLED)  ## Check style, types and imports
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports

clean:  ## Remove what the other commands made
	rm -rf $(VENV) .demo dist .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache

$(INSTALLED): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 13))' \
		|| { echo '$(PYTHON) is not Python 3.10 to 3.13: make demo PYTHON=python3.12' >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null \
		|| { echo '$(PYTHON) cannot make a virtual environment: apt-get install python3-venv' >&2; exit 1; }
	@test -x $(VENV)/bin/pip || $(PYTHON) -m venv --clear $(VENV)
	@echo 'Installing into $(VENV) ...'
	@$(VENV)/bin/python -m pip install $(QUIETLY) --constraint constraints.txt uv
	@$(VENV)/bin/uv pip install --quiet --system-certs --python $(VENV)/bin/python $(WHAT) \
		|| { echo 'uv could not install, trying pip, which takes longer ...'; \
			$(VENV)/bin/python -m pip install $(QUIETLY) $(WHAT); }
	@touch $@
