#!/usr/bin/env bash
# What building takes beside Rust. Installs only what is missing, and says so.
set -euo pipefail
source "$(dirname "$0")/need.sh"

if ! have cargo; then
    say "Rust is not installed: see https://rustup.rs. Tidegate needs 1.95 or newer."
    exit 69
fi

need_apt cmake cmake "zlib-ng, which Pingora links, and aws-lc, which signs tokens, are built with it"
need_apt make make "cmake's builds run it"
need_apt gcc cc "SQLite, jemalloc, zlib-ng and aws-lc are C"
need_apt g++ c++ "cmake's projects look for a C++ compiler too"
need_install

# A compiler can be there without the C library's headers.
if ! printf '#include <stdio.h>\n' | cc -E - >/dev/null 2>&1; then
    say "missing: libc6-dev (the C library's headers)"
    missing+=(libc6-dev)
    need_install
fi
