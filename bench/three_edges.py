"""One line at three edges: 45,000 sockets that wait in it at once, and then the line moves.

A process may have 20,000 open files on most machines, so there are three edges with 15,000 sockets each, and three
rehearsals that send 15,000 fans each, spread over all three edges. While they gather nobody is admitted; then the rate is
raised at one edge, and everyone has to get in, in order.
"""

import contextlib
import json
import subprocess
import time

from crowds import broken
from harness import OUT, CannotMeasure, Edge, Nginx, Process, Redis, binary, memory_free_bytes
from sockets import settled

EDGES = CROWDS = 3
FANS_EACH = 15_000
# They arrive over this, are all in line within that, and have all been inside within the last; each is given up after it.
OVER_S, GATHER_WITHIN_S, MOVE_WITHIN_S = 90, 300, 420
# 45,000 fans at this rate take two minutes and a half, on cores that play the fans as well.
RATE_PER_S, STAY_S, LIMIT = 300, 2, 3_000
# What serving the pages took, the allocator hands back within ten seconds: what is held then is what waiting takes.
AT_REST_AFTER_S, AT_REST_WITHIN_S = 15, 60
# A rehearsed fan takes some 60 kB of the process that plays them, so the crowds need 3 GB; below the second figure while
# they run, everything is stopped.
FREE_BEFORE_BYTES, FREE_DURING_BYTES = 8 << 30, 2 << 30


class Crowd(Process):
    """One rehearsal beside others: it ends when all of its fans have been inside."""

    def __init__(self, number, edges, fans, over_s):
        self.report = OUT / f"three-edges-crowd-{number}.json"
        arguments = [binary("tidegate"), "rehearse", "--room", "bench", "--fans", str(fans), "--over", f"{over_s}s"]
        arguments += ["--stay", f"{STAY_S}s", "--limit", str(LIMIT), "--rate", f"{RATE_PER_S}/s", "--json"]
        arguments += ["--seed", str(number), "--timeout", f"{GATHER_WITHIN_S + AT_REST_WITHIN_S + MOVE_WITHIN_S}s"]
        for edge in edges:
            arguments += ["--url", f"http://127.0.0.1:{edge.port}"]
        with open(self.report, "wb") as report:
            super().__init__(f"three-edges-crowd-{number}", arguments, stdout=report)

    def findings(self):
        if self.child.returncode not in (0, 1):
            raise CannotMeasure(f"{self.name} did not come to its end ({self.child.returncode}): {self.tail()}")
        return json.loads(self.report.read_text())["findings"]


def figure(edges, name):
    """The series of the room, or of the edge, at each edge."""
    series = name if name == "tidegate_sockets" else f'{name}{{room="bench"}}'
    return [int(edge.metrics().get(series, 0)) for edge in edges]


def until(what, within_s, crowds, done):
    """Waits for `done`, as long as memory lasts and nobody has ended before the time."""
    deadline = time.monotonic() + within_s
    while not done():
        if memory_free_bytes() < FREE_DURING_BYTES:
            raise CannotMeasure(f"less than {FREE_DURING_BYTES >> 30} GiB of memory were left before {what}")
        if time.monotonic() > deadline:
            raise CannotMeasure(f"not within {within_s} s: {what}")
        for crowd in crowds:
            if crowd.child.poll() not in (None, 0, 1):
                raise CannotMeasure(f"{crowd.name} ended before {what}: {crowd.tail()}")
        time.sleep(0.5)


def slow_ticks(edges):
    """Ticks that took longer than 0.3 s. The crowds allow an edge a quarter of a second and what they see of delays on
    their own sockets; ticks that take longer, on a machine that is busy with other things, look like overtaking."""
    series = 'tidegate_tick_seconds_{}{{room="bench"{}}}'
    counts = ((edge.metrics(), series.format("count", ""), series.format("bucket", ',le="0.3"')) for edge in edges)
    return sum(int(metrics[every] - metrics[quick]) for metrics, every, quick in counts)


def nobody_waits(edges):
    return not any(figure(edges, "tidegate_room_waiting")) and not any(figure(edges, "tidegate_sockets"))


def run(report, options):
    """45,000 sockets that wait at three edges in one line, which then moves."""
    fans, over_s = (1_000, 10) if options.quick else (FANS_EACH, OVER_S)
    crowd = fans * CROWDS
    if memory_free_bytes() < FREE_BEFORE_BYTES:
        raise CannotMeasure(f"less than {FREE_BEFORE_BYTES >> 30} GiB of memory are free")
    with contextlib.ExitStack() as stack:
        origin, redis = stack.enter_context(Nginx("origin")), stack.enter_context(Redis("redis-three-edges"))
        edges = []
        for number in range(EDGES):
            edge = Edge(f"edge-three-{number}", origin.origin_port, "on", LIMIT, 0, redis.url, edges[0] if edges else None)
            edges.append(stack.enter_context(edge))
        for edge in edges:
            edge.warm_up()
        until("those of the warm-up are gone", 120, [], lambda: nobody_waits(edges))
        rest = [settled(edge, 2, 15) for edge in edges]
        issued = max(figure(edges, "tidegate_room_issued_total"))
        crowds = [stack.enter_context(Crowd(number, edges, fans, over_s)) for number in range(CROWDS)]
        gathering = time.monotonic()
        until("all are waiting", GATHER_WITHIN_S, crowds, lambda: (
            sum(figure(edges, "tidegate_sockets")) == crowd and figure(edges, "tidegate_room_waiting") == [crowd] * EDGES))
        gathered_s = time.monotonic() - gathering
        settled(edges[0], AT_REST_AFTER_S, AT_REST_WITHIN_S)
        sockets, waiting = figure(edges, "tidegate_sockets"), figure(edges, "tidegate_room_waiting")
        held = [edge.memory_bytes() - at_rest for edge, at_rest in zip(edges, rest)]
        line_bytes = redis.memory_bytes()
        edges[0].admin("PATCH", "/api/v1/rooms/bench", {"admit_per_min": RATE_PER_S * 60})
        moving = time.monotonic()
        until("all have been inside", MOVE_WITHIN_S, crowds, lambda: all(c.child.poll() is not None for c in crowds))
        moved_s = time.monotonic() - moving
        slow = slow_ticks(edges)
        given = [count - issued for count in figure(edges, "tidegate_room_issued_total")]
        found = [crowd.findings() for crowd in crowds]
    name = f"{crowd:,} sockets at {EDGES} edges"
    report.line(f"{name}: waiting at once", sum(sockets), crowd, least=crowd,
                detail=f"{', '.join(f'{count:,}' for count in sockets)}; all in line {gathered_s:.0f} s after the first came")
    report.line(f"{name}: in line by the figures of every edge", min(waiting), crowd, least=crowd,
                detail=f"{max(waiting):,} at most")
    report.line(f"{name}: places given", max(given), crowd, least=crowd, detail="one for each fan, by the store's count")
    # The bound on a waiting socket is measured by itself, in `sockets`: these fans have asked for pages as well.
    report.figure(f"{name}: memory of a socket", round(sum(held) / crowd), "bytes",
                  detail=f"{', '.join(f'{value / 1e6:.0f}' for value in held)} MB beyond rest; Redis {line_bytes / 1e6:.0f} MB")
    names = sorted({promise for findings in found for promise in broken(findings)})
    report.line(f"{name}: promises broken", len(names), 0,
                detail=f"{', '.join(names) or 'in the eyes of all three crowds'}; {slow} ticks took more than 0.3 s")
    left, lost = (sum(findings["fans"][what] for findings in found) for what in ("left", "lost"))
    report.line(f"{name}: got in and left", left, crowd, least=crowd, detail=f"{lost} lost")
    speed = [findings["admissions_per_s"] or 0 for findings in found]
    report.line(f"{name}: admissions", round(sum(speed), 1), RATE_PER_S * 1.02, "/s", least=RATE_PER_S * 0.9,
                detail=f"{', '.join(f'{value:.0f}' for value in speed)} of each crowd; {moved_s:.0f} s in all")
