# make demo: hide a photograph and look at the result; installs the package and a photograph.
# make test: everything that CI checks; installs its extras and the tools of development too, about 1 GB.
# make docs: the site of the documentation, into site/; a broken link or anchor is an error.
# make results: the tables and figures of README and docs, from results/.
# make fuzz MINUTES=10: try files and settings changed at random; docs/fuzzing.md.
# make lock: write constraints.txt anew; make lock UPGRADE=--upgrade takes the newest versions.
# All make .venv first if it is missing or older than what it is made from.

PYTHON ?= python3
VENV := .venv
MINUTES ?= 10
RUN := $(VENV)/bin/python
PIP := $(RUN) -m pip install --quiet --constraint constraints.txt --build-constraint constraints.txt

# pip checks every hash in constraints.txt, and demands none of torch and of this folder, which have none.
export PIP_NO_REQUIRE_HASHES := 1

# Threads that wait by spinning slow everything down where other programs share the processor.
export OMP_WAIT_POLICY ?= PASSIVE

.PHONY: demo test docs results fuzz lock clean

demo: $(VENV)/.core
	$(RUN) examples/demo.py

test: $(VENV)/.installed $(VENV)/.browser
	$(RUN) -m ruff format --check
	$(RUN) -m ruff check
	$(RUN) -m mypy
	$(RUN) -m pytest --numprocesses auto --dist loadfile

docs: $(VENV)/.docs
	$(VENV)/bin/zensical build --clean --strict

results:
	$(PYTHON) scripts/render_results.py

fuzz: $(VENV)/.installed
	$(RUN) -m fuzz.run --minutes $(MINUTES)

lock: $(VENV)/.core
	$(RUN) -m pip install --quiet 'uv==0.13.9'
	PATH="$(CURDIR)/$(VENV)/bin:$$PATH" scripts/lock.sh $(UPGRADE)

clean:
	rm -rf $(VENV) .cache .mypy_cache .pytest_cache .ruff_cache .hypothesis build dist demo site

$(VENV)/.core: pyproject.toml constraints.txt hatch_build.py src/csfnns/_kernels.h src/csfnns/coding/_arithmetic.c src/csfnns/decoders/_trellis.c src/csfnns/search/_viterbi.c
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "csfnns needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) --version 2>&1)." >&2; \
	  echo "Name another: make PYTHON=/path/to/python3.13" >&2; exit 1; }
	test -x $(RUN) || $(PYTHON) -m venv $(VENV)
	sed -n '/^pip==/,/[^\\]$$/p' constraints.txt > $(VENV)/pip.txt
	env -u PIP_NO_REQUIRE_HASHES $(RUN) -m pip install --quiet --require-hashes --no-deps --requirement $(VENV)/pip.txt
	$(PIP) --editable . --group demo
	touch $@

$(VENV)/.installed: $(VENV)/.core
	$(PIP) --group dev
	$(PIP) --no-deps sealwatch==2025.9  # compared with in tests; its own dependencies would bring another torch
	touch $@

$(VENV)/.browser: $(VENV)/.core scripts/browser.sh
	scripts/browser.sh
	touch $@

$(VENV)/.docs: $(VENV)/.core
	$(PIP) --group docs
	touch $@
