# make demo   search, train and draw a network on embedded data, a few minutes
# make demo-video   the same for clips of moving digits
# make quick  the tests that take less than a second each
# make test   everything that must hold before a change is merged
# make lint   the fast part of `make test`: style and types
# make docs   the documentation as a web site, in site/
# make build  the source archive and, made from it, the wheel, in dist/
# make test-oldest  the tests with the oldest versions that pyproject.toml allows, in .venv-oldest
# make test-newest  the tests with the newest versions that there are, in .venv-newest
# make clean  removes what can be made again, the environments included; runs are kept
#
# The environment in .venv is made on first use, and again when its inputs change. A demo installs what users need
# into it, everything else what developers need in addition.

PYTHON ?= python3
WORKERS ?= 2
ENVIRONMENT ?= .venv
EXTRAS ?= dev
DEMO_EXTRAS ?= all
CONSTRAINTS ?= constraints.txt
BIN := $(ENVIRONMENT)/bin
STAMP := $(ENVIRONMENT)/.installed
DEMO_STAMP := $(ENVIRONMENT)/.installed-demo
# For all that pip installs here: also what builds the project, also in tests.
export PIP_CONSTRAINT := $(CONSTRAINTS)

.PHONY: demo demo-video quick test tests test-oldest test-newest lint docs build clean .venv

demo: $(DEMO_STAMP)
	$(BIN)/autodas demo

demo-video: $(DEMO_STAMP)
	$(BIN)/autodas demo --video

# One thread a worker: two workers that each start as many threads as there are cores slow each other down.
TESTS := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile

quick: $(STAMP)
	$(TESTS) -m "not slow"

test: lint tests

tests: $(STAMP)
	$(TESTS)

# With the libraries of all extras, those included that are too large for .venv.
test-oldest: .venv-oldest/constraints.txt
	$(MAKE) tests ENVIRONMENT=.venv-oldest EXTRAS=dev,hf,ray CONSTRAINTS=$<

.venv-oldest/constraints.txt: pyproject.toml release/oldest.py
	mkdir -p $(@D)
	$(PYTHON) release/oldest.py > $@

test-newest:
	$(MAKE) tests ENVIRONMENT=.venv-newest EXTRAS=dev,hf,ray CONSTRAINTS=/dev/null

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: $(STAMP)
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet

build: $(STAMP)
	$(BIN)/python -m build

.venv: $(STAMP)

# What is installed already is kept, so the second of both only adds to the first.
define install
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "autodas needs Python 3.11 or newer; choose one with: make PYTHON=python3.12"; exit 1; }
	$(PYTHON) -m venv $(ENVIRONMENT)
	$(BIN)/python -m pip install --disable-pip-version-check -e ".[$(1)]"
endef

$(DEMO_STAMP): pyproject.toml $(CONSTRAINTS)
	$(call install,$(DEMO_EXTRAS))
	@touch $@

# All that a demo needs is among it.
$(STAMP): pyproject.toml $(CONSTRAINTS)
	$(call install,$(EXTRAS))
	@touch $@ $(DEMO_STAMP)

clean:
	rm -rf .venv .venv-oldest .venv-newest .mypy_cache .ruff_cache .pytest_cache .hypothesis build dist site
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
