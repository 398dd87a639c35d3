#!/usr/bin/env bash
# localstripe, a stand-in for Stripe that nobody here wrote: the payment adapter is tested against it. It has no Debian
# package; it is installed from PyPI into target/tools, so that nothing outside this folder changes and Debian's own
# Python (PEP 668) has nothing against it. Its newer versions are there as source alone, which is plain Python.
set -euo pipefail
source "$(dirname "$0")/need.sh"

version=1.15.10
localstripe=$tools/bin/localstripe

# It cannot say its version itself; the Python it was installed into can.
is_there() {
    [ -x "$localstripe" ] && [ -x "$tools/localstripe/bin/python" ] &&
        "$tools/localstripe/bin/python" -c "
from importlib.metadata import version
import localstripe.server
assert version('localstripe') == '$version'" 2>/dev/null
}

is_there && exit 0

need_apt python3 python3 "localstripe comes as a Python package"
need_install
# Debian's python3 is without venv until asked.
if ! python3 -c 'import ensurepip, venv' 2>/dev/null; then
    say "missing: python3-venv (localstripe is installed into a folder of its own)"
    missing+=(python3-venv)
    need_install
fi
say "installing localstripe $version into ${tools#"$root"/}"
mkdir -p "$tools/bin"
rm -rf "$tools/localstripe"
python3 -m venv "$tools/localstripe"
"$tools/localstripe/bin/pip" install --quiet --disable-pip-version-check --only-binary :all: \
    --no-binary localstripe "localstripe==$version"
ln -sf ../localstripe/bin/localstripe "$localstripe"
if ! is_there; then
    say "localstripe $version was installed and does not start: $localstripe --help"
    exit 69
fi
