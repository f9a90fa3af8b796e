# `make` alone explains itself. Every target works on a fresh clone: it installs what it needs first.
.DEFAULT_GOAL := help
SHELL := /bin/bash

# uv where it is, else our own copy of it under .tools, from PyPI.
UV := $(or $(shell command -v uv),.tools/bin/uv)
RUN := $(UV) run
STAMP := .venv/.installed
ARGS ?=
# Every test at once: two processes at least, each with servers and nodes of its own, and a file's tests in one of them.
PARALLEL := -n $(shell n=$$(nproc 2>/dev/null || echo 2); echo $$((n < 2 ? 2 : n > 4 ? 4 : n))) --dist loadfile --no-loadscope-reorder

.PHONY: help
help: ## this text
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-10s %s\n", $$1, $$2}' Makefile

.tools/bin/uv:
	@echo "uv is not installed: putting our own copy under .tools"
	@python3 -c 'import sys; sys.exit(sys.version_info < (3, 13))' || { echo "Python 3.13 is needed: install it, or install uv, which brings its own"; exit 1; }
	python3 -m venv .tools
	.tools/bin/pip install --quiet --disable-pip-version-check uv==0.13.9

$(STAMP): requirements.lock packages/requirements.in packages/*/pyproject.toml .python-version package-lock.json | $(filter .tools/%,$(UV))
	@bash scripts/install "$(UV)"
	@touch $@

.PHONY: install
install: $(STAMP) ## everything the product, its tests and its tools need

.PHONY: run
run: $(STAMP) ## install, start the whole layer and let the guided tour move real tokens (ARGS="--exit --json")
	@$(RUN) nsl up --tour $(ARGS)

.PHONY: test
test: $(STAMP) ## every test, on real nodes and a real PostgreSQL (ARGS="tests/enclave -x": those, one after the other)
	@$(RUN) pytest $(or $(ARGS),$(PARALLEL))

.PHONY: test-long
test-long: $(STAMP) ## the tests that have a longer form, in that
	@NSL_TEST_LONG=1 $(RUN) pytest $(or $(ARGS),$(shell grep -rlE "support.long import|mark.long" tests --include=test_*.py))

.PHONY: check
check: $(STAMP) ## format, lint, types, import directions and house rules
	@$(RUN) ruff format --check .
	@$(RUN) ruff check .
	@$(RUN) mypy
	@$(RUN) lint-imports --no-cache
	@$(RUN) pytest -q tests/house

.PHONY: bench
bench: $(STAMP) ## run every benchmark and write docs/benchmarks.md
	@$(RUN) python -m bench $(ARGS)

.PHONY: golden
golden: $(STAMP) ## regenerate the golden files; read the difference before you commit it
	@$(RUN) python -m tests.golden

.PHONY: docs
docs: $(STAMP) ## build the documentation site into site/
	@$(RUN) mkdocs build --strict

.PHONY: lock
lock: .tools/bin/uv ## resolve the dependencies again into requirements.lock and package-lock.json
	@bash scripts/lock "$(UV)"

.PHONY: clean
clean: ## remove everything that make has built, and the default state folder
	rm -rf .venv .tools node_modules site build .state .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
