# Backbeat. `make` lists the targets.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# uv is ten times faster than pip; both work.
UV := $(shell command -v uv 2>/dev/null)

.DEFAULT_GOAL := help
.PHONY: help setup demo run test browser check format openapi showcase models migrate clean

help: ## List the targets
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

# Two stamps: the demo needs less than the tests do.
$(VENV)/.installed: pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
ifeq ($(UV),)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[cli]"
else
	VIRTUAL_ENV=$(VENV) $(UV) pip install --quiet --editable ".[cli]"
endif
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
ifeq ($(UV),)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[dev]"
else
	VIRTUAL_ENV=$(VENV) $(UV) pip install --quiet --editable ".[dev]"
endif
	@touch $@

setup: $(VENV)/.installed-dev ## Make the virtualenv with all that development needs

demo: $(VENV)/.installed ## Transcribe VIDEO=path, or a clip rendered for it, into ./out
	@$(BIN)/backbeat demo $(if $(VIDEO),"$(VIDEO)")

run: $(VENV)/.installed ## Serve the whole system at http://localhost:8000
	@$(BIN)/backbeat serve

test: $(VENV)/.installed-dev browser ## Run all tests (on real PostgreSQL, RabbitMQ and Chromium)
	$(BIN)/python -m pytest

browser: $(VENV)/.installed-dev ## Install a Chromium for the studio's tests where there is none
	@VENV=$(VENV) deploy/install-browser

check: $(VENV)/.installed-dev ## Lint, types, import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/.installed-dev ## Format the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

openapi: $(VENV)/.installed-dev ## Write docs/*.json anew: OpenAPI, AsyncAPI, schemas
	$(BIN)/backbeat openapi > docs/openapi.json
	$(BIN)/backbeat asyncapi > docs/asyncapi.json
	cp services/notation/domain/score.schema.json docs/score.schema.json
	cp services/notation/domain/kits/kit.schema.json docs/kit.schema.json

showcase: $(VENV)/.installed ## Make the studio's demo score anew
	$(BIN)/python -m backbeat.showcase

models: $(VENV)/.installed ## Fetch the pose networks from the package registry
	@$(BIN)/backbeat models fetch

migrate: $(VENV)/.installed ## Upgrade the schemas of DATABASE_URL
	$(BIN)/backbeat migrate

clean: ## Remove the virtualenv and what was generated
	rm -rf $(VENV) out build *.egg-info
