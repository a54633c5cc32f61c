# Everything a developer runs. `make demo` and `make test` need only git, make and Python 3.11.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
DEMO ?= demo
WEEK ?= 2026-W46
ROUNDS ?= 500
# spelled out in two recipes: with $(MAKE) check in one, `make -n test` would run the suite
CHECKS := $(BIN)/ruff check . && $(BIN)/ruff format --check --quiet . && $(BIN)/basedpyright --level error && $(BIN)/lint-imports

.PHONY: help setup demo up test test-spark test-storage test-postgres soak check format conformance e2e-agents bench docs contract prices sample screenshots clean

help:  ## list the targets
	@grep -E '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 14

setup: .venv/installed  ## install everything into .venv

.venv/installed: pyproject.toml collectors/pyproject.toml requirements.lock
	@echo "Installing into .venv (a minute or two) …" >&2
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint requirements.lock --upgrade pip
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint requirements.lock \
		--editable . --editable collectors --group dev
	@touch $@

demo: setup  ## sample data through the whole house: collectors, storage, Dagster, tables, report
	@rm -rf $(DEMO) && mkdir -p $(DEMO)
	@echo "1/4  A laptop: real session files of three agents, read by the collector" >&2
	@$(BIN)/python -m meterhouse.sample home --to $(DEMO)/home
	@cp -R data/sample/raw data/sample/roster data/sample/governance.yaml $(DEMO)/ && mkdir $(DEMO)/bucket \
		&& mv $(DEMO)/raw $(DEMO)/roster $(DEMO)/governance.yaml $(DEMO)/bucket
	@$(BIN)/meterhouse-collector once --home $(DEMO)/home --to $(DEMO)/bucket
	@echo "2/4  Dagster: load, build, check, publish, tell" >&2
	@$(BIN)/meterhouse run --raw $(DEMO)/bucket --data $(DEMO)/warehouse
	@echo "3/4  The weekly report" >&2
	@$(BIN)/meterhouse report build --data $(DEMO)/warehouse --week $(WEEK) --out $(DEMO)/report >&2
	@echo "4/4  Done" >&2
	@$(BIN)/python -m meterhouse.sample.next_steps $(DEMO) $(WEEK)

up: setup  ## Dagster's UI and daemon and the dashboards on the demo's data; Ctrl-C stops all
	@test -e $(DEMO)/warehouse/warehouse.duckdb || $(MAKE) --no-print-directory demo
	@DAGSTER_HOME="$(abspath $(DEMO))/warehouse/dagster" METERHOUSE_STORAGE_RAW="$(abspath $(DEMO))/bucket" \
		METERHOUSE_STORAGE_DATA="$(abspath $(DEMO))/warehouse" sh -c ' \
		$(BIN)/python -m meterhouse_dashboards & trap "kill $$! 2>/dev/null" INT TERM EXIT; \
		$(BIN)/dagster dev --module-name meterhouse.definitions --host 127.0.0.1'

# files in their order: xdist would keep those with few tests for the end, and they take longest
test: setup  ## checks and all tests; side by side, because the checks keep one core waiting for minutes
	@{ $(CHECKS); } & checks=$$!; \
		$(BIN)/python -m pytest -q -n 2 --dist loadfile --no-loadscope-reorder; tests=$$?; wait $$checks && exit $$tests

test-spark: setup  ## every model on Spark, row for row against DuckDB (minutes); needs Debian's openjdk-17-jre-headless
	@java -version >/dev/null 2>&1 || { echo "test-spark: no Java runtime; install Debian's openjdk-17-jre-headless" >&2; exit 1; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint requirements.lock --editable '.[spark]'
	@METERHOUSE_TEST_SPARK=1 $(BIN)/python -m pytest -q tests/models/test_cases_on_spark.py tests/pipelines/test_spark.py \
		tests/pipelines/test_lake_readers.py

test-storage: setup  ## all storages give the same tables, Azure's too; installs Azurite from npm into .venv
	@command -v npm >/dev/null || { echo "test-storage: npm is missing; install Node.js 20 or newer, with npm" >&2; exit 1; }
	@npm install --no-audit --no-fund --loglevel=error --prefix .venv/azurite azurite@3.37.0 >&2
	@METERHOUSE_TEST_AZURITE="$(abspath .venv)/azurite/node_modules/.bin/azurite-blob" \
		$(BIN)/python -m pytest -q tests/pipelines/test_storages.py tests/pipelines/test_shared_lake.py

test-postgres: setup  ## Dagster's runs in PostgreSQL, on a private server; needs Debian's postgresql
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint requirements.lock --editable '.[postgres]'
	@METERHOUSE_TEST_POSTGRES=1 $(BIN)/python -m pytest -q tests/pipelines/test_postgres.py

soak: setup  ## nightly: 500 kill -9 rounds of collector, laptop with intake, load and publication; prints the scorecards (two hours)
	@METERHOUSE_CRASH_ROUNDS=$(ROUNDS) METERHOUSE_DELIVERY_ROUNDS=$(ROUNDS) METERHOUSE_FAULT_ROUNDS=$(ROUNDS) \
		$(BIN)/python -m pytest -q tests/collectors/test_crash.py tests/delivery tests/faults tests/pipelines/test_hostile.py \
		tests/pipelines/test_hostile_objects.py tests/pipelines/test_parse.py tests/pipelines/test_segments.py tests/pipelines/test_load.py \
		tests/pipelines/test_incremental.py

check: setup  ## lint, format, types, import contracts
	@$(CHECKS)

format: setup  ## mend what the linter and formatter can
	@$(BIN)/ruff check --fix --quiet . ; $(BIN)/ruff format .

conformance: setup  ## what each set of witnesses knows of real runs, against what was billed; needs the fixtures beside this checkout
	@cd tests && ../$(BIN)/python -m conformance.witnesses

e2e-agents: setup  ## run real agents, installed from npm, against a provider on the loopback; needs node and npm
	@cd tests && ../$(BIN)/python -m e2e

bench: setup  ## speed and memory, as ratios to a floor measured in the same run (an hour); installs chdb
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps chdb==4.4.0 chdb-core==26.9.0
	@$(BIN)/python tests/bench/collector_bench.py
	@$(BIN)/python tests/bench/receiver_bench.py
	@$(BIN)/python tests/bench/pipeline_bench.py
	@$(BIN)/python tests/bench/volume_bench.py
	@$(BIN)/python tests/bench/peers_bench.py
	@$(BIN)/python tests/bench/history_bench.py
	@$(BIN)/python tests/bench/queries_bench.py

docs: setup  ## write docs/reference from contract, models and metrics, docs/deploy from the agents' settings
	@$(BIN)/python -m meterhouse.reference docs/reference
	@$(BIN)/python -m meterhouse_collector.deploy_pages docs/deploy

contract: setup  ## publish the event contract from the collector's vocabulary
	@cd collectors && ../$(BIN)/python -m meterhouse_collector.contract > ../models/contracts/event.v1.json

prices: setup  ## export list prices from the installed genai-prices
	@$(BIN)/python -m meterhouse.prices

sample: setup  ## write the sample organisation again
	@rm -rf data/sample/raw && $(BIN)/python -m meterhouse.sample --to data/sample --prices

screenshots: setup  ## pictures of report and dashboards; needs Debian's chromium and poppler-utils
	@$(BIN)/python tests/dashboards/screenshot.py --data $(DEMO)/warehouse --report $(DEMO)/report --out $(DEMO)/screenshots

clean:  ## remove everything that was made
	@rm -rf .venv $(DEMO) .pytest_cache .ruff_cache .hypothesis
