# The only entry point. `make help` lists what there is; each target installs what it needs.
SHELL := /bin/bash
.DEFAULT_GOAL := help
SCRIPTS := ca-server/scripts
# With cargo's own progress: the first build takes minutes.
BUILD := cargo build --release --locked --bin ca-server --bin ukey --bin portal --bin ca-audit

.PHONY: help run demo test bench lint fuzz setup

help: ## This list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /\1|/' | while IFS='|' read -r t d; do printf '  make %-7s %s\n' "$$t" "$$d"; done

setup: ## Install the system packages that the other targets need (Debian)
	@$(SCRIPTS)/setup.sh

run: setup ## Demonstration CA, server and portal; Ctrl-C stops, the data stays in var/demo
	@$(BUILD)
	@$(SCRIPTS)/run.sh

demo: setup ## The whole path once, from nothing, with nothing left behind
	@$(BUILD)
	@$(SCRIPTS)/demo.sh

test: setup ## Every test, on SQLite and PostgreSQL
	@$(SCRIPTS)/test.sh

lint: setup ## Formatting, clippy, licences and sources of dependencies
	@$(SCRIPTS)/lint.sh

bench: setup ## Benchmarks: figure, peer or limit, ratio
	@$(SCRIPTS)/bench.sh

fuzz: setup ## Fuzz every parser for T seconds each (T=60)
	@$(SCRIPTS)/fuzz.sh $(or $(T),60)
