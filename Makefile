# Everything runs from .venv, which is made anew when a lock changes and left alone otherwise.

VENV := .venv
BIN := $(VENV)/bin
LOCKS := requirements.lock requirements-build.lock requirements-dev.lock

# The first of these that is 3.11 or newer makes the venv; PYTHON=... names another.
PYTHONS := $(if $(PYTHON),$(PYTHON),python3.14 python3.13 python3.12 python3.11 python3)
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check install

# Where the owner named a database or a config, that stands.
ifeq ($(FERRY_DATABASE)$(FERRY_CONFIG),)
serve: export FERRY_DATABASE := .ferry/ferry.db
endif

.DEFAULT_GOAL := help
.PHONY: help serve demo test soak bench lock clean

help: ## Show what make can do
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-7s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

serve: $(VENV)/.serve ## Install what is needed and run the gateway (ARGS=... are passed on)
	@mkdir -p -m 700 .ferry
	@$(BIN)/ferry serve $(ARGS)

demo: $(VENV)/.serve ## Show four weeks of made-up traffic and live calls (ARGS=--once: a report)
	@$(BIN)/ferry demo $(ARGS)

test: $(VENV)/.test ## Lint, types, the whole test suite, and the branches of the money modules
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest $(SPREAD) $(TRACED)
	$(BIN)/pytest $(SPREAD) $(addprefix --ignore=,$(TRACED))
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report --include='ferrycli/store/*' --fail-under=0
	$(BIN)/coverage report

# Tracing takes up to three times as long: only what covers the money modules is traced.
TRACED := $(filter-out tests/store/test_sums.py,$(wildcard tests/rules/test_*.py tests/store/test_*.py))

# A worker per core; the tests of one file share what they set up.
SPREAD := --numprocesses auto --maxprocesses 4 --dist loadfile

soak: $(VENV)/.test ## Run the tests marked soak, for many rounds
	FERRY_SOAK=1 $(BIN)/pytest -m soak $(ARGS)

bench: $(VENV)/.test ## Measure what the README claims
	$(BIN)/python -m bench $(ARGS)

lock: $(VENV)/.test ## Pin pyproject.toml into the locks (ARGS=--upgrade for the newest versions)
	$(COMPILE) pyproject.toml --output-file requirements.lock
	$(COMPILE) pyproject.toml --group dev --constraint requirements.lock --output-file requirements-dev.lock
	$(COMPILE) --group build --constraint requirements-dev.lock --output-file requirements-build.lock

COMPILE = $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-emit-find-links --custom-compile-command 'make lock' $(ARGS)

clean: ## Remove the venv and every cache, but not the state in .ferry
	rm -rf $(VENV) .coverage .coverage.* .hypothesis .mypy_cache .pytest_cache .ruff_cache build dist
	find ferrycli tests -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/.made: $(LOCKS)
	@for python in $(PYTHONS); do \
		"$$python" -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' \
			2>/dev/null || continue; \
		echo "making $(VENV) with $$("$$python" --version)"; \
		"$$python" -m venv --clear $(VENV) && touch $@ && exit 0; \
		exit 1; \
	done; \
	printf '%s\n' 'error: no Python 3.11 or newer, with venv and pip, among `$(PYTHONS)`' '' \
		'hint: name one with `make $(firstword $(MAKECMDGOALS)) PYTHON=python3.12`;' \
		'      Debian and Ubuntu keep venv in the package python3-venv' >&2; \
	exit 1

# Editable, so that the server runs the code of the clone; built by the locked backend, offline.
$(VENV)/.serve: $(VENV)/.made pyproject.toml
	@echo 'installing requirements.lock'
	@$(PIP) --require-hashes -r requirements.lock -r requirements-build.lock
	@$(PIP) --no-deps --no-build-isolation -e .
	@touch $@

# The dev lock holds the other two.
$(VENV)/.test: $(VENV)/.made pyproject.toml
	@echo 'installing requirements-dev.lock'
	@$(PIP) --require-hashes -r requirements-dev.lock
	@$(PIP) --no-deps --no-build-isolation -e .
	@touch $@ $(VENV)/.serve
