#!/usr/bin/env bash
# Buyers with k6 against a fresh `tidegate up`, all for one showtime, through the edge. Ends with 0 when every buyer came
# through, and as many seats are taken as there are tickets out: none twice, none lost.
#
# BUYERS (100), SHOWTIME (1) and TURN_WITHIN_S (60) change the size; see k6/booking.js.
set -euo pipefail
cd "$(dirname "$0")/.."
PATH=$PWD/target/tools/bin:$PATH

cargo build --quiet --bin tidegate
bin=${CARGO_TARGET_DIR:-target}/debug/tidegate
dir=target/k6/booking.$$
mkdir -p "$dir"
ports=($(python3 - <<'PY'
import socket
held = [socket.socket() for _ in range(4)]
for one in held:
    one.bind(("127.0.0.1", 0))
print(*(one.getsockname()[1] for one in held))
PY
))
site=http://127.0.0.1:${ports[0]}
admin=http://127.0.0.1:${ports[1]}
token=k6-$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
TIDEGATE_ADMIN_TOKEN=$token "$bin" up --listen "${site#http://}" --admin-listen "${admin#http://}" \
    --booking-listen "127.0.0.1:${ports[2]}" --search-listen "127.0.0.1:${ports[3]}" --data-dir "$dir/data" \
    >"$dir/up.log" 2>&1 &
up=$!
stop() {
    local status=$?
    trap - EXIT INT TERM
    kill -INT "$up" 2>/dev/null || true
    wait "$up" 2>/dev/null || true
    if [ "$status" -ne 0 ]; then
        echo "ended with status $status; what the process said is in $dir" >&2
    else
        rm -rf "$dir"
    fi
    exit "$status"
}
trap stop EXIT
trap 'exit 130' INT TERM
for _ in $(seq 300); do
    python3 -c 'import sys, urllib.request; urllib.request.urlopen(sys.argv[1], timeout=1)' "$admin/ready" 2>/dev/null && break
    kill -0 "$up" 2>/dev/null || { cat "$dir/up.log" >&2; exit 1; }
    sleep 0.1
done
k6 run --quiet --no-usage-report --address "" -e EDGE="$site" -e SUMMARY="$dir/summary.json" \
    -e SHOWTIME="${SHOWTIME:-1}" -e BUYERS="${BUYERS:-100}" -e TURN_WITHIN_S="${TURN_WITHIN_S:-60}" k6/booking.js
python3 - "$dir/summary.json" <<'PY'
import json, sys
found = json.load(open(sys.argv[1]))
if found["failed"] or found["tickets"] != found["seats_taken"]:
    sys.exit(f"{found['tickets']} tickets are out for {found['seats_taken']} seats; broken: {found['failed']}")
print(f"{found['tickets']} tickets for {found['seats_taken']} seats, {found['sold_out']} buyers found nothing left")
PY
