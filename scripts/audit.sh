#!/usr/bin/env bash
# Asks the RustSec advisory database about every dependency. Which advisories are accepted, and why: deny.toml.
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/need-deny.sh
PATH=$PWD/target/tools/bin:$PATH

if ! cargo deny fetch db >target/tools/fetch.log 2>&1; then
    tail -n 3 target/tools/fetch.log >&2
    echo "Nothing was audited: the advisory database cannot be reached from here. Say it again where it can." >&2
    exit 75
fi
cargo deny check --disable-fetch advisories
