"""The booking service as its users meet it: over HTTP, in front of PostgreSQL, with the load on the same cores."""

import concurrent.futures
import contextlib
import gzip
import json
import random
import selectors
import shutil
import socket
import subprocess
import threading
import time

from harness import OUT, CannotMeasure, Postgres, Process, binary, free_ports, get, wrk

JSON = {"Content-Type": "application/json", "Accept": "application/json"}
PASSWORD = "correct horse battery"
# A fan may have 100 seats of an event, so there are enough fans for all seats that are held at once.
FANS = 256
# Holds last a second. In the big house one seat in ten is then taken, so most calls are holds and not refusals.
BIG = {"rows": 1_000, "seats": 100}
HOUSE = {"rows": 200, "seats": 100}
LISTENERS, CHANGES = 5_000, 10


class Booking(Process):
    """`tidegate booking` on a database."""

    def __init__(self, name, database_url, hold_ttl="1s"):
        self.port, = free_ports(1)
        folder = OUT / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        self.config = folder / "booking.toml"
        self.config.write_text(
            f'[booking]\nlisten = "127.0.0.1:{self.port}"\ndatabase_url = "{database_url}"\nhold_ttl = "{hold_ttl}"\n'
            "max_seats_per_fan = 100\nrequire_admission = false\n")
        self.data = ["--config", str(self.config), "--data-dir", str(folder / "data")]
        super().__init__(name, [binary("tidegate"), "booking", *self.data], env={"TIDEGATE_LOG": "warn"})
        try:
            self.wait_for(self.port, "/events?limit=1")
        except BaseException:
            self.__exit__()
            raise

    def call(self, method, path, body, token=None):
        headers = {**JSON, **({"Authorization": f"Bearer {token}"} if token else {})}
        status, _, answer = get(self.port, path, headers, method, json.dumps(body))
        if status >= 300:
            raise CannotMeasure(f"{method} {path}: {status} {answer[:300]!r}")
        return json.loads(answer)

    def sign_up(self, name):
        return self.call("POST", "/signup", {"username": name, "password": PASSWORD})["user_token"]

    def showtime(self, organiser, name, rows, seats):
        """A new house with one showtime next year."""
        venue = self.call("POST", "/venues", {
            "name": name, "city": "Chico", "country": "United States", "time_zone": "UTC", "currency": "USD",
            "sections": [{"name": "Stalls", "level": 1, "rows": [
                {"label": f"R{row}", "seats": seats} for row in range(1, rows + 1)]}]}, organiser)
        year = time.gmtime().tm_year + 1
        event = self.call("POST", "/events", {
            "venue": venue["id"], "category": "concert", "title": name, "credit": "", "description": "A rush.",
            "prices": [{"level": 1, "amount": 5000}], "showtimes": [{"starts_at": f"{year}-06-01T20:00"}]}, organiser)
        return event["showtimes"][0]["id"]


@contextlib.contextmanager
def opened(fans):
    """A shop with two houses and so many fans: the service, its database, the showtimes, the user tokens."""
    with Postgres("postgres-shop") as database, Booking("booking", database.url) as booking:
        organiser = booking.sign_up("organiser")
        subprocess.run([binary("tidegate"), "booking", "grant", "--username", "organiser", "--role", "organiser", *booking.data[:2]],
                       check=True, capture_output=True)
        big = booking.showtime(organiser, "The big house", **BIG)
        house = booking.showtime(organiser, "The house", **HOUSE)
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            tokens = list(pool.map(lambda number: booking.sign_up(f"fan-{number}"), range(fans)))
        yield booking, database, big, house, tokens


def rest_memory(report, process):
    """Its memory a moment after it began, with the sample catalogue in it."""
    time.sleep(5)
    report.line("booking service at rest", round(process.memory_bytes("VmRSS") / 1e6, 1), 60, "MB",
                detail=f"{process.memory_bytes() / 1e6:.0f} MB of it without the binary's own pages")


def holds(report, booking, showtime, tokens, seconds):
    """Two-seat holds of 64 clients, each by one of many fans."""
    file = OUT / "tokens.txt"
    file.write_text("".join(f"{token}\n" for token in tokens))
    rates = []
    for _ in range(3):
        found = wrk(booking.port, seconds, script="holds.lua", path="/reserve", tokens=file, showtime=showtime, **BIG)
        rates.append((found["held"] / (found["us"] / 1e6), found))
    rate, found = sorted(rates, key=lambda pair: pair[0])[1]
    report.line("HTTP: two-seat holds of 64 clients", round(rate), 1e9, "/s", least=3_000,
                detail=f"median of three; {found['taken']} of {found['requests']} calls refused; "
                       f"p50 {found['p50_us'] / 1e3:.1f} ms, p99 {found['p99_us'] / 1e3:.1f} ms")


def fill(other, showtime, tokens):
    """Nearly half of the house is held, here and there, through an instance that holds for an hour."""
    dice = random.Random(1)
    free = [f"R{row}-{seat}" for row in range(1, HOUSE["rows"] + 1) for seat in range(11, HOUSE["seats"] + 1)]
    dice.shuffle(free)
    for number in range(len(tokens) * 2):
        seats = free[number * 40:number * 40 + 40]
        if seats and number * 40 < len(free) // 2:
            other.call("POST", "/reserve", {"showtime": showtime, "seats": seats}, tokens[number % len(tokens)])


def document(report, booking, showtime, tokens, seconds):
    """The seats of 20,000, nearly half of them held, asked for while some of them change."""
    ended = threading.Event()

    def keep_changing():
        turn = 0
        while not ended.wait(0.05):
            turn += 1
            row = turn % HOUSE["rows"] + 1
            seats = [f"R{row}-{seat}" for seat in range(1, 11)]
            booking.call("POST", "/reserve", {"showtime": showtime, "seats": seats}, tokens[turn % len(tokens)])

    changing = threading.Thread(target=keep_changing)
    changing.start()
    try:
        time.sleep(1.5)
        path = f"/showtimes/{showtime}/seats"
        _, headers, packed = get(booking.port, path, {"Accept-Encoding": "gzip"})
        if dict(headers).get("content-encoding") != "gzip":
            raise CannotMeasure("the seats came unpacked")
        found = wrk(booking.port, seconds, headers=["Accept-Encoding: gzip"], connections=16, path=path)
    finally:
        ended.set()
        changing.join()
    report.line("seats of 20,000, compressed", len(packed), 60_000, "bytes", detail=f"{len(gzip.decompress(packed)):,} plain")
    report.line("seats of 20,000, p99", round(found["p99_us"] / 1e3, 2), 20, "ms",
                detail=f"{found['requests'] / (found['us'] / 1e6):,.0f} answers a second to 16 clients")


class Listeners:
    """Open streams of one showtime, read as fast as they can be."""

    def __init__(self, port, showtime, count):
        self.selector, self.sockets = selectors.DefaultSelector(), []
        ask = f"GET /showtimes/{showtime}/seats/stream HTTP/1.1\r\nhost: x\r\n\r\n".encode()
        for _ in range(count):
            one = socket.create_connection(("127.0.0.1", port), 30)
            one.sendall(ask)
            self.sockets.append(one)
        for one in self.sockets:
            seen = b""
            while b"\nevent: seats" not in seen:
                part = one.recv(65536)
                if not part:
                    raise CannotMeasure(f"a stream ended: {seen[:200]!r}")
                seen += part
            one.setblocking(False)
            self.selector.register(one, selectors.EVENT_READ)

    def hear(self, since):
        """How late each heard of a change, in milliseconds."""
        waiting, late = {one.fileno() for one in self.sockets}, []
        deadline = time.monotonic() + 20
        while waiting:
            if time.monotonic() > deadline:
                raise CannotMeasure(f"{len(waiting)} listeners were told nothing within 20 s")
            for key, _ in self.selector.select(1):
                if b"\nevent: change" in key.fileobj.recv(65536) and key.fd in waiting:
                    waiting.remove(key.fd)
                    late.append((time.monotonic() - since) * 1e3)
        return late

    def close(self):
        self.selector.close()
        for one in self.sockets:
            one.close()


def listeners(report, booking, other, showtime, tokens, count):
    """So many streams of one showtime on one instance, and changes made on another."""
    streams = Listeners(booking.port, showtime, count)
    try:
        late = []
        for turn in range(CHANGES):
            time.sleep(1)
            seats = [f"R{turn + 1}-1", f"R{turn + 1}-2"]
            began = time.monotonic()
            other.call("POST", "/reserve", {"showtime": showtime, "seats": seats}, tokens[-1 - turn])
            late += streams.hear(began)
    finally:
        streams.close()
    late.sort()
    report.line(f"{count:,} listeners hear of a hold on another instance, p99", round(late[len(late) * 99 // 100]), 300, "ms",
                detail=f"median {late[len(late) // 2]:.0f} ms, last {late[-1]:.0f} ms, {CHANGES} changes")


def run(report, options):
    """The booking service over HTTP: memory at rest, holds, the seats of a big house, and those who watch them."""
    seconds, fans, count = (3, 64, 500) if options.quick else (8, FANS, LISTENERS)
    with Postgres("postgres-rest") as database, Booking("booking-rest", database.url) as booking:
        rest_memory(report, booking)
    with opened(fans) as (booking, database, big, house, tokens):
        holds(report, booking, big, tokens, seconds)
        with Booking("booking-2", database.url, hold_ttl="1h") as other:
            fill(other, house, tokens)
            document(report, booking, house, tokens, seconds)
            # The last hold of those that kept changing ends by itself, and its news are out.
            time.sleep(2)
            listeners(report, booking, other, house, tokens, count)
