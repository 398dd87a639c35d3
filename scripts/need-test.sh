#!/usr/bin/env bash
# What the tests take beside what building takes. Installs only what is missing, and says so.
set -euo pipefail
source "$(dirname "$0")/need.sh"

"$(dirname "$0")/need-build.sh"

need_apt chromium chromium "a real browser goes from the line to the shop"
need_apt chromium-driver chromedriver "the tests steer that browser with it"
need_apt python3 python3 "k6 and localstripe come as Python packages, and the k6 run looks for free ports with it"
# Debian starts a service of its own on port 6379 with this package. The tests do not use it: each starts servers, and
# sentinels (`redis-server --sentinel`), on ports and in directories of its own.
need_apt redis-server redis-server "edges share a line in it, and the tests kill it and have it fail over"
# Debian keeps the server's programs out of the way, a folder a version.
PATH=$PATH$(printf ':%s' /usr/lib/postgresql/*/bin)
need_apt postgresql initdb "booking is tested on it as well as on SQLite; each test process starts its own on a socket"
need_apt faketime faketime "the tests start edges whose clocks are wrong with it"
need_apt poppler-utils pdftotext "tickets as PDF are read and drawn with it"
need_apt librsvg2-bin rsvg-convert "QR codes are drawn from SVG with it"
need_apt zbar-tools zbarimg "it reads the QR codes"
need_install

"$(dirname "$0")/need-k6.sh"
"$(dirname "$0")/need-localstripe.sh"
"$(dirname "$0")/need-peers.sh"
