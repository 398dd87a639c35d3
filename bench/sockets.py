"""Waiting sockets: their memory, what a push to everyone costs, and whether the memory comes back, five rounds long."""

import json
import subprocess
import time

from harness import CannotMeasure, Edge, Nginx, Process, binary

SOCKETS = 15_000
ROUNDS = 5
# One to everyone each second, so often; the notice is what the operator tells everyone in line.
PUSHES = 10
# Pushed frames to those far back come late and spread out: so long until nine in ten have all of them.
FRAMES_WITHIN_S = 60
# A fan who is gone is remembered for `away_after` (30 s), and the allocator hands pages back within ten more.
GIVEN_BACK_AFTER_S, GIVEN_BACK_WITHIN_S = 42, 60


class Holder(Process):
    """examples/hold_sockets: open sockets on one side, figures on request."""

    def __init__(self, edge, sockets):
        arguments = [binary("hold_sockets", example=True), "--edge", f"127.0.0.1:{edge.port}", "--room", "bench"]
        arguments += ["--sockets", str(sockets)]
        super().__init__("hold-sockets", arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        opened = self.read()
        if opened["open"] != sockets:
            self.__exit__()
            raise CannotMeasure(f"only {opened['open']} of {sockets} sockets were opened: {self.tail()}")

    def read(self):
        line = self.child.stdout.readline()
        if not line:
            raise CannotMeasure(f"the holder of the sockets ended: {self.tail()}")
        return json.loads(line)

    def frames(self):
        self.child.stdin.write(b"\n")
        self.child.stdin.flush()
        counts = self.read()
        if counts["closed_by_edge"]:
            raise CannotMeasure(f"the edge closed {counts['closed_by_edge']} sockets")
        return counts["frames"]

    def leave(self):
        self.child.stdin.close()
        self.child.wait(60)


def settled(process, least_s, most_s):
    """Its memory once it has stopped falling, and after how long."""
    began, last, at = time.monotonic(), process.memory_bytes(), 0.0
    while (gone := time.monotonic() - began) < most_s:
        time.sleep(1)
        now = process.memory_bytes()
        if now < last - 256 * 1024:
            last, at = now, gone
        elif gone > least_s and gone - at > 8:
            break
    return min(last, process.memory_bytes())


def push(edge, holder, sockets):
    """Tells everyone something new each second; CPU a frame in microseconds, and how many frames came."""
    frames, cpu = holder.frames(), edge.cpu_us()
    for number in range(PUSHES):
        edge.admin("PATCH", "/api/v1/rooms/bench", {"notice": f"Doors open in {PUSHES - number} minutes."})
        time.sleep(1)
    deadline = time.monotonic() + FRAMES_WITHIN_S
    while (came := holder.frames() - frames) < 0.9 * PUSHES * sockets and time.monotonic() < deadline:
        time.sleep(0.5)
    if came < 2 * sockets:
        raise CannotMeasure(f"{PUSHES} notices to {sockets} sockets brought only {came} frames")
    return (edge.cpu_us() - cpu) / came, came


def run(report, options):
    """15,000 sockets that wait: opened, told ten things, closed; five times over."""
    sockets, rounds = (3_000, 2) if options.quick else (SOCKETS, ROUNDS)
    with Nginx("origin") as origin, Edge("edge-sockets", origin.origin_port, "on", 500, 0) as edge:
        edge.warm_up()
        rest = settled(edge, 2, 15)
        held, left, push_us = [], [], []
        for _ in range(rounds):
            with Holder(edge, sockets) as holder:
                time.sleep(3)
                held.append(edge.memory_bytes())
                cost, frames = push(edge, holder, sockets)
                push_us.append(cost)
                holder.leave()
            left.append(settled(edge, GIVEN_BACK_AFTER_S, GIVEN_BACK_WITHIN_S))
    each = (held[0] - rest) / sockets
    mb = [f"{value / 1e6:.0f}" for value in (rest, *held)]
    report.line("memory of a waiting socket", round(each), 3_000, "bytes",
                detail=f"{sockets:,} sockets; {mb[0]} MB at rest, {', '.join(mb[1:])} MB held in {rounds} rounds")
    report.line("CPU of a pushed frame", round(sorted(push_us)[rounds // 2], 2), 10, "us",
                detail=f"median of {rounds} rounds, {frames:,} frames in the last")
    kept = (left[-1] - rest) / (held[0] - rest)
    report.line("of that memory kept after they left", round(kept, 3), 0.35, "x",
                detail=f"{', '.join(f'{value / 1e6:.0f}' for value in left)} MB after each round")
    report.line("memory held in the last round beside the first", round(held[-1] / held[0], 3), 1.1, "x")
