"""Seats, through the store's own API: examples/hold_rate on a fresh database for each engine, load and server on the same
cores. PostgreSQL writes its log down (fsync on), SQLite as it is shipped."""

import json
import os
import subprocess

from harness import CannotMeasure, binary

# Holds a second that are asked for: two seats of one hot showtime, 64 clients.
PAIRS_LEAST = {"postgres": 8_000, "sqlite": 4_000}
PLACES_LEAST = 4_000
NAMES = {"postgres": "PostgreSQL", "sqlite": "SQLite"}


def holds(report, options):
    """Two-seat holds, general admission, and the best available."""
    for engine in ("postgres", "sqlite"):
        ran = subprocess.run([binary("hold_rate", example=True), engine, "3" if options.quick else "8"],
                             capture_output=True, text=True, timeout=600, env={**os.environ, "BOOKING_FSYNC": "on"})
        if ran.returncode != 0:
            raise CannotMeasure(f"hold_rate {engine}: {ran.stderr[-300:]}")
        found = json.loads(ran.stdout)
        name = NAMES[engine]
        pairs, places = found["pairs_a_second"], found["places_a_second"]
        report.line(f"{name}: two-seat holds of 64 clients", round(pairs), 1e9, "/s", least=PAIRS_LEAST[engine],
                    detail=f"{found['pairs_refused_a_second']:.0f} refused a second")
        report.line(f"{name}: general admission, two places", round(places), 1e9, "/s", least=PLACES_LEAST,
                    detail=f"{found['places_refused_a_second']:.0f} refused a second")
        alone = found["best_four_alone_ms"]
        report.line(f"{name}: the best four of 20,000 seats, alone, p99", round(alone["p99"], 2), 15, "ms",
                    detail=f"median {alone['median']:.2f} ms, largest {alone['largest']:.1f} ms")
        report.line(f"{name}: the best four, refused of 160 rivals", found["of_160_rivals_refused"], 8, "",
                    detail=f"all within {found['rivals_took_ms']:.0f} ms")
