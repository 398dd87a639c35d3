# Everything there is to run, in one line each: say `make`.
#
# Only Rust has to be there. What else a target takes is looked for by scripts/need-*.sh, which say what is missing and
# why, and install it where they may.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help run test check bench rehearse k6 audit release clean-data

# Arguments for what is started: make run ARGS="--listen 127.0.0.1:9000"
ARGS ?=

# Tools that were installed for this folder alone stand before the system's.
export PATH := $(CURDIR)/target/tools/bin:$(PATH)

help: ## this list
	@echo "Tidegate: a waiting room at the edge. Targets:"
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: ## start everything on this machine (ARGS="--listen 127.0.0.1:9000" and the like)
	@scripts/need-build.sh
	cargo run --bin tidegate -- up $(ARGS)

test: ## all tests, a real browser and a 30 s surge among them
	@scripts/need-test.sh
	cargo test --workspace --no-fail-fast
	scripts/k6.sh short

check: ## formatting, lints, documentation, and the example configurations
	@scripts/need-build.sh
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --no-deps --workspace
	@for file in config/examples/*.toml k6/tidegate.toml; do cargo run --quiet --bin tidegate -- check "$$file"; done

bench: ## measure speed and memory against bare Pingora and nginx (ARGS="--only sockets" and the like)
	@scripts/need-bench.sh
	python3 -B bench/run.py $(ARGS)

rehearse: ## a crowd with sockets against what `make run` started (ARGS="--fans 300" and the like)
	@scripts/need-build.sh
	cargo run --bin tidegate -- rehearse $(ARGS)

k6: ## the full surge, 100/s to 2,000/s in two seconds, against a fresh edge; then a rush of buyers on one showtime
	@scripts/need-build.sh
	@scripts/need-k6.sh
	scripts/k6.sh full
	scripts/k6-booking.sh

audit: ## known vulnerabilities in dependencies, where the advisory database can be reached
	@scripts/audit.sh

release: ## the binary as it is deployed: target/release/tidegate
	@scripts/need-build.sh
	cargo build --release --bin tidegate

clean-data: ## forget what `make run` kept: keys, the line, the sample shop's seats
	rm -rf tidegate-data
