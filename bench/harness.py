"""Processes under measurement: started on free ports, read through /proc, stopped by their id."""

import http.client
import json
import os
import pathlib
import resource
import shutil
import signal
import socket
import subprocess
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
OUT = ROOT / "target" / "bench"
TICKS_PER_S = os.sysconf("SC_CLK_TCK")
TOKEN = "bench-bench-bench-bench"


class CannotMeasure(Exception):
    """Something that had to be there first was not; no line is judged by it."""


def free_ports(count):
    """Ports that nobody listens on now. Held together, so that no two are alike."""
    held = [socket.socket() for _ in range(count)]
    try:
        for one in held:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in held]
    finally:
        for one in held:
            one.close()


def binary(name, example=False):
    path = TARGET / "release" / ("examples" if example else "") / name
    if not path.exists():
        raise CannotMeasure(f"{path} is not built")
    return str(path)


def files_to_the_limit():
    """Soft to hard: 15,000 sockets need as many open files, on both sides."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


class Process:
    """A child with a log. Use it in `with`: it is gone afterwards, whatever happened."""

    def __init__(self, name, arguments, env=None, folder=None, stdin=None, stdout=None):
        self.log = OUT / f"{name}.log"
        self.name = name
        self.output = open(self.log, "wb")
        self.child = subprocess.Popen(
            arguments,
            cwd=folder or ROOT,
            env={**os.environ, **(env or {})},
            stdin=stdin or subprocess.DEVNULL,
            stdout=stdout or self.output,
            stderr=self.output,
            preexec_fn=files_to_the_limit,
        )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.child.poll() is None:
            self.child.send_signal(signal.SIGINT)
            try:
                self.child.wait(15)
            except subprocess.TimeoutExpired:
                self.child.kill()
                self.child.wait()
        self.output.close()

    @property
    def pid(self):
        return self.child.pid

    def wait_for(self, port, path=None, seconds=30):
        """Until it accepts connections, and answers `path` with 200 where one is given."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if self.child.poll() is not None:
                raise CannotMeasure(f"{self.name} ended at once: {self.tail()}")
            try:
                if path is None:
                    socket.create_connection(("127.0.0.1", port), 1).close()
                    return
                if get(port, path)[0] == 200:
                    return
            except OSError:
                pass
            time.sleep(0.05)
        raise CannotMeasure(f"{self.name} did not answer within {seconds} s: {self.tail()}")

    def tail(self):
        return self.log.read_text(errors="replace")[-600:]

    def cpu_us(self):
        """CPU of all its threads since it started, user and system."""
        fields = pathlib.Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) * 1_000_000 // TICKS_PER_S

    def memory_bytes(self, kind="RssAnon"):
        """Its own memory in RAM: anonymous pages, without the binary's and without the kernel's socket buffers. With
        `VmRSS`, all of its pages in RAM."""
        for line in pathlib.Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith(f"{kind}:"):
                return int(line.split()[1]) * 1024
        raise CannotMeasure(f"this kernel does not tell {kind}")


def memory_free_bytes():
    """What this machine could still give to processes without taking it from others."""
    for line in pathlib.Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    raise CannotMeasure("this kernel does not tell MemAvailable")


def get(port, path="/", headers=None, method="GET", body=None):
    """One request: status, headers as a list, body."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request(method, path, body=body, headers=headers or {})
        answer = connection.getresponse()
        return answer.status, answer.getheaders(), answer.read()
    finally:
        connection.close()


class Edge(Process):
    """`tidegate proxy` with bench/edge.toml, a fresh data directory and the figures given.

    With `store`, a URL, the line lives there; `like` is another edge of it, whose keys this one has too."""

    def __init__(self, name, origin_port, mode, active_max, admit_per_min, store=None, like=None):
        self.port, self.admin_port = free_ports(2)
        self.folder = folder = OUT / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        config = folder / "edge.toml"
        config.write_text(filled("edge.toml", {
            "PORT": self.port, "ADMIN_PORT": self.admin_port, "DATA": folder / "data", "ORIGIN_PORT": origin_port,
            "MODE": mode, "ACTIVE_MAX": active_max, "ADMIT_PER_MIN": admit_per_min,
        }))
        if like is not None:
            (folder / "data").mkdir()
            # With its mode: keys that others may read are refused.
            shutil.copy(like.folder / "data" / "keys.json", folder / "data" / "keys.json")
        env = {"TIDEGATE_ADMIN_TOKEN": TOKEN, "TIDEGATE_LOG": "warn"}
        if store is not None:
            env["TIDEGATE_STORE_URL"] = store
        super().__init__(name, [binary("tidegate"), "proxy", "--config", str(config)], env=env)
        try:
            self.wait_for(self.admin_port, "/ready")
        except BaseException:
            self.__exit__()
            raise

    def admin(self, method, path, change=None):
        headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
        body = None if change is None else json.dumps(change)
        status, _, answer = get(self.admin_port, path, headers, method, body)
        if status >= 300:
            raise CannotMeasure(f"{method} {path}: {status} {answer[:200]!r}")
        return json.loads(answer) if answer else None

    def metrics(self):
        """Every series by its name and labels as they are written."""
        status, _, text = get(self.admin_port, "/metrics", {"Authorization": f"Bearer {TOKEN}"})
        if status != 200:
            raise CannotMeasure(f"/metrics: {status}")
        pairs = (line.rpartition(" ") for line in text.decode().splitlines() if not line.startswith("#"))
        return {name: float(value) for name, _, value in pairs}

    def warm_up(self):
        """A few of everything, so that what is set up once is not counted."""
        for _ in range(200):
            get(self.port, "/", {"Accept": "text/html", "Accept-Encoding": "gzip"})
        time.sleep(1)


class Nginx(Process):
    """bench/nginx.conf: the site, and the waiting page as a file where its bytes are given."""

    def __init__(self, name="nginx", page=b"", headers=()):
        nginx = shutil.which("nginx", path=os.environ["PATH"] + ":/usr/sbin")
        if nginx is None:
            raise CannotMeasure("nginx is not installed")
        self.page_port, self.origin_port = free_ports(2)
        folder = OUT / name
        shutil.rmtree(folder, ignore_errors=True)
        for part in ("page", "site", "tmp"):
            (folder / part).mkdir(parents=True)
        # Started by root, nginx would serve as a user who may not look into this folder.
        user = "user root;\n" if os.geteuid() == 0 else ""
        ports = {"PAGE_PORT": self.page_port, "ORIGIN_PORT": self.origin_port}
        (folder / "nginx.conf").write_text(user + filled("nginx.conf", ports))
        (folder / "headers.conf").write_text("".join(f'add_header {k} {quoted(v)};\n' for k, v in headers))
        (folder / "page" / "page").write_bytes(page)
        (folder / "site" / "answer").write_bytes(b"you are in\n" * 93)
        super().__init__(name, [nginx, "-p", str(folder), "-c", "nginx.conf"])
        self.wait_for(self.origin_port)


class Redis(Process):
    """A server of its own, empty; it writes down what it is told each second, as a line's store should."""

    def __init__(self, name, append_only=True, rewrites=True):
        server = shutil.which("redis-server")
        if server is None:
            raise CannotMeasure("redis-server is not installed")
        port, = free_ports(1)
        self.url = f"redis://127.0.0.1:{port}"
        # Not under target: what it writes is big, and of no use afterwards.
        self.data = tempfile.TemporaryDirectory(prefix="tidegate-bench-")
        super().__init__(name, [
            server, "--port", str(port), "--bind", "127.0.0.1", "--dir", self.data.name, "--save", "",
            "--appendonly", "yes" if append_only else "no", "--appendfsync", "everysec", "--maxmemory-policy", "noeviction",
            *([] if rewrites else ["--auto-aof-rewrite-percentage", "0"]),
        ])
        try:
            self.wait_for(port)
        except BaseException:
            self.__exit__()
            raise

    def __exit__(self, *reason):
        super().__exit__(*reason)
        self.data.cleanup()


class Postgres(Process):
    """A server of its own, empty, on a socket; what it commits is written down."""

    def __init__(self, name):
        self.data = tempfile.TemporaryDirectory(prefix="tidegate-bench-")
        folder = pathlib.Path(self.data.name)
        # It does not run as root.
        self.user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] if os.geteuid() == 0 else []
        if self.user:
            shutil.chown(folder, "postgres")
        made = subprocess.run([
            *self.user, self.program("initdb"), "--auth=trust", "--username=booking", "--encoding=UTF8", "--no-locale",
            "--no-sync", "--pgdata", str(folder / "data")], capture_output=True, text=True, cwd="/")
        if made.returncode != 0:
            raise CannotMeasure(f"initdb: {made.stderr[-300:]}")
        self.url = f"postgres://booking@localhost/postgres?host={folder}"
        super().__init__(name, [
            *self.user, self.program("postgres"), "-D", str(folder / "data"), "-k", str(folder),
            "-c", "listen_addresses=", "-c", "max_connections=200"], folder="/")
        deadline = time.monotonic() + 30
        while subprocess.run([*self.user, self.program("pg_isready"), "-q", "-h", str(folder)], cwd="/").returncode != 0:
            if time.monotonic() > deadline or self.child.poll() is not None:
                self.__exit__()
                raise CannotMeasure(f"PostgreSQL did not start: {self.tail()}")
            time.sleep(0.1)

    @staticmethod
    def program(name):
        """Debian keeps them out of the way, one folder a version."""
        found = sorted(pathlib.Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
        return str(found[-1]) if found else name

    def __exit__(self, *reason):
        super().__exit__(*reason)
        self.data.cleanup()


def quoted(value):
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def filled(template, values):
    text = (ROOT / "bench" / template).read_text()
    for word, value in values.items():
        text = text.replace(f"@{word}@", str(value))
    return text


def wrk(port, seconds, headers=(), connections=64, script="wrk.lua", path="/", **values):
    """Closed-loop load for so long; what wrk counted. The script finds the values in its environment."""
    arguments = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "-s", str(ROOT / "bench" / script)]
    for header in headers:
        arguments += ["-H", header]
    env = {**os.environ, **{name.upper(): str(value or "") for name, value in values.items()}}
    ran = subprocess.run(
        [*arguments, f"http://127.0.0.1:{port}{path}"], env=env, capture_output=True, text=True, timeout=seconds + 60
    )
    if ran.returncode != 0:
        raise CannotMeasure(f"wrk failed: {ran.stderr[-300:]}")
    counted = json.loads(ran.stdout.strip().splitlines()[-1])
    if counted["socket_errors"] or counted["bad_status"] or not counted["requests"]:
        raise CannotMeasure(f"not every request was answered: {counted}")
    return counted


def cpu_per_request(process, port, seconds, **load):
    """CPU of the process for each request of a load, in microseconds; and what wrk counted."""
    before = process.cpu_us()
    counted = wrk(port, seconds, **load)
    return (process.cpu_us() - before) / counted["requests"], counted
