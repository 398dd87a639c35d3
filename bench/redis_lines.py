"""A line in Redis, through the store's own API: examples/redis_line in a fresh server for each run.

What is held against a line is free of what other processes took from the server meanwhile: of the script's time by the
server's clock and the CPU time of the server's thread, both of which are at least what the script takes, the lower.
"""

import json
import statistics
import subprocess

from harness import CannotMeasure, Redis, binary

# A tick must not hold a Redis that others use too for longer.
HELD_MAX_US = 2_000


def ask(what, append_only=True, rewrites=True):
    """One measurement of the example, in an empty server."""
    with Redis(f"redis-{what}", append_only, rewrites) as server:
        ran = subprocess.run([binary("redis_line", example=True), what, server.url],
                             capture_output=True, text=True, timeout=1_200)
    if ran.returncode != 0:
        raise CannotMeasure(f"redis_line {what}: {ran.stderr[-300:]}")
    return json.loads(ran.stdout)


def spread(us):
    return f"median {us['median'] / 1e3:.2f}, p99 {us['p99'] / 1e3:.2f}, largest {us['largest'] / 1e3:.2f} ms"


def joins(report, options):
    """A million joins of two edges in one Redis, which writes them down every second."""
    runs = [ask("joins")["seconds"] for _ in range(3 if options.quick else 5)]
    report.line("Redis: a million joins of two edges, 1,000 a tick", round(statistics.median(runs), 3), 3.0, "s",
                detail=f"median of {len(runs)}, the slowest {max(runs):.2f} s")


def pace(report, options):
    """A room of 10,000 visits at 200 ticks a second, and whether a longer line makes a tick dearer."""
    found = ask("pace")
    paced, flat = found["paced"], found["flat"]
    if paced["ticks_a_second"] < 190:
        raise CannotMeasure(f"only {paced['ticks_a_second']:.0f} ticks a second were made")
    report.line("Redis: a tick at 200/s with 10,000 visits, p99", round(paced["took_us"]["p99"] / 1e3, 2), 3.0, "ms",
                detail=f"median {paced['took_us']['median'] / 1e3:.2f} ms, largest {paced['took_us']['largest'] / 1e3:.1f} ms; "
                       f"of the server's CPU {spread(paced['busy_us'])}; "
                       f"{paced['entered_a_second']:.0f} entered a second, ten million in line")
    short = flat.pop("a thousand waiting")["script_us"]["median"]
    for name, ticks in flat.items():
        median = ticks["script_us"]["median"]
        report.line(f"Redis: a tick of a line of {name} beside a thousand waiting", round(median / short, 3), 1.5, "x",
                    detail=f"{median} us beside {short} us, medians of {ticks['ticks']:,} in turns; "
                           f"of the server's CPU {spread(ticks['busy_us'])}")


def full_ticks(report, options):
    """Full ticks of each kind: for how long the longest holds Redis."""
    # A server that begins to write its file anew forks, and whatever runs next pays for the pages that it then copies.
    for kind, ticks in ask("full", rewrites=False).items():
        report.line(f"Redis held by a tick: {kind}", ticks["at_most_us"]["largest"] / 1e3, HELD_MAX_US / 1e3, "ms",
                    detail=f"largest of {ticks['ticks']}; by the server's clock {spread(ticks['script_us'])}, "
                           f"of its CPU {spread(ticks['busy_us'])}")


def surge(report, options):
    """Ten thousand fans who all answer at the same moment: until all are heard, and until all are inside."""
    runs = [ask("surge") for _ in range(3 if options.quick else 5)]
    heard = statistics.median(run["heard_seconds"] for run in runs)
    report.line("Redis: ten thousand fans who answer at once, heard", round(heard, 3), 1.0, "s",
                detail=f"median of {len(runs)}; {runs[0]['ticks']} ticks until all are inside")
    inside = statistics.median(run["inside_seconds"] for run in runs)
    report.line("Redis: ten thousand fans who answer at once, inside", round(inside, 3), 3.0, "s",
                detail=f"{runs[0]['fans'] / inside:,.0f} admissions a second, entered and renewed; "
                       f"{statistics.median(run['busy_seconds'] for run in runs):.2f} s of the server's CPU")


def passing(report, options):
    """A million places that nobody holds: how soon the line has called whoever is behind them."""
    runs = [ask("passing") for _ in range(1 if options.quick else 3)]
    seconds = [run["seconds"] for run in runs]
    report.line("Redis: a million places that nobody holds, passed", round(statistics.median(seconds), 4), 1.0, "s",
                detail=f"median of {len(runs)}; no tick of it held Redis for more than "
                       f"{max(run['longest_tick_us'] for run in runs) / 1e3:.1f} ms")


def memory(report, options):
    """Ten million places, one in ten away, three million admitted: what the room takes in Redis without visits."""
    # Gigabytes of changes on a slow disk would hold up the server, and are not what is measured.
    found = ask("memory", append_only=False)
    report.line("Redis: memory of ten million places", round(found["bytes"] / 1e6, 3), 4.0, "MB",
                detail=f"{found['away']:,} away, {found['admitted']:,} admitted and gone; "
                       f"{found['bytes_before_admissions'] / 1e6:.2f} MB before the first admission")
