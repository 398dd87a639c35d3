"""Reads a calendar file from standard input with a parser nobody here wrote; prints its entries as JSON."""

import json
import sys

import icalendar

file = icalendar.Calendar.from_ical(sys.stdin.buffer.read())
assert not file.errors, file.errors


def entry(event):
    assert not event.errors, event.errors
    said = {name.lower(): str(event[name]) for name in event if name not in ("DTSTAMP", "DTSTART", "DTEND")}
    times = {name.lower(): event.decoded(name).isoformat() for name in ("DTSTAMP", "DTSTART", "DTEND") if name in event}
    return said | times


print(json.dumps({"version": str(file["VERSION"]), "entries": [entry(event) for event in file.walk("VEVENT")]}))
