"""CPU a request: admitted ones beside a bare Pingora, the waiting page beside nginx serving the same bytes.

Turns alternate between the two, so that whatever else the machine does falls on both; what counts is the median of the
turns' ratios.
"""

import statistics

from harness import OUT, CannotMeasure, Edge, Nginx, Process, binary, cpu_per_request, free_ports, get

BROWSER = {"Accept": "text/html", "Accept-Encoding": "gzip", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
# So many different visits, that the gate's table of them is walked and not one entry of it.
VISITS = 200
# Said anew with every answer, or about the connection: nginx says its own.
NOT_COPIED = {"connection", "content-length", "content-type", "date", "server", "transfer-encoding", "keep-alive"}


def header_lines():
    return [f"{name}: {value}" for name, value in BROWSER.items()]


def cookies_of(headers):
    """The Cookie header that a browser would send after this answer."""
    return {v.split(";")[0].split("=", 1)[0]: v.split(";")[0].split("=", 1)[1] for k, v in headers if k.lower() == "set-cookie"}


def cookie_header(cookies):
    return "; ".join(f"{name}={value}" for name, value in cookies.items())


def look(port, cookies):
    """Asks for the page as a browser does: whether the site answered, all headers, the body and the cookies afterwards."""
    headers = {**BROWSER, **({"Cookie": cookie_header(cookies)} if cookies else {})}
    status, answered, body = get(port, "/", headers)
    if status != 200:
        raise CannotMeasure(f"the edge answered {status}: {body[:200]!r}")
    inside = any(name.lower() == "bench-origin" for name, _ in answered)
    return inside, answered, body, {**cookies, **cookies_of(answered)}


def visit(edge):
    """A fan who came straight through and has come back with the cookie."""
    cookies = {}
    for _ in range(2):
        inside, _, _, cookies = look(edge.port, cookies)
        if not inside:
            raise CannotMeasure("a fan in an empty room was not let straight through")
    return cookies


def alternate(turns, seconds, first, second, **load):
    """Medians of CPU a request of two (process, port), and of the ratio first to second."""
    pairs = []
    for turn in range(turns):
        order = (first, second) if turn % 2 == 0 else (second, first)
        cost = {process.name: cpu_per_request(process, port, seconds, **load)[0] for process, port in order}
        pairs.append((cost[first[0].name], cost[second[0].name]))
    one, other = (statistics.median(pair[i] for pair in pairs) for i in (0, 1))
    return one, other, statistics.median(a / b for a, b in pairs)


def admitted(report, options):
    """An admitted request through the gate beside one through a bare Pingora."""
    port, = free_ports(1)
    with Nginx() as nginx, Edge("edge-admitted", nginx.origin_port, "auto", 10_000, 600_000) as edge, Process(
        "bare-pingora", [binary("bare_pingora", example=True), f"127.0.0.1:{port}", f"127.0.0.1:{nginx.origin_port}"]
    ) as bare:
        bare.wait_for(port, "/")
        visits = [visit(edge) for _ in range(VISITS)]
        cookies = OUT / "visits.txt"
        cookies.write_text("".join(cookie_header(one) + "\n" for one in visits))
        load = {"headers": header_lines(), "cookies": cookies}
        for warm in (edge.port, port):
            cpu_per_request(edge, warm, 1, **load)
        gate, pingora, ratio = alternate(options.turns, options.seconds, (edge, edge.port), (bare, port), **load)
        if not all(look(edge.port, one)[0] for one in visits):
            raise CannotMeasure("a visit ended meanwhile: what was measured was the waiting page")
    detail = f"{gate:.1f} us beside {pingora:.1f} us, {VISITS} visits"
    report.line("admitted request, CPU beside bare Pingora", round(ratio, 4), 1.05, "x", detail=detail)


def waiting(report, options):
    """The waiting page beside nginx: for fans who come for the first time, and for those who look again."""
    with Nginx("origin") as origin, Edge("edge-waiting", origin.origin_port, "on", 1, 0) as edge:
        inside, headers, page, fan = look(edge.port, {})
        if inside or len(page) < 500:
            raise CannotMeasure("the edge did not answer with its waiting page")
        fans = [look(edge.port, {})[3] for _ in range(VISITS)]
        cookies = OUT / "fans.txt"
        cookies.write_text("".join(cookie_header(one) + "\n" for one in fans))
        for name, file in (("to those who look again", cookies), ("to those who arrive", None)):
            _, headers, page, _ = look(edge.port, fan if file else {})
            copied = [(k, v) for k, v in headers if k.lower() not in NOT_COPIED]
            with Nginx("nginx-page", page, copied) as nginx:
                if get(nginx.page_port, "/", BROWSER)[2] != page:
                    raise CannotMeasure("nginx does not serve the page's bytes")
                load = {"headers": header_lines(), "cookies": file}
                for process, port in ((edge, edge.port), (nginx, nginx.page_port)):
                    cpu_per_request(process, port, 1, **load)
                pairs = (edge, edge.port), (nginx, nginx.page_port)
                ours, theirs, ratio = alternate(options.turns, options.seconds, *pairs, **load)
            detail = f"{ours:.1f} us beside {theirs:.1f} us, {len(page):,} bytes"
            report.line(f"waiting page {name}, CPU beside nginx", round(ratio, 4), 1.5, "x", detail=detail)
