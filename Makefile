# make demo: hide a photograph and look at the result; installs the package and a photograph.
# make test: everything that CI checks; installs its extras and the tools of development too, about 1 GB.
# make docs: the site of the documentation, into site/; a broken link or anchor is an error.
# All make .venv first if it is missing or older than what it is made from.

PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin/python
PIP := $(RUN) -m pip install --quiet --constraint constraints.txt

# Threads that wait by spinning slow everything down where other programs share the processor.
export OMP_WAIT_POLICY ?= PASSIVE

.PHONY: demo test docs clean

demo: $(VENV)/.core
	$(RUN) examples/demo.py

test: $(VENV)/.installed
	$(RUN) -m ruff format --check
	$(RUN) -m ruff check
	$(RUN) -m mypy
	$(RUN) -m pytest

docs: $(VENV)/.docs
	$(VENV)/bin/zensical build --clean --strict

clean:
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis build dist demo site

$(VENV)/.core: pyproject.toml constraints.txt hatch_build.py src/csfnns/search/_viterbi.c
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "csfnns needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) --version 2>&1)." >&2; \
	  echo "Name another: make PYTHON=/path/to/python3.13" >&2; exit 1; }
	test -x $(RUN) || $(PYTHON) -m venv $(VENV)
	$(RUN) -m pip install --quiet --upgrade 'pip>=25.1'
	$(PIP) --editable . --group demo
	touch $@

$(VENV)/.installed: $(VENV)/.core
	$(PIP) --group dev
	touch $@

$(VENV)/.docs: $(VENV)/.core
	$(PIP) --group docs
	touch $@
