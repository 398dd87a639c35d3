#!/usr/bin/env bash
# What `make bench` takes: wrk for the load, nginx as the yardstick, Redis to hold lines, PostgreSQL to hold seats. Installs only what is missing, and says so.
set -euo pipefail
source "$(dirname "$0")/need.sh"

"$(dirname "$0")/need-build.sh"

PATH=$PATH:/usr/sbin
need_apt wrk wrk "it sends the requests"
need_apt nginx-light nginx "it serves the same bytes for comparison, and is the site behind both proxies"
need_apt redis-server redis-server "lines in it are measured, each in a server of its own"
# Debian keeps the server's programs out of the way, a folder a version.
PATH=$PATH$(printf ':%s' /usr/lib/postgresql/*/bin)
need_apt postgresql initdb "seats are held in it, in a server of its own"
need_apt python3 python3 "the harness is written in it"
need_install
