# Two commands on a fresh machine with Python 3.11 or newer, git and make:
#   make report    the reports of params/*.yaml as PDF and HTML, in reports/
#   make test      lint, types, tests, notebooks (make test-all: also what takes long)
# Each builds the environment (.venv) first if it is missing, unfinished, or older than what it is made from.
# Choose another Python with make PYTHON=python3.13 ..., other reports with make report CARDS=params/2026Q3.yaml

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
SHELL := /bin/sh

CARDS ?= $(sort $(wildcard params/*.yaml))
WORKERS ?= 2
UPGRADE ?=

VENV := .venv
LAB := .venv-lab
BIN := $(VENV)/bin
# A finished environment holds a stamp named after its place and what it was made from: a changed lock, a moved folder,
# another Python and an interrupted run all lead to a new environment; the time of a file does not.
key = $(shell { pwd; echo "$(PYTHON)"; cat pyproject.toml $(1); } | git hash-object --stdin | cut -c1-16)
stamp = $(1)/$(shell test -x $(1)/bin/python || rm -f $(1)/finished-*)finished-$(call key,$(2))
STAMP := $(call stamp,$(VENV),requirements.lock)
LAB_STAMP := $(call stamp,$(LAB),requirements-lab.lock)

.PHONY: help report test test-all lint bench lab app lock clean
help:
	@sed -n '1,/^$$/s/^# \{0,1\}//p' Makefile
	@echo "Also: make lint, make bench, make lab (what-if in JupyterLab), make app (as a page), make lock [UPGRADE=1], make clean"

# The PDF last, so that its path is the last line.
report: $(STAMP)
	@$(BIN)/nrrsim report $(CARDS) --to html,pdf

# What needs a browser, and an environment with JupyterLab.
BROWSER := tests/report/test_screens.py tests/whatif/test_browser.py
# Both are run, whatever the first one says; pytest's own last line is the last. The browser has the machine to itself.
# A file stays with one worker (a notebook's cells need each other, and what a file's tests share is made once), and the
# files go out in the order of conftest.py, the longest first.
define tests
	@status=0; \
	$(BIN)/pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder $(1) $(addprefix --ignore ,$(BROWSER)) || status=1; \
	$(LAB)/bin/pytest -rs $(1) $(BROWSER) || status=1; \
	exit $$status
endef

test: lint $(LAB_STAMP)
	$(call tests,-m "not slow")

# At night: also what is marked slow, and ten times as many made-up ledgers, new ones each time.
test-all: lint $(LAB_STAMP)
	$(call tests,--hypothesis-profile night)

lint: $(STAMP)
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy

bench: $(STAMP)
	@$(BIN)/python tests/benchmarks/bench.py

lab app: $(LAB_STAMP)
	@$(LAB)/bin/nrrsim $@

# Keeps the versions that still fit; UPGRADE=1 takes the newest of everything.
compile = $(BIN)/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-emit-find-links \
	--no-header --python-version 3.11 $(if $(UPGRADE),--upgrade) --extra sql --extra dev
lock: $(STAMP)
	@test -x $(BIN)/uv || $(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	@$(compile) pyproject.toml --output-file requirements.lock
	@$(compile) --extra lab --extra browser pyproject.toml --constraints requirements.lock --no-annotate --output-file requirements-lab.lock
	@echo "requirements.lock and requirements-lab.lock are made; the next make installs them"

clean:
	rm -rf $(VENV) $(LAB) .mypy_cache .ruff_cache .pytest_cache .hypothesis .benchmarks dist build
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The first Python that is new enough and can make an environment (Debian keeps venv's ensurepip in python3-venv).
usable = $(1) -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2> /dev/null
PYTHONS := $(if $(PYTHON),$(PYTHON),python3 python3.13 python3.12 python3.11 python3.14 python)

# An environment in folder $(1) from the hashed lock $(2). uv installs it in seconds; where uv cannot be had, pip does.
define environment
	@set -eu; unset VIRTUAL_ENV PYTHONHOME PYTHONPATH; \
	python=; for each in $(PYTHONS); do if $(call usable,$$each); then python=$$each; break; fi; done; \
	if [ -z "$$python" ]; then \
		echo "nrrsim needs Python 3.11 or newer with venv; tried: $(PYTHONS)." >&2; \
		for each in $(PYTHONS); do $$each --version > /dev/null 2>&1 && echo "  $$each is $$($$each --version 2>&1)" >&2; done; \
		echo "Install it (Debian, Ubuntu: python3 and python3-venv), or say which: make PYTHON=/path/to/python3.13" >&2; \
		exit 1; \
	fi; \
	echo "$(1): installing the locked packages with $$($$python --version) (once)" >&2; \
	rm -rf $(1); $$python -m venv $(1); \
	own=$(1)/bin/python; pip="$(1)/bin/python -m pip install --quiet --disable-pip-version-check"; \
	sed -n '/^uv==/,/^[^ ]/{/^uv==/p;/^ /p;}' $(2) > $(1)/uv.txt; \
	if test -s $(1)/uv.txt && $$pip --require-hashes --requirement $(1)/uv.txt \
		&& $(1)/bin/uv pip install --quiet --python $$own --compile-bytecode --require-hashes --requirement $(2); then :; \
	else \
		echo "$(1): without uv, which takes a few minutes" >&2; \
		$$pip --require-hashes --requirement $(2); \
	fi; \
	$$pip --no-deps --no-build-isolation --editable .
	@touch $@
endef

$(STAMP):
	$(call environment,$(VENV),requirements.lock)

$(LAB_STAMP):
	$(call environment,$(LAB),requirements-lab.lock)
