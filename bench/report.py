"""What was measured against which line: printed, and written to target/bench/report.json and report.md."""

import json
import os
import platform
import time

from harness import OUT


class Report:
    def __init__(self):
        self.rows = []
        self.failures = []

    def line(self, what, value, most, unit="", least=None, detail=""):
        """A figure that must be at most `most` (and at least `least`)."""
        kept = value <= most and (least is None or value >= least)
        wanted = f"<= {most:g}" if least is None else f"{least:g} to {most:g}"
        self._add(what, value, unit, wanted, kept, detail)

    def figure(self, what, value, unit="", detail=""):
        """A figure beside the lines."""
        self._add(what, value, unit, "", None, detail)

    def cannot(self, name, why):
        """A measurement that could not be made."""
        self.failures.append({"measurement": name, "why": str(why)})
        print(f"  {name}: could not be measured: {why}", flush=True)

    def _add(self, what, value, unit, wanted, kept, detail):
        row = {"what": what, "value": value, "unit": unit, "wanted": wanted, "kept": kept, "detail": detail}
        self.rows.append(row)
        verdict = {True: "kept", False: "MISSED", None: ""}[kept]
        print(f"  {what}: {shown(value)} {unit} {wanted and f'(line {wanted})'} {verdict} {detail}".rstrip(), flush=True)

    def write(self, arguments):
        """Writes both files; 0 when every line was kept, 1 when one was missed, 2 when one could not be measured."""
        machine = {
            "cores": os.cpu_count(), "kernel": platform.release(), "load_at_the_end": os.getloadavg(),
            "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "arguments": arguments,
        }
        document = {"machine": machine, "rows": self.rows, "not_measured": self.failures}
        (OUT / "report.json").write_text(json.dumps(document, indent=2) + "\n")
        text = ["| what | measured | line | | detail |", "|---|---|---|---|---|"]
        for row in self.rows:
            verdict = {True: "kept", False: "**missed**", None: ""}[row["kept"]]
            cells = (row["what"], f"{shown(row['value'])} {row['unit']}", row["wanted"], verdict, row["detail"])
            text.append("| " + " | ".join(cell.strip() for cell in cells) + " |")
        for failure in self.failures:
            text.append(f"| {failure['measurement']} | not measured | | **missing** | {failure['why']} |")
        text.append(f"\n{machine['at']}, {machine['cores']} cores, kernel {machine['kernel']}.")
        (OUT / "report.md").write_text("\n".join(text) + "\n")
        missed = [row["what"] for row in self.rows if row["kept"] is False]
        print(f"\nwritten to {OUT}/report.md and report.json")
        if missed:
            print("missed: " + "; ".join(missed))
        return 1 if missed else 2 if self.failures else 0


def shown(value):
    return f"{value:,}" if isinstance(value, int) else f"{value:,.3g}" if abs(value) < 100 else f"{value:,.0f}"
