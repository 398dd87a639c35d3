"""Rehearsals: a large crowd at a fixed rate, and a room whose limit is what holds the line."""

import json
import subprocess

from harness import OUT, ROOT, CannotMeasure, Edge, Nginx, binary, files_to_the_limit


def rehearse(edge, *arguments, seconds):
    """The findings of one rehearsal, whether it kept every promise or not."""
    command = [binary("tidegate"), "rehearse", "--url", f"http://127.0.0.1:{edge.port}", "--room", "bench", "--json",
               "--quiet", "--timeout", f"{seconds}s", *arguments]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=seconds + 120,
                         preexec_fn=files_to_the_limit)
    (OUT / f"{edge.name}.json").write_text(ran.stdout)
    if ran.returncode not in (0, 1):
        raise CannotMeasure(f"the rehearsal did not come to its end ({ran.returncode}): {ran.stderr[-400:]}")
    return json.loads(ran.stdout)["findings"]


def broken(findings):
    """The promises that were; raises where the two that matter most could not be looked at."""
    verdicts = {finding["promise"]: finding["verdict"] for finding in findings["promises"]}
    for promise in ("admitted_in_order", "within_limit"):
        if verdicts[promise] == "unchecked":
            raise CannotMeasure(f"the rehearsal could not check {promise}")
    return [promise for promise, verdict in verdicts.items() if verdict == "broken"]


def promises(report, name, findings):
    names = broken(findings)
    report.line(f"{name}: promises broken", len(names), 0, detail=", ".join(names) or f"seen: {findings['fans']}")


def at_a_rate(report, options):
    """15,000 fans at 500 admissions a second, three in ten of them silent when called."""
    # They arrive at three times the rate, so that the burst is spent within the first second and the rate alone holds
    # the line from then on.
    fans, rate = (3_000, 200) if options.quick else (15_000, 500)
    with Nginx("origin") as origin, Edge("edge-rate", origin.origin_port, "on", fans, rate * 60) as edge:
        findings = rehearse(edge, "--fans", str(fans), "--over", f"{fans // rate // 3}s", "--stay", "3s", "--no-shows", "30%",
                            "--limit", str(fans), "--rate", f"{rate}/s", seconds=240)
    name = f"{fans:,} fans at {rate}/s, 30 % silent"
    promises(report, name, findings)
    report.line(f"{name}: admissions", round(findings["admissions_per_s"], 2), rate * 1.02, "/s", least=rate * 0.98,
                detail=f"{findings['admissions']:,} admitted, own lag at most {findings['own_lag_max_ms']:.0f} ms")


def at_the_limit(report, options):
    """A room that is always full: how soon a slot that comes free is somebody's token."""
    fans, limit = (1_500, 150) if options.quick else (12_000, 800)
    with Nginx("origin") as origin, Edge("edge-limit", origin.origin_port, "on", limit, 600_000) as edge:
        findings = rehearse(edge, "--fans", str(fans), "--over", "10s", "--stay", "2s", "--limit", str(limit),
                            "--rate", "600000/min", seconds=240)
    name = f"{fans:,} fans, limit {limit}"
    promises(report, name, findings)
    if findings["slot_to_token"] is None:
        raise CannotMeasure(f"{name}: the limit did not bind")
    times = findings["slot_to_token"]
    report.line(f"{name}: free slot to token, p99", round(times["p99_ms"], 1), 250, "ms",
                detail=f"p50 {times['p50_ms']:.1f} ms, {times['samples']:,} measured, "
                       f"most live visits {findings['live_visits_max']}")
