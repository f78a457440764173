# Every target does its own set-up (setup.sh); a second run installs nothing.
BUDGET ?= 1m
JOBS ?=
SEED ?=
ARGS ?=

PYTHON_IN_VENV := .venv/bin/python
FUZZ_OPTIONS = --budget $(BUDGET) $(if $(JOBS),--jobs $(JOBS)) $(if $(SEED),--seed $(SEED)) $(ARGS)

.NOTPARALLEL:
.PHONY: help fuzz test check bench doctor setup

help:
	@echo "make fuzz [BUDGET=1m] [JOBS=N] [SEED=N] [ARGS=...]   run a campaign"
	@echo "make test     all tests"
	@echo "make check    format, lint, types and the fast tests"
	@echo "make bench    measure the speed ratios that benchmarks/ watches"
	@echo "make doctor   what is installed, which routes will run"

setup:
	@./setup.sh

# Found bugs (exit code 1) are a campaign's success, not make's failure.
fuzz: setup
	@$(PYTHON_IN_VENV) -m fuzzconv fuzz $(FUZZ_OPTIONS) || { code=$$?; [ $$code -eq 1 ] || exit $$code; }

# One file's tests stay on one core: they share what its fixtures start.
test: setup
	@$(PYTHON_IN_VENV) -m pytest --numprocesses auto --dist loadfile

check: setup
	@$(PYTHON_IN_VENV) -m ruff format --check .
	@$(PYTHON_IN_VENV) -m ruff check .
	@$(PYTHON_IN_VENV) -m mypy
	@$(PYTHON_IN_VENV) -m pytest --numprocesses auto --dist loadfile -m "not slow"

bench: setup
	@$(PYTHON_IN_VENV) -m benchmarks

doctor: setup
	@$(PYTHON_IN_VENV) -m fuzzconv doctor
