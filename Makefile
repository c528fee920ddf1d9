# Sets up, shows, tests and runs lpse-relay; `make help` lists what there is.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PYTHON
# Bytecode is kept, whatever this machine says: else each process that a test starts compiles the
# relay again, and each process of pytest all tests.
unexport PYTHONDONTWRITEBYTECODE

# The pure floor's tests, and what every interpreter must pass: these and the store's.
FLOOR_TESTS := tests/mail tests/replies tests/shaping \
	$(wildcard tests/test_settle*.py tests/test_suppression*.py)
UNITS := $(FLOOR_TESTS) tests/store
UV := uv==0.13.9

.PHONY: help
help:  ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

$(VENV)/.run: requirements/build.txt requirements/run.txt pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install -q --require-hashes -r requirements/build.txt
	$(BIN)/pip install -q --require-hashes --no-build-isolation -r requirements/run.txt
	$(BIN)/pip install -q --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.dev: $(VENV)/.run requirements/dev.txt
	$(BIN)/pip install -q --require-hashes --no-build-isolation -r requirements/dev.txt
	@touch $@

# The other interpreters: a venv each, from the same locks. Of what is in it the units import little:
# that alone is compiled, when they do.
$(VENV)-3.%/.dev: requirements/build.txt requirements/dev.txt pyproject.toml
	set -e; read -r _ python < <(.ci/interpreters 3.$*); "$$python" -m venv $(@D)
	$(@D)/bin/pip install -q --no-compile --require-hashes -r requirements/build.txt
	$(@D)/bin/pip install -q --no-compile --require-hashes --no-build-isolation -r requirements/dev.txt
	$(@D)/bin/pip install -q --no-deps --no-build-isolation -e .
	@touch $@

# Two processes a core: the end-to-end tests wait more than they compute, for whole seconds of a
# greylist or a pause. The floor's tests run on this Python once: under coverage, beside the units.
.PHONY: test
test: $(VENV)/.dev peers lint  ## everything: lint, types, all tests; units and store on every Python here
	$(BIN)/pytest -n $$((2 * $$(nproc))) --dist loadgroup --no-loadscope-reorder \
		$(FLOOR_TESTS:%=--ignore=%)
	@$(MAKE) --no-print-directory -j$$(nproc) --output-sync=target floor units

.PHONY: units
units: $(VENV)/.dev  ## units and store on each further Python from 3.11 to 3.13
	@set -e; \
	own=$$($(BIN)/python -c 'import sys; print("%d.%d" % sys.version_info[:2])'); \
	others=$$(.ci/interpreters | while read -r version _; do \
	  [[ "$$version" == "$$own" ]] || echo "units-$$version"; done); \
	echo "units: Python $$own passes with the rest; further:" $${others:-none here}; \
	[[ -z "$$others" ]] || $(MAKE) --no-print-directory $$others

.PRECIOUS: $(VENV)-3.%/.dev
units-3.%: $(VENV)-3.%/.dev
	@echo "units: Python 3.$*"
	$(VENV)-3.$*/bin/pytest $(UNITS)

.PHONY: lint
lint: $(VENV)/.dev  ## ruff, mypy --strict, import-linter
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

FLOOR := relay/mail/*,relay/replies/*,relay/shaping/*,relay/settle.py,relay/suppression.py

.PHONY: floor
floor: $(VENV)/.dev  ## the pure floor's tests; fails below 100 % of its branches
	$(BIN)/coverage run -m pytest -q $(FLOOR_TESTS)
	$(BIN)/coverage report --include="$(FLOOR)" --skip-covered --show-missing --fail-under=100

.PHONY: bench
bench: $(VENV)/.dev peers  ## the relay beside Postfix + OpenDKIM; QUICK=1, CASES=10-many, SIDES=ours,postfix
	$(BIN)/python -m tests.bench.beside $(if $(QUICK),--quick) --cases "$(CASES)" --sides "$(SIDES)" $(BENCH)

.PHONY: bench-parts
bench-parts: $(VENV)/.dev  ## what the store, the client, a permit and a reply cost here
	$(BIN)/python -m tests.bench.store
	$(BIN)/python -m tests.bench.client
	$(BIN)/python -m tests.bench.permits

.PHONY: bench-profile
bench-profile: $(VENV)/.dev  ## where the CPU of the relay's main thread goes, by room: LETTERS=3000
	$(BIN)/python -m tests.bench.profile --letters $(or $(LETTERS),3000) $(BENCH)

.PHONY: bench-replies
bench-replies: $(VENV)/.dev  ## score the classifier: make bench-replies CORPUS=replies.jsonl
	$(BIN)/python -m tests.bench.replies $(CORPUS)

.PHONY: bench-maillog
bench-maillog: $(VENV)/.dev  ## how many lines of a mail log are read a second: LINES=400000
	$(BIN)/python -m tests.bench.maillog --lines $(or $(LINES),400000)

.PHONY: bench-shaping
bench-shaping: $(VENV)/.dev  ## score the shaping on drawn providers: DRAWS=200 is the whole of it
	$(BIN)/python -m tests.bench.shaping --draws $(or $(DRAWS),3) $(BENCH)

.PHONY: bench-destinations
bench-destinations: $(VENV)/.dev  ## what ten thousand destinations with waiting mail cost: CPU, memory
	$(BIN)/python -m tests.bench.destinations $(BENCH)

.PHONY: bench-million
bench-million: $(VENV)/.dev  ## what a million waiting letters cost: LETTERS=1000000 (6 GB of disk)
	$(BIN)/python -m tests.bench.million --letters $(or $(LETTERS),1000000) $(BENCH)

.PHONY: bench-through
bench-through: $(VENV)/.dev  ## a million letters taken at the door, restarted on, all sent: an hour or more
	$(BIN)/python -m tests.bench.through --letters $(or $(LETTERS),1000000) $(BENCH)

.PHONY: bench-spread
bench-spread: $(VENV)/.dev  ## 100,000 letters over 10,000 destinations against one: LETTERS, DOMAINS
	$(BIN)/python -m tests.bench.spread --letters $(or $(LETTERS),100000) \
		--domains $(or $(DOMAINS),10000) $(BENCH)

.PHONY: marks
marks: $(VENV)/.dev  ## what the kept results of the benches reach, mark by mark: BENCH=--write renews README
	$(BIN)/python -m tests.bench.marks $(BENCH)

.PHONY: soak
soak: $(VENV)/.dev  ## half speed under reloads, pauses, slow and dying peers: MINUTES=30
	$(BIN)/python -m tests.bench.soak --minutes $(or $(MINUTES),30) $(BENCH)

.PHONY: chaos
chaos: $(VENV)/.dev  ## the long form of the crash test: KILLS=200 kills under load
	LPSE_KILLS=$(or $(KILLS),200) $(BIN)/pytest --timeout 3600 tests/e2e/test_crash.py

.PHONY: peers
peers:  ## fetch the real mail programs that tests talk to (as root; else say what is missing)
	@$(PYTHON) -m tests.peers.install

.PHONY: demo
demo: $(VENV)/.run  ## the main job on a small fake internet; KEEP=1 leaves it running
	$(BIN)/python -m relay.lab.demo $(if $(KEEP),--keep)

.PHONY: run
run: $(VENV)/.run  ## the relay on config/relay.yaml, its state in var/
	$(BIN)/lpse-relay run --config config/relay.yaml --state var --make-keys

# An old pin stays while pyproject.toml allows it; UPGRADE=1 asks for the newest of everything.
.PHONY: lock
lock: .setup/uv/bin/uv  ## refresh requirements/*.txt from pyproject.toml; UPGRADE=1 takes the newest
	$(LOCK) pyproject.toml -o requirements/run.txt
	$(LOCK) --group pyproject.toml:build -o requirements/build.txt
	$(LOCK) pyproject.toml --group pyproject.toml:dev -o requirements/dev.txt

# One version of each package for every interpreter.
LOCK = .setup/uv/bin/uv pip compile -q --universal --fork-strategy fewest --python-version 3.11 \
	--generate-hashes --no-header $(if $(UPGRADE),--upgrade)

.setup/uv/bin/uv:
	$(PYTHON) -m venv .setup/uv
	.setup/uv/bin/pip install -q $(UV)

.PHONY: clean
clean:  ## remove what was set up or built; mail in var/ stays
	@$(PYTHON) -m tests.peers.install --remove
	rm -rf $(VENV) $(VENV)-3.* .setup build dist .coverage* .hypothesis .import_linter_cache
	rm -rf .mypy_cache .pytest_cache .ruff_cache *.egg-info
	find relay tests -name __pycache__ -type d -prune -exec rm -rf {} +
