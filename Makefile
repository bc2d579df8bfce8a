# The only entry point. `make help` lists what there is; each target installs what it needs.
SHELL := /bin/bash
.DEFAULT_GOAL := help
SCRIPTS := ca-server/scripts
# With cargo's own progress: the first build takes minutes.
BUILD := cargo build --release --locked --bin ca-server --bin ukey --bin portal --bin ca-audit --bin test-gateway

.PHONY: help run demo test bench lint fuzz setup packages

help: ## This list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /\1|/' | while IFS='|' read -r t d; do printf '  make %-7s %s\n' "$$t" "$$d"; done

setup: packages ## Install what the other targets need: Debian packages, pkilint for the tests
	@$(SCRIPTS)/pkilint.sh

packages:
	@$(SCRIPTS)/setup.sh

run: packages ## Demonstration CA, server and portal; Ctrl-C stops, the data stays in var/demo
	@$(BUILD)
	@$(SCRIPTS)/run.sh

demo: packages ## The whole path once, from nothing, with nothing left behind
	@$(BUILD)
	@$(SCRIPTS)/demo.sh

test: setup ## Every test, on SQLite and PostgreSQL
	@$(SCRIPTS)/test.sh

lint: packages ## Formatting, clippy, licences and sources of dependencies
	@$(SCRIPTS)/lint.sh

bench: packages ## Benchmarks: figure, peer or limit, ratio
	@$(SCRIPTS)/bench.sh

fuzz: packages ## Fuzz every parser for T seconds each (T=60)
	@$(SCRIPTS)/fuzz.sh $(or $(T),60)
