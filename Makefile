# Everything a newcomer types. Paths are relative throughout, so the checkout may lie below a folder with a space in its name.

SHELL := /bin/sh
.DEFAULT_GOAL := help
.PHONY: help run test screenshots lint format lock clean setup setup-dev test-tools
VENV := .venv/bin
# Hashes and versions, and no index's address: where packages come from is its user's own affair.
UV := $(VENV)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --only-binary :all:

help: ## Say what can be made
	@sed -n 's/^\([a-z-]*\):.*## /  make \1	/p' Makefile | expand -t 20

run: setup ## Serve on http://127.0.0.1:8000 with a small demo season (Ctrl-C stops it)
	@exec $(VENV)/onsale up

test: setup-dev test-tools ## Run every test, the browser's included
	@scripts/web-tests
	@scripts/older-postgres
	@$(VENV)/python -m pytest $(PYTEST)

screenshots: setup-dev test-tools ## Remake the pictures in docs/screenshots
	@$(VENV)/python -m pytest tests/e2e/test_purchase.py --screenshots docs/screenshots

lint: setup-dev ## Check style, types and which room may import which
	@$(VENV)/ruff check .
	@$(VENV)/ruff format --check .
	@$(VENV)/mypy
	@$(VENV)/lint-imports --no-cache

format: setup-dev ## Mend what style can be mended
	@$(VENV)/ruff check --fix .
	@$(VENV)/ruff format .

lock: setup-dev ## Remake the lock files (make lock UPGRADE=--upgrade takes the newest versions)
	@$(UV) $(UPGRADE) --group build pyproject.toml --output-file requirements.lock
	@$(UV) $(UPGRADE) --group dev --constraint requirements.lock pyproject.toml --output-file requirements-dev.lock

clean: ## Remove what make made (the data of onsale itself stays)
	@rm -rf .venv .venv.lock .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis dist

setup:
	@scripts/venv requirements.lock

setup-dev:
	@scripts/venv requirements-dev.lock

test-tools:
	@scripts/test-tools
