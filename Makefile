# make demo: hide a photograph and look at the result.  make test: everything that CI checks.
# Both make .venv first if it is missing or older than what it is made from.

PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin/python

# Threads that wait by spinning slow everything down where other programs share the processor.
export OMP_WAIT_POLICY ?= PASSIVE

.PHONY: demo test clean

demo: $(VENV)/.installed
	$(RUN) examples/demo.py

test: $(VENV)/.installed
	$(RUN) -m ruff format --check
	$(RUN) -m ruff check
	$(RUN) -m mypy
	$(RUN) -m pytest

clean:
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis build dist demo

$(VENV)/.installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "csfnns needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) --version 2>&1)." >&2; \
	  echo "Name another: make PYTHON=/path/to/python3.13" >&2; exit 1; }
	test -x $(RUN) || $(PYTHON) -m venv $(VENV)
	$(RUN) -m pip install --quiet --upgrade 'pip>=25.1'
	$(RUN) -m pip install --quiet --constraint constraints.txt --editable . --group dev
	touch $@
