"use strict";
// The page works without this. With it: a sum, a limit, a clock, and seats that change while you look.
(() => {
  // A hall wider than the screen is first seen from the middle.
  const house = document.querySelector(".house");
  if (house) house.scrollLeft = (house.scrollWidth - house.clientWidth) / 2;
  const form = document.querySelector("form[data-showtime]");
  const sum = document.getElementById("sum");
  const max = Number(form.dataset.max);
  const button = form.querySelector("button");
  let idle = sum ? sum.textContent : "", lost = [];
  const boxes = () => [...form.querySelectorAll("input[name=seats]")];
  const say = (amount) => (amount / 10 ** Number(form.dataset.exponent)).toLocaleString(undefined,
    { style: "currency", currency: form.dataset.currency, minimumFractionDigits: 0 });
  const show = () => {
    if (!sum) return;
    const all = boxes(), chosen = all.filter((box) => box.checked);
    const amount = chosen.reduce((total, box) => total + Number(box.closest("fieldset").dataset.amount), 0);
    const gone = lost.length ? `Just taken: ${lost.join(", ")}. ` : "";
    sum.textContent = gone + (chosen.length ? chosen.map((box) => box.value).join(", ") + " · " + say(amount) : idle);
    if (button) button.disabled = chosen.length === 0;
    for (const box of all) box.disabled = !box.checked && chosen.length >= max;
  };
  form.addEventListener("change", () => { lost = []; show(); });
  show();

  // Every seat by its name: a label with a box where it can be chosen, a plain sign otherwise.
  const seats = new Map();
  for (const box of boxes()) seats.set(box.value, box.parentElement);
  for (const sign of form.querySelectorAll("[data-seat]")) seats.set(sign.dataset.seat, sign);
  const words = { free: "free", held: "held by someone", taken: "taken" };
  const mark = (seat, state) => {
    const old = seats.get(seat);
    if (!old || old.classList.contains(state)) return;
    // One's own seat is held or taken for everyone else; only when it is free it is one's own no more.
    if (old.classList.contains("mine") && state !== "free") return;
    const box = old.querySelector("input");
    if (box && box.checked) lost.push(seat);
    const open = state === "free" && sum;
    const now = document.createElement(open ? "label" : "i");
    now.className = "seat " + state;
    now.title = old.title.replace(/[^,]*$/, " " + words[state]);
    if (open) {
      const choice = Object.assign(document.createElement("input"), { type: "checkbox", name: "seats", value: seat });
      choice.setAttribute("aria-label", now.title);
      now.append(choice);
    } else now.dataset.seat = seat;
    now.append(seat.slice(seat.lastIndexOf("-") + 1));
    old.replaceWith(now);
    seats.set(seat, now);
  };
  const count = (now) => {
    idle = now.stock.free + " seats free";
    for (const sign of document.querySelectorAll("[data-left-in]")) {
      const left = (now.left || {})[sign.dataset.leftIn];
      if (left !== undefined) sign.textContent = left;
    }
    show();
  };
  const signs = { h: "held", t: "taken" };
  const whole = (now) => {
    for (const seat of [...seats.keys()]) {
      const [row, number] = seat.split("-");
      mark(seat, signs[(now.claimed[row] || "")[number - 1]] || "free");
    }
    count(now);
  };
  const change = (now) => {
    for (const state of ["free", "held", "taken"]) for (const seat of now[state] || []) mark(seat, state);
    count(now);
  };
  let source, again, last = "";
  const hear = (take) => (event) => { last = event.lastEventId; take(JSON.parse(event.data)); };
  const hush = () => { clearTimeout(again); if (source) source.close(); };
  const listen = () => {
    hush();
    source = new EventSource(`/showtimes/${form.dataset.showtime}/seats/stream` + (last && "?since=" + last));
    source.addEventListener("seats", hear(whole));
    source.addEventListener("change", hear(change));
    // A broken stream comes back by itself; one that was refused does not.
    source.onerror = () => { if (source.readyState === 2) again = setTimeout(listen, 5000 + Math.random() * 10000); };
  };
  if ("live" in form.dataset) {
    // Nobody looks at a hidden page.
    document.addEventListener("visibilitychange", () => document.hidden ? hush() : listen());
    if (!document.hidden) listen();
  }
  const clock = document.querySelector("[data-left]");
  if (clock) {
    const end = performance.now() + Number(clock.dataset.left) * 1000;
    const timer = setInterval(() => {
      const left = Math.max(0, Math.round((end - performance.now()) / 1000));
      clock.textContent = Math.floor(left / 60) + ":" + String(left % 60).padStart(2, "0");
      if (left === 0) { clearInterval(timer); clock.textContent = "just run out. Hold them again if they are still free"; }
    }, 250);
  }
})();
