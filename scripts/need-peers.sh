#!/usr/bin/env bash
# Peers that nobody here wrote, from PyPI: the tests send them mail, have them read calendars,
# check tickets, and call everything that the description of the booking service describes. They are
# installed into a folder of their own under target/tools, so that nothing outside this folder changes.
set -euo pipefail
source "$(dirname "$0")/need.sh"

peers=(aiosmtpd==1.4.6 cryptography==50.0.2 icalendar==7.3.0 schemathesis==4.32.5)
venv=$tools/peers
python=$venv/bin/python

is_there() {
    [ -x "$python" ] && [ "$(cat "$venv/installed" 2>/dev/null)" = "${peers[*]}" ] &&
        "$python" -c 'import aiosmtpd.smtp, cryptography, icalendar, schemathesis' 2>/dev/null
}

is_there && exit 0

need_apt python3 python3 "the peers are Python packages"
need_install
# Debian's python3 is without venv until asked.
if ! python3 -c 'import ensurepip, venv' 2>/dev/null; then
    say "missing: python3-venv (the peers are installed into a folder of their own)"
    missing+=(python3-venv)
    need_install
fi
say "installing ${peers[*]} into ${venv#"$root"/}"
rm -rf "$venv"
python3 -m venv "$venv"
"$venv/bin/pip" install --quiet --disable-pip-version-check --only-binary :all: "${peers[@]}"
printf '%s' "${peers[*]}" >"$venv/installed"
if ! is_there; then
    say "${peers[*]} were installed and cannot be imported: $python -c 'import aiosmtpd.smtp, cryptography, icalendar, schemathesis'"
    exit 69
fi
