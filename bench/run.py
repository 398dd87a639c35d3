#!/usr/bin/env python3
"""Measures the edge and holds it against the project's lines; `make bench` brings what this needs.

Everything compared is compared in one run, in turns, and only ratios and medians count. Exits 0 when every line was
kept, 1 when one was missed, 2 when something could not be measured. Python's standard library only.
"""

import argparse
import json
import statistics
import subprocess
import sys

import booking
import crowds
import pages
import redis_lines
import shop
import sockets
import three_edges
from harness import OUT, ROOT, CannotMeasure, binary
from report import Report


def joins(report, options):
    """A million joins through the embedded store's API, journal included."""
    runs = []
    for _ in range(3 if options.quick else 5):
        ran = subprocess.run([binary("million_joins", example=True), "100"], capture_output=True, text=True, timeout=600)
        if ran.returncode != 0:
            raise CannotMeasure(ran.stderr[-300:])
        runs.append(json.loads(ran.stdout)["seconds"])
    report.line("a million joins, 100 a tick", round(statistics.median(runs), 3), 1.0, "s",
                detail=f"median of {len(runs)}, journaled")


MEASUREMENTS = {
    "joins": joins,
    "admitted": pages.admitted,
    "waiting": pages.waiting,
    "sockets": sockets.run,
    "rate": crowds.at_a_rate,
    "limit": crowds.at_the_limit,
    "three-edges": three_edges.run,
    "booking": booking.holds,
    "shop": shop.run,
    "redis-joins": redis_lines.joins,
    "redis-pace": redis_lines.pace,
    "redis-ticks": redis_lines.full_ticks,
    "redis-surge": redis_lines.surge,
    "redis-passing": redis_lines.passing,
    "redis-memory": redis_lines.memory,
}

# One call, so that all are built with the same features and nothing twice.
BUILDS = (
    ["-p", "tidegate", "-p", "tidegate-proxy", "-p", "tidegate-queue", "--bin", "tidegate"]
    + ["--example", "hold_sockets", "--example", "bare_pingora", "--example", "million_joins", "--example", "redis_line"]
    + ["-p", "tidegate-booking", "--example", "hold_rate"],
)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", help=f"some of: {','.join(MEASUREMENTS)}")
    parser.add_argument("--turns", type=int, default=7, help="turns of each of two that are compared (7)")
    parser.add_argument("--seconds", type=int, default=4, help="length of a turn (4)")
    parser.add_argument("--quick", action="store_true", help="small crowds, few turns: to try the harness, not to judge")
    parser.add_argument("--no-build", action="store_true", help="measure what is built")
    given = parser.parse_args()
    if given.quick:
        given.turns, given.seconds = 3, 2
    given.chosen = given.only.split(",") if given.only else list(MEASUREMENTS)
    if unknown := [name for name in given.chosen if name not in MEASUREMENTS]:
        parser.error(f"--only: there is no {', '.join(unknown)}")
    return given


def main():
    options = arguments()
    OUT.mkdir(parents=True, exist_ok=True)
    if not options.no_build:
        print("building with the release profile", flush=True)
        for build in BUILDS:
            subprocess.run(["cargo", "build", "--quiet", "--release", *build], cwd=ROOT, check=True)
    report = Report()
    for name in options.chosen:
        print(f"{name}: {MEASUREMENTS[name].__doc__.strip()}",
              flush=True)
        try:
            MEASUREMENTS[name](report, options)
        except (CannotMeasure, OSError, subprocess.SubprocessError) as why:
            report.cannot(name, why)
    return report.write(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
