#!/usr/bin/env bash
# cargo-deny, which looks over the dependencies. Built into target/tools where it is missing; a few minutes, once.
set -euo pipefail
source "$(dirname "$0")/need.sh"

have cargo-deny && exit 0
[ -x "$tools/bin/cargo-deny" ] && exit 0

"$(dirname "$0")/need-build.sh"
say "missing: cargo-deny (it checks licences, sources and duplicates of the dependencies); building it, unoptimised"
# It runs for two seconds: time spent on optimising it would never come back.
CARGO_PROFILE_RELEASE_OPT_LEVEL=0 CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 \
    CARGO_PROFILE_RELEASE_DEBUG=false CARGO_TARGET_DIR=$tools/build \
    cargo install --quiet --locked --root "$tools" cargo-deny --version 0.20.2
rm -rf "$tools/build"
