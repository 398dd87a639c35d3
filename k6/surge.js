// A surge at the edge, and fans who wait through it on websockets.
//
// Two crowds at once. `surge` is a ramping arrival rate: it climbs from START to RATE iterations a second within two
// seconds, holds, and comes back down. Each of its fans asks for the page once, some of them with the cookies of an
// earlier look; whoever gets straight in looks around and leaves. `line` is a number of fans who do what a browser
// does: they take a place, open the line socket, answer their call, enter, use the site, leave, and come again.
//
// What must hold is in `thresholds`. Whether too many were let in is not k6's word and not the edge's: the origin
// behind the edge counts distinct live visits (examples/origin.rs), and is asked at the end.
//
//   EDGE, ORIGIN              base URLs (required)
//   ADMIN, ADMIN_TOKEN        the edge's admin API; needed only with BREAK
//   RATE, START, HOLD, RECOVER, FANS   the size: iterations a second, before and after it, times, sockets
//   BREAK=limit               raises the room's limit behind the origin's back: the run must fail

import http from 'k6/http';
import exec from 'k6/execution';
import { check, fail, sleep } from 'k6';
import { Counter, Rate, Trend } from 'k6/metrics';
import { WebSocket } from 'k6/experimental/websockets';

const EDGE = required('EDGE');
const ORIGIN = required('ORIGIN');
const ROOM = __ENV.ROOM || 'surge';
const RATE = number('RATE', 2000);
const START = number('START', 100);
const FANS = number('FANS', 200);
const HOLD = __ENV.HOLD || '60s';
const RECOVER = __ENV.RECOVER || '30s';
const WARM = __ENV.WARM || '5s';

// A fan in line is given this long before it counts as forgotten.
const TURN_WITHIN_MS = number('TURN_WITHIN_MS', 90000);
// Of those who ask for the page in the surge, how many have been there before.
const RETURNING = 0.4;

const waitingAnswer = new Trend('waiting_answer', true);
const toTheTurn = new Trend('line_to_turn', true);
const overLimit = new Counter('origin_visits_over_limit');
const unasserted = new Counter('origin_requests_without_visit');
const forgotten = new Rate('line_fans_forgotten');
const entered = new Counter('line_fans_entered');

export const options = {
  discardResponseBodies: true,
  scenarios: {
    surge: {
      executor: 'ramping-arrival-rate',
      exec: 'surge',
      startRate: START,
      timeUnit: '1s',
      preAllocatedVUs: Math.min(1000, RATE),
      maxVUs: Math.min(2000, 2 * RATE),
      stages: [
        { target: START, duration: WARM },
        { target: RATE, duration: '2s' },
        { target: RATE, duration: HOLD },
        { target: START, duration: '2s' },
        { target: START, duration: RECOVER },
      ],
    },
    line: {
      executor: 'constant-vus',
      exec: 'line',
      vus: FANS,
      duration: seconds(WARM, '4s', HOLD, RECOVER),
      gracefulStop: `${Math.ceil(TURN_WITHIN_MS / 1000) + 10}s`,
    },
  },
  thresholds: {
    http_req_failed: ['rate<0.001'],
    // None in the full form; the short one shares its two cores with whatever else a test machine does.
    dropped_iterations: [`count<=${number('DROPPED_MAX', 0)}`],
    checks: ['rate>0.999'],
    waiting_answer: [`p(99)<${number('P99_MS', 250)}`],
    line_fans_forgotten: ['rate==0'],
    line_fans_entered: ['count>0'],
    // Zero, and seen: what the origin was asked for must be there at all.
    origin_visits_over_limit: ['count==0'],
    origin_requests_without_visit: ['count==0'],
    'checks{asked:origin}': ['rate==1'],
  },
  summaryTrendStats: ['med', 'p(95)', 'p(99)', 'max'],
};

export function setup() {
  if (__ENV.BREAK === 'limit') {
    const answer = http.patch(
      `${__ENV.ADMIN}/api/v1/rooms/${ROOM}`,
      JSON.stringify({ active_max: 100000, admit_per_min: 600000 }),
      { headers: { 'Content-Type': 'application/json', Authorization: `Bearer ${__ENV.ADMIN_TOKEN}` } },
    );
    if (answer.status >= 300) {
      fail(`the limit could not be raised: status ${answer.status}`);
    }
    console.warn('BREAK=limit: the limit was raised behind the back of the origin, which must now see too many');
  }
}

// Cookies of an earlier look. Module state lives as long as its VU, across iterations.
let kept = null;

export function surge() {
  const returning = kept !== null && Math.random() < RETURNING;
  const look = navigate('/', returning ? kept : {});
  if (!look.known) {
    return;
  }
  kept = look.cookies;
  if (look.inside) {
    // Straight through, or the turn came between two looks: use the site for a moment.
    sleep(0.2 + Math.random());
    stayAndLeave(kept);
    kept = null;
  }
}

export function line() {
  const look = navigate('/', {});
  if (!look.known) {
    sleep(1);
    return;
  }
  if (look.inside) {
    sleep(0.5 + Math.random());
    stayAndLeave(look.cookies);
    return;
  }
  const began = Date.now();
  const address = `${EDGE.replace(/^http/, 'ws')}/_tidegate/rooms/${ROOM}/line`;
  const socket = new WebSocket(address, ['tidegate.v1'], {
    headers: { Cookie: cookieHeader(look.cookies), Origin: EDGE },
    tags: { name: 'line' },
  });
  let done = false;
  const finish = (turned) => {
    if (!done) {
      done = true;
      forgotten.add(!turned);
      clearTimeout(deadline);
      socket.close();
    }
  };
  const deadline = setTimeout(() => finish(false), TURN_WITHIN_MS);
  socket.onmessage = (message) => {
    const frame = JSON.parse(message.data);
    if (frame.type === 'called') {
      socket.send(JSON.stringify({ type: 'here' }));
    } else if (frame.type === 'admitted' && !done) {
      toTheTurn.add(Date.now() - began);
      enter(frame, look.cookies);
      finish(true);
    }
  };
  socket.onerror = (error) => {
    if (!done) {
      console.error(`line socket: ${error.error}`);
      finish(false);
    }
  };
  socket.onclose = () => finish(false);
}

function enter(frame, cookies) {
  const answer = http.post(
    `${EDGE}${frame.enter}`,
    { token: frame.admission_token, return_to: '/' },
    { headers: { Cookie: cookieHeader(cookies), Origin: EDGE }, redirects: 0, tags: { name: 'enter' } },
  );
  const inside = check(answer, { 'enter leads back to the page': (a) => a.status === 303 && a.headers.Location === '/' });
  if (inside) {
    entered.add(1);
    const after = Object.assign({}, cookies, cookiesOf(answer));
    sleep(0.2);
    stayAndLeave(after);
  }
}

// A second page, then the order is done: the origin ends the visit.
function stayAndLeave(cookies) {
  const second = navigate('/second', cookies);
  check(second, { 'a visit is let on': (look) => look.inside });
  sleep(0.2 + 0.3 * Math.random());
  const leaving = navigate('/leave', second.cookies);
  check(leaving, { 'a visit is let leave': (look) => look.inside });
}

// Asks for a page as a browser's navigation does, with exactly these cookies, and says where that led. A reload by a fan
// whose turn has come leads through `enter`, as it does for a page without scripts.
function navigate(path, cookies) {
  let all = Object.assign({}, cookies);
  let answer = get(path, all, path);
  all = Object.assign(all, cookiesOf(answer));
  for (let hops = 0; answer.status === 303 && hops < 3; hops += 1) {
    answer = get(answer.headers.Location, all, 'enter on reload');
    all = Object.assign(all, cookiesOf(answer));
  }
  const inside = answer.headers['Counting-Origin'] === '1';
  const waiting = !inside && Object.keys(all).some((name) => name.includes('tidegate_place_'));
  if (waiting) {
    waitingAnswer.add(answer.timings.duration);
  }
  const known = check(answer, { 'the page or a place in line': (a) => a.status === 200 && (inside || waiting) });
  if (!known) {
    console.error(`${path}: status ${answer.status}, ${answer.headers.Location || 'no location'}`);
  }
  return { inside, waiting, known, cookies: all };
}

function get(path, cookies, name) {
  const headers = {
    Accept: 'text/html',
    'Accept-Encoding': 'gzip',
    'Sec-Fetch-Mode': 'navigate',
    'Sec-Fetch-Dest': 'document',
  };
  const cookie = cookieHeader(cookies);
  if (cookie) {
    headers.Cookie = cookie;
  }
  return http.get(`${EDGE}${path}`, { headers, jar: new http.CookieJar(), redirects: 0, tags: { name } });
}

export function teardown() {
  const answer = http.get(`${ORIGIN}/_count`, { responseType: 'text', tags: { name: 'count' } });
  const figures = answer.status === 200 ? answer.json() : {};
  console.log(`the origin counted ${answer.body}`);
  overLimit.add(figures.over || 0);
  unasserted.add(figures.unasserted || 0);
  check(
    figures,
    {
      'the origin was asked': (f) => Number.isInteger(f.most) && Number.isInteger(f.over),
      'the room was used to its limit': (f) => f.most >= 0.9 * f.limit,
    },
    { asked: 'origin' },
  );
}

function cookieHeader(cookies) {
  return Object.entries(cookies)
    .map(([name, value]) => `${name}=${value}`)
    .join('; ');
}

function cookiesOf(answer) {
  const set = {};
  for (const [name, all] of Object.entries(answer.cookies)) {
    set[name] = all[all.length - 1].value;
  }
  return set;
}

function required(name) {
  return __ENV[name] || exec.test.abort(`set -e ${name}=...; scripts/k6.sh does it for you`);
}

function number(name, otherwise) {
  return Number(__ENV[name] || otherwise);
}

function seconds(...times) {
  const sum = times.map((time) => Number(/^(\d+)s$/.exec(time)[1])).reduce((a, b) => a + b, 0);
  return `${sum}s`;
}
