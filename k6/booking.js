// A rush of buyers on one showtime, through the edge: everybody signs up, waits their turn, takes the best two seats,
// pays at the sandbox and gets two tickets, or is told that there are none left.
//
// What must hold is in `thresholds`, and in what scripts/k6-booking.sh makes of the summary: as many seats are taken as
// there are tickets out, so that no seat was sold twice and none was lost.
//
//   EDGE                 base URL (required)
//   SHOWTIME, BUYERS     for what, and how many
//   TURN_WITHIN_S        a buyer in line for longer than this counts as forgotten

import http from 'k6/http';
import { check, sleep } from 'k6';
import { Counter, Rate, Trend } from 'k6/metrics';

const EDGE = __ENV.EDGE;
const SHOWTIME = Number(__ENV.SHOWTIME || 1);
const BUYERS = Number(__ENV.BUYERS || 100);
const TURN_WITHIN_S = Number(__ENV.TURN_WITHIN_S || 60);

const tickets = new Counter('tickets');
const seatsTaken = new Counter('seats_taken');
const soldOut = new Counter('sold_out');
const forgotten = new Rate('buyers_forgotten');
const holdTime = new Trend('hold_time', true);

export const options = {
  scenarios: {
    rush: {
      executor: 'per-vu-iterations',
      vus: BUYERS,
      iterations: 1,
      maxDuration: '5m',
    },
  },
  thresholds: {
    checks: ['rate==1'],
    buyers_forgotten: ['rate==0'],
    tickets: ['count>0'],
  },
  summaryTrendStats: ['med', 'p(95)', 'p(99)', 'max'],
};

const json = { headers: { 'Content-Type': 'application/json', Accept: 'application/json' } };
const page = { headers: { Accept: 'text/html', 'Sec-Fetch-Dest': 'document', 'Sec-Fetch-Mode': 'navigate' } };
const form = { headers: { 'Content-Type': 'application/x-www-form-urlencoded', Accept: 'text/html' }, redirects: 0 };

export default function buyer() {
  const name = `k6-${__VU}-${Date.now().toString(36)}`;
  const account = JSON.stringify({ username: name, password: 'correct horse battery', email: `${name}@example.com` });
  const made = http.post(`${EDGE}/signup`, account, json);
  check(made, { 'signed up': (r) => r.status === 201 });
  if (!myTurn()) {
    forgotten.add(true);
    return;
  }
  forgotten.add(false);
  const wish = JSON.stringify({ showtime: SHOWTIME, best_available: { quantity: 2 } });
  const held = http.post(`${EDGE}/reserve`, wish, json);
  holdTime.add(held.timings.duration);
  if (held.status === 409) {
    soldOut.add(1);
    leave();
    return;
  }
  if (!check(held, { 'seats are held': (r) => r.status === 201 })) {
    return;
  }
  const booked = http.post(`${EDGE}/book`, JSON.stringify({ hold: held.json('id') }), json);
  if (!check(booked, { 'an order is made': (r) => r.status === 201 })) {
    return;
  }
  const order = booked.json();
  const paid = http.post(`${EDGE}${order.payment.url}`, 'number=4242424242424242', form);
  check(paid, { 'it is paid': (r) => r.status === 303 });
  const done = issued(`${EDGE}${order.url}?returned=1`);
  check(done, { 'the tickets are out': (order) => order !== null && order.tickets.length === 2 });
  if (done !== null) {
    tickets.add(done.tickets.length);
  }
}

// Asks for the page until it is the shop's. The jar keeps the place.
function myTurn() {
  for (let waited = 0; waited < TURN_WITHIN_S; waited += 1) {
    const looked = http.get(`${EDGE}/showtimes/${SHOWTIME}`, page);
    const jar = http.cookieJar().cookiesForURL(EDGE);
    if (looked.status === 200 && Object.keys(jar).some((name) => name.includes('_visit_'))) {
      return true;
    }
    sleep(1);
  }
  return false;
}

function issued(url) {
  for (let waited = 0; waited < 60; waited += 1) {
    const order = http.get(url, json).json();
    if (order.state === 'issued') {
      return order;
    }
    sleep(0.5);
  }
  return null;
}

function leave() {
  http.post(`${EDGE}/showtimes/${SHOWTIME}/holds/me/release`, '', form);
}

export function teardown() {
  const asked = http.get(`${EDGE}/showtimes/${SHOWTIME}`, page);
  check(asked, { 'the shop answers in the end': (r) => r.status === 200 || r.status === 503 });
  const stock = http.get(`${EDGE}/showtimes/${SHOWTIME}/seats`, json).json('stock');
  seatsTaken.add(stock.taken);
}

export function handleSummary(data) {
  const count = (name) => (data.metrics[name] ? data.metrics[name].values.count : 0);
  const figures = {
    tickets: count('tickets'),
    seats_taken: count('seats_taken'),
    sold_out: count('sold_out'),
    hold_ms: data.metrics.hold_time ? data.metrics.hold_time.values : null,
    failed: Object.entries(data.metrics)
      .filter(([, metric]) => Object.values(metric.thresholds || {}).some((threshold) => !threshold.ok))
      .map(([name]) => name),
    checks: data.root_group.checks.map((one) => `${one.name}: ${one.passes} of ${one.passes + one.fails}`),
  };
  return { [__ENV.SUMMARY]: JSON.stringify(figures), stdout: `${JSON.stringify(figures, null, 2)}\n` };
}
