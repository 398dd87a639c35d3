#!/usr/bin/env bash
# The k6 surge against a fresh `tidegate up` with a data directory and free ports of its own, before an origin that
# counts. Ends with k6's status; 99 means that a threshold was crossed.
#
#   scripts/k6.sh full               100/s to 2,000/s and two minutes, release build
#   scripts/k6.sh short              the same shape in 30 s, a fifth as high, as part of `make test`
#   BREAK=limit scripts/k6.sh short  raises the limit behind the origin's back: must end red
#
# RATE, START, HOLD, RECOVER, WARM and FANS change the size; see k6/surge.js.
set -euo pipefail
cd "$(dirname "$0")/.."
PATH=$PWD/target/tools/bin:$PATH

form=${1:-full}
case $form in
full)
    profile=release
    : "${RATE:=2000}" "${START:=100}" "${WARM:=5s}" "${HOLD:=60s}" "${RECOVER:=30s}" "${FANS:=200}" "${P99_MS:=250}" "${DROPPED_MAX:=0}"
    ;;
short)
    # The development build, and two cores which it shares with k6.
    profile=dev
    : "${RATE:=400}" "${START:=50}" "${WARM:=3s}" "${HOLD:=12s}" "${RECOVER:=8s}" "${FANS:=60}" "${P99_MS:=1000}" "${DROPPED_MAX:=80}"
    ;;
*)
    echo "scripts/k6.sh full|short" >&2
    exit 64
    ;;
esac

cargo build --quiet --profile "$profile" --bin tidegate --example origin
bin=${CARGO_TARGET_DIR:-target}/$([ "$profile" = dev ] && echo debug || echo release)

dir=target/k6/$form.$$
mkdir -p "$dir/data"
limit=$(sed -n 's/^active_max = \([0-9]*\).*/\1/p' k6/tidegate.toml)
pids=()

stop() {
    local status=$?
    trap - EXIT INT TERM
    for pid in "${pids[@]}"; do
        kill -TERM "$pid" 2>/dev/null || true
    done
    for pid in "${pids[@]}"; do
        wait "$pid" 2>/dev/null || true
    done
    if [ "$status" -ne 0 ]; then
        echo "k6 ended with status $status; what the edge and the origin said is in $dir" >&2
    else
        rm -rf "$dir"
    fi
    exit "$status"
}
trap stop EXIT
trap 'exit 130' INT TERM

# Waits until a command succeeds, for 30 s at most and only while the process lives.
await() {
    local what=$1 pid=$2
    shift 2
    for _ in $(seq 300); do
        "$@" >/dev/null 2>&1 && return
        kill -0 "$pid" 2>/dev/null || break
        sleep 0.1
    done
    echo "$what did not start:" >&2
    cat "$dir"/*.log >&2
    exit 1
}

# One file for each of the 20 sockets a VU could hold, and for every socket of the edge.
ulimit -n "$(ulimit -Hn)" 2>/dev/null || true

"$bin/examples/origin" --listen 127.0.0.1:0 --limit "$limit" >"$dir/origin.out" 2>"$dir/origin.log" &
pids+=($!)
await "the origin" $! grep -q ':' "$dir/origin.out"
origin=$(head -n 1 "$dir/origin.out")

read -r port admin_port < <(python3 - <<'PY'
import socket
held = [socket.socket() for _ in range(2)]
for one in held:
    one.bind(("127.0.0.1", 0))
print(*(one.getsockname()[1] for one in held))
PY
)
sed "s/127\.0\.0\.1:3000/$origin/" k6/tidegate.toml >"$dir/tidegate.toml"
token=k6-$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
TIDEGATE_LISTEN=127.0.0.1:$port TIDEGATE_ADMIN_LISTEN=127.0.0.1:$admin_port TIDEGATE_ADMIN_TOKEN=$token \
    TIDEGATE_DATA_DIR=$dir/data "$bin/tidegate" up --config "$dir/tidegate.toml" >"$dir/edge.log" 2>&1 &
edge=$!
pids+=("$edge")
ready() {
    python3 -c 'import sys, urllib.request; urllib.request.urlopen(sys.argv[1], timeout=1)' \
        "http://127.0.0.1:$admin_port/ready"
}
await "the edge" "$edge" ready

TIDEGATE_ADMIN_TOKEN=$token k6 run --quiet --no-usage-report --address "" \
    -e EDGE="http://127.0.0.1:$port" -e ORIGIN="http://$origin" \
    -e ADMIN="http://127.0.0.1:$admin_port" -e ADMIN_TOKEN="$token" -e BREAK="${BREAK:-}" \
    -e RATE="$RATE" -e START="$START" -e WARM="$WARM" -e HOLD="$HOLD" -e RECOVER="$RECOVER" -e FANS="$FANS" \
    -e P99_MS="$P99_MS" -e DROPPED_MAX="$DROPPED_MAX" k6/surge.js
