// The waiting page's own movement: one stream of frames in (socket, else server-sent events, else reloads), figures,
// title and announcements out. Elements marked data-tide="name" are kept up to date; every one of them may be absent.
(() => {
'use strict';
const root = document.documentElement;
const data = document.getElementById('tide').dataset;
const words = JSON.parse(document.getElementById('tide-words').textContent);
const enterForm = document.getElementById('tide-enter');
const hereForm = document.getElementById('tide-here');
const live = document.getElementById('tide-live');
const base = data.prefix + 'rooms/' + data.room + '/';
const numbers = new Intl.NumberFormat(root.lang);
const plurals = new Intl.PluralRules(root.lang);
const random = ms => Math.random() * ms;
const calm = matchMedia('(prefers-reduced-motion: reduce)');

// ---- Words ----

const all = name => document.querySelectorAll('[data-tide="' + name + '"]');
const each = (name, act) => all(name).forEach(act);
const put = (name, text) => each(name, e => { if (e.textContent !== text) e.textContent = text; });
const reveal = (name, on) => each(name, e => { e.hidden = !on; });
const say = (key, values) => (words[key] || '').replace(/\{(\w+)\}/g, (_, name) => values[name]);
const count = (key, n) => say(words[key + '_' + plurals.select(n)] ? key + '_' + plurals.select(n) : key + '_other', { n: numbers.format(n) });

// Rounds outward, so that what it says is true whenever the range is.
function waitWords(range) {
  if (!range) return words.wait_unknown;
  const [lo, hi] = range;
  if (hi < 60) return words.wait_moment;
  const hours = hi > 7200, unit = hours ? 3600 : 60, key = hours ? 'wait_hours' : 'wait_minutes';
  const step = hi > 1800 && !hours ? 5 : 1;
  const from = Math.floor(lo / unit / step) * step, to = Math.ceil(hi / unit / step) * step;
  if (!from) return count(key + '_upto', to);
  return from < to ? say(key + '_range', { lo: numbers.format(from), hi: numbers.format(to) }) : count(key, to);
}

function stockWords(stock) {
  if (!stock || !(stock.free || stock.held)) return '';
  const parts = [stock.free ? count('stock_left', stock.free) : words.stock_none];
  if (stock.held) parts.push(count('stock_held', stock.held), words.stock_returns);
  return parts.join('\u00a0· ');
}

// ---- What is shown ----

const known = text => text === '' ? null : +text;
let number = known(data.number), state = data.state, opensAt = known(data.opensAt);
let real = known(data.ahead), realAt = performance.now(), exact = null, shown = null, first = null, speed = null;
let waiting = '', asked = false, answeredAt = 0, entered = '', over = false;
let announced = '', announcedAt = 0;

// The tab remembers where this place began and the least it has shown, so that a reload never shows more.
function remember() {
  if (number === null || shown === null) return;
  try {
    const key = 'tidegate ' + data.room + ' ' + number, kept = JSON.parse(sessionStorage[key] || 'null');
    if (kept && first === null) { first = kept[0]; exact = Math.min(exact, kept[1]); shown = Math.min(shown, kept[1]); }
    if (first === null) first = shown;
    sessionStorage[key] = JSON.stringify([first, shown]);
  } catch { if (first === null) first = shown; }
}

function announce(text) {
  if (text === announced) return;
  announced = text; announcedAt = Date.now();
  live.textContent = text;
}

function show(next) {
  if (next === 'waiting') next = real === null ? 'joining' : real === 0 ? 'next' : 'waiting';
  if (!words['status_' + next]) next = 'waiting';
  const changed = next !== root.dataset.state;
  state = root.dataset.state = next;
  const time = opensAt && new Intl.DateTimeFormat(root.lang, { dateStyle: 'full', timeStyle: 'short' }).format(opensAt);
  put('status', words['status_' + next]);
  put('detail', next === 'before_sale' && !time ? words.detail_before_sale_unknown : say('detail_' + next, { time }));
  reveal('leave', ['waiting', 'next', 'paused', 'before_sale', 'store_lost', 'called'].includes(next));
  reveal('rejoin', next === 'left');
  hereForm.hidden = next !== 'called';
  enterForm.hidden = next !== 'entering';
  if (changed && next !== 'waiting') announce(words['status_' + next] + '. ' + say('detail_' + next, { time: time || '' }));
  paint(true);
}

// Where the line probably is by now: its measured speed carries the number between updates, never past half of it.
function likely(now) {
  if (!link || state !== 'waiting' || !speed) return real;
  return Math.max(real - .8 * speed * Math.min(now - realAt, 20000), real / 2, Math.min(real, 1));
}

let paintedAt = performance.now();
function paint(force) {
  const now = performance.now(), gone = now - paintedAt;
  paintedAt = now;
  if (state === 'before_sale' && opensAt) return countdown();
  root.classList.remove('opens');
  if (real === null) return title();
  const goal = likely(now);
  if (exact === null) exact = real;
  if (goal < exact) exact = calm.matches || gone > 500 ? goal : exact - (exact - goal) * (1 - Math.exp(-gone / 500));
  const next = Math.min(shown === null ? Infinity : shown, Math.max(Math.round(exact), Math.min(real, 1)));
  if (next === shown && !force) return;
  shown = next;
  remember();
  put('ahead', numbers.format(shown));
  put('ahead_label', words['ahead_' + plurals.select(shown)] || words.ahead_other);
  each('ahead', e => e.parentNode.classList.toggle('long', e.textContent.length > 6));
  const done = first ? 1 - shown / first : 0;
  reveal('bar', first > 0);
  each('bar', e => { if (e.firstChild) e.firstChild.style.transform = 'translateX(' + (done - 1) * 100 + '%)'; });
  root.style.setProperty('--level', state === 'entering' ? 1 : .22 + .6 * done);
  title();
  if (state === 'waiting' && Date.now() - announcedAt > 60000)
    announce(numbers.format(shown) + ' ' + (words['ahead_' + plurals.select(shown)] || words.ahead_other) + waiting + '.');
}

function countdown() {
  const left = Math.max(0, Math.ceil((opensAt - Date.now()) / 1000)), two = n => String(n).padStart(2, '0');
  root.classList.toggle('opens', left > 0 && left < 360000);
  const hours = Math.floor(left / 3600);
  put('ahead', (hours ? hours + ':' + two(Math.floor(left / 60) % 60) : Math.floor(left / 60)) + ':' + two(left % 60));
  put('ahead_label', words.until_open);
  each('ahead', e => e.parentNode.classList.toggle('long', e.textContent.length > 6));
  title();
}

function title() {
  const text = state === 'waiting' && shown ? say('doc_ahead', { n: numbers.format(shown), title: words.title })
    : say('doc_state', { state: words['status_' + state], title: words.title });
  if (document.title !== text) document.title = text;
}

// ---- Frames ----

function position(f) {
  if (typeof f.ahead === 'number') {
    const now = performance.now();
    if (real !== null && now - realAt > 50) {
      const measured = Math.max(0, real - f.ahead) / (now - realAt);
      speed = speed === null ? measured : .6 * speed + .4 * measured;
    }
    if (speed === null && f.rate_per_min) speed = f.rate_per_min / 120000;
    real = f.ahead; realAt = now;
  }
  opensAt = f.opens_at ? (typeof f.opens_at === 'number' ? f.opens_at * 1000 : Date.parse(f.opens_at)) : null;
  waiting = f.wait_s ? '. ' + waitWords(f.wait_s) : '';
  put('wait', waitWords(f.wait_s));
  put('notice', f.notice || '');
  if ('stock' in f) put('stock', stockWords(f.stock));
  if (!asked && !entered) show(f.state === 'waiting' && answered() ? 'next' : f.state);
}

function called() {
  if (entered) return;
  // Calls run a little ahead of admission, so the number stays and goes on counting down.
  if (data.turn === 'enter' || answered()) return send('here');
  asked = true;
  show('called');
  if (document.hidden && navigator.vibrate) try { navigator.vibrate(200); } catch {}
}

const answered = () => Date.now() - answeredAt < 60000;

function here() {
  asked = false; answeredAt = Date.now();
  send('here');
  show('next');
}

function admitted(f) {
  const to = new URL(f.enter, location.href);
  if (to.origin !== location.origin || entered === f.admission_token) return;
  entered = f.admission_token; asked = false;
  enterForm.action = to.pathname;
  enterForm.elements.token.value = entered;
  show('entering');
  enterForm.submit();
  // The same fan may repeat this within the token's life: once more in case the first attempt hangs.
  setTimeout(() => { if (entered === f.admission_token) enterForm.submit(); }, 15000);
}

function frame(text) {
  let f;
  try { f = JSON.parse(text); } catch { return; }
  heardAt = Date.now(); tries = 0;
  if (over) return;
  if (f.type === 'place') { number = f.number; put('number', numbers.format(number)); remember(); }
  else if (f.type === 'position') position(f);
  else if (f.type === 'called') called();
  else if (f.type === 'admitted') admitted(f);
  else if (f.type === 'open') { over = true; setTimeout(() => location.reload(), random(4000)); }
}

// ---- The stream ----

// Attempts that do not open before the next resort: sockets, then events, then reloads. A page where one kind has worked
// asks first whether the edge answers at all, and tries its own kind and the other in turn once it does.
const OPEN_FAILURES = 3;
let link = null, isSocket = false, prefersEvents = 0, answers = 0, timer = 0, troubleTimer = 0, tries = 0, failures = 0, worked = false;
let heardAt = Date.now(), dialedAt = 0;
const blocked = 'tidegate blocked';
try { if (sessionStorage[blocked] && random(8) > 1) failures = 2 * OPEN_FAILURES; else delete sessionStorage[blocked]; } catch {}

function connect() {
  clearTimeout(timer);
  if (over || link) return;
  dialedAt = heardAt = Date.now();
  const open = () => {
    worked = opened = true; failures = answers = 0; prefersEvents = +!isSocket;
    clearTimeout(deadline); clearTimeout(troubleTimer); troubleTimer = 0;
    put('link', navigator.cookieEnabled ? '' : words.no_cookies);
  };
  const lost = code => {
    clearTimeout(deadline);
    if (link === mine) { link = null; down(opened, code); }
  };
  let opened = false, mine;
  isSocket = !window.EventSource || (worked ? (prefersEvents + Math.max(0, answers - 1)) % 2 === 0 : failures < OPEN_FAILURES);
  try {
    mine = isSocket ? new WebSocket(location.origin.replace(/^http/, 'ws') + base + 'line', 'tidegate.v1')
      : new EventSource(base + 'events');
  } catch { return down(false); }
  const deadline = setTimeout(() => { mine.close(); lost(); }, 10000);
  link = mine;
  mine.onopen = open;
  mine.onmessage = e => { if (link === mine) frame(e.data); };
  if (isSocket) mine.onclose = e => lost(e.code);
  else mine.onerror = () => { mine.close(); lost(); };
}

function down(opened, code) {
  if (over) return;
  if (!opened) failures++;
  troubleTimer = troubleTimer || setTimeout(() => { put('link', words.reconnecting); announce(words.reconnecting); }, 4000);
  // A restart says so (1012) and is over in a second; "try again later" (1013) means it. Else backoff with full jitter.
  const delay = code === 1012 ? random(1000) : code === 1013 ? 3000 + random(12000)
    : 200 + random(Math.min(15000, 1000 * 2 ** tries));
  tries++;
  clearTimeout(timer);
  if (failures < (worked ? 1 : 2) * OPEN_FAILURES) timer = setTimeout(connect, delay);
  else timer = setTimeout(probe, worked ? delay : data.refresh * (700 + random(300)));
}

// Neither kind opens. Reload only once the edge answers: the page on screen is better than an error.
function probe() {
  fetch(base + 'places/me', { cache: 'no-store', headers: { accept: 'application/json' } }).then(() => {
    if (worked) { failures = OPEN_FAILURES - 1; answers++; return connect(); }
    try { sessionStorage[blocked] = 1; } catch {}
    location.reload();
  }, () => down(false));
}

function hangUp() {
  const old = link;
  link = null;
  if (old) old.close();
}

function redial(fresh) {
  if (over || Date.now() - dialedAt < 1000) return;
  if (fresh) hangUp();
  if (!link) { failures = Math.min(failures, OPEN_FAILURES - 1); connect(); }
}

function send(type) {
  if (isSocket && link && link.readyState === 1) link.send(JSON.stringify({ type }));
  else if (type === 'here') fetch(base + 'places/me/here', { method: 'POST', headers: { accept: 'application/json' } }).catch(() => {});
}

function leave() {
  over = true;
  const way = link;
  fetch(base + 'places/me', { method: 'DELETE', keepalive: true, headers: { accept: 'application/json' } })
    .catch(() => send('leave')).then(() => { if (link === way) hangUp(); });
  try { delete sessionStorage['tidegate ' + data.room + ' ' + number]; } catch {}
  show('left');
  // The button that was pressed is gone: what can be done next takes its focus.
  each('rejoin', e => e.focus());
}

addEventListener('online', () => redial(true));
addEventListener('pagehide', hangUp);
addEventListener('pageshow', e => {
  if (!e.persisted) return;
  if (entered || over) location.reload(); else redial(true);
});
document.addEventListener('visibilitychange', () => document.hidden || redial(Date.now() - heardAt > 60000));
hereForm.addEventListener('submit', e => { e.preventDefault(); here(); });
each('rejoin', e => e.addEventListener('click', () => location.reload()));
each('leave', e => e.addEventListener('click', () => {
  const dialog = all('leave_dialog')[0];
  if (dialog && dialog.showModal) dialog.showModal();
  else if (confirm(words.leave_title)) leave();
}));
each('leave_no', e => e.addEventListener('click', () => e.closest('dialog').close()));
each('leave_yes', e => e.addEventListener('click', () => { e.closest('dialog').close(); leave(); }));
setInterval(() => {
  paint(false);
  if (link && Date.now() - heardAt > 150000) redial(true);
}, 80);

if (!navigator.cookieEnabled) put('link', words.no_cookies);
asked = state === 'called' && data.turn === 'confirm';
if (opensAt) opensAt *= 1000;
show(state);
if (failures) down(true); else connect();
})();
