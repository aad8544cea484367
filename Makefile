# The commands of the project. `make demo` and `make test` are all that is needed to begin.

CARGO ?= cargo
# `make demo ARGS="--for-seconds 30"`
ARGS ?=
# `make torture OF=nodes`
OF ?= process nodes
TORTURE_OF_process := torture::the_whole_torture_harms_nobody
TORTURE_OF_nodes := torture::nodes::the_whole_torture_of_three_servers_harms_nobody

.DEFAULT_GOAL := help
.PHONY: help demo test torture check layers fmt bench bench-record bench-deps mutants fuzz planted deps

help: ## List the targets
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

demo: ## Show a sample campaign ringing simulated phones (no account, no configuration)
	$(CARGO) build --package campanile
	@$(CARGO) run --quiet --package campanile -- demo $(ARGS)

test: deps ## Run every test, installing what it needs
	@ulimit -Sn "$$(ulimit -Hn)" 2>/dev/null || true; \
	if $(CARGO) nextest --version >/dev/null 2>&1; then \
		$(CARGO) nextest run --workspace --no-fail-fast; \
	else \
		$(CARGO) test --workspace --no-fail-fast --quiet; \
	fi
	$(CARGO) test --package simulation --features planted --test it --quiet -- planted

torture: deps ## Kill, stop, starve and lie to real processes, one and three (OF=process, OF=nodes); prints reports
	$(CARGO) test --package campanile --test it -- --ignored --exact --nocapture --test-threads 1 \
		$(foreach of,$(OF),$(TORTURE_OF_$(of)))

check: ## Format, lints, layers, licences
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets -- -D warnings
	@$(MAKE) --no-print-directory layers
	@if $(CARGO) deny --version >/dev/null 2>&1; then \
		$(CARGO) deny check; \
	else \
		echo 'skipped: cargo deny check (cargo-deny is not installed; cargo install --locked cargo-deny)'; \
	fi

layers:
	$(CARGO) test --package campanile --test it --quiet -- layering

fmt: ## Format the code
	$(CARGO) fmt --all

planted: ## Plant every bug in the simulation and show a seed that catches it
	$(CARGO) run --release --package simulation --features planted --example planted

bench: ## Measure what docs/performance.md promises (release build)
	@case '$(ARGS)' in ''|postgres*) $(MAKE) --no-print-directory bench-deps || \
		echo 'what is missing is left out';; esac
	$(CARGO) bench --package campanile --bench throughput -- $(ARGS)

bench-record: ## Append the figures of the last `make bench` to docs/performance.md
	@test -f target/tmp/bench.md || { echo 'there are no figures: run `make bench` first'; exit 1; }
	@{ echo; cat target/tmp/bench.md; } >> docs/performance.md
	@echo 'appended to docs/performance.md'

# What survives and may is explained in docs/reliability.md; codes 2 and 3 of cargo-mutants say that
# something survived or did not end. Of the dispatch, whose tests are long, DISPATCH_SHARD is tried.
DISPATCH_SHARD ?= 0/24
MUTANTS = nice -n 15 $(CARGO) mutants --no-shuffle $(ARGS)

mutants: ## Plant bugs in planner, gate, attempt policy and dispatch, and see them caught
	@$(CARGO) mutants --version >/dev/null 2>&1 || $(CARGO) install --locked cargo-mutants
	@$(CARGO) nextest --version >/dev/null 2>&1 || $(CARGO) install --locked cargo-nextest
	@mkdir -p target/mutants-decisions target/mutants-dispatch; \
	export PROPTEST_MAX_SHRINK_ITERS=0 PROPTEST_DISABLE_FAILURE_PERSISTENCE=1; \
	survived() { [ "$$1" -eq 0 ] || [ "$$1" -eq 2 ] || [ "$$1" -eq 3 ]; }; \
	$(MUTANTS) --output target/mutants-decisions --package domain || survived $$? || exit 1; \
	$(MUTANTS) --output target/mutants-dispatch --package store --package store-sqlite --package dialer \
		--test-package store,store-sqlite,dialer,simulation --shard $(DISPATCH_SHARD) \
		|| survived $$? || exit 1; \
	echo 'what survived:'; cat target/mutants-*/mutants.out/missed.txt

fuzz: ## Fuzz every reader of untrusted input, SECONDS_EACH (60) a target
	fuzz/run $(ARGS)

# Installs $$missing from Debian, or says what is missing.
INSTALL_MISSING = if [ -z "$$missing" ]; then echo 'nothing is missing'; exit 0; fi; \
	if ! command -v apt-get >/dev/null; then echo "please install:$$missing"; exit 1; fi; \
	if [ "$$(id -u)" = 0 ]; then sudo=''; \
	elif command -v sudo >/dev/null; then sudo='sudo'; \
	else echo "please install as root:$$missing"; exit 1; fi; \
	$$sudo apt-get update -qq && $$sudo apt-get install -y -qq --no-install-recommends $$missing

deps: ## Install the Debian packages the tests need, where that is possible
	@missing=''; \
	command -v cc >/dev/null || missing="$$missing build-essential"; \
	command -v curl >/dev/null || missing="$$missing curl"; \
	command -v jq >/dev/null || missing="$$missing jq"; \
	command -v strace >/dev/null || missing="$$missing strace"; \
	command -v faketime >/dev/null || missing="$$missing faketime"; \
	python3 -c 'import venv, ensurepip' 2>/dev/null || missing="$$missing python3-venv"; \
	ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || missing="$$missing postgresql"; \
	$(INSTALL_MISSING)

bench-deps: ## Install what only `make bench` needs: PostgreSQL, and Redis for what is measured beside us
	@missing=''; \
	ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || missing="$$missing postgresql"; \
	command -v redis-server >/dev/null || command -v redis-check-rdb >/dev/null || missing="$$missing redis-tools"; \
	python3 -c 'import venv, ensurepip' 2>/dev/null || missing="$$missing python3-venv"; \
	$(INSTALL_MISSING)
