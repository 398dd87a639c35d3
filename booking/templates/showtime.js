"use strict";
// The page works without this. With it: a sum, a limit, a clock, and seats that change while you look.
(() => {
  // A hall wider than the screen is first seen from the middle.
  const house = document.querySelector(".house");
  if (house) house.scrollLeft = (house.scrollWidth - house.clientWidth) / 2;
  const form = document.querySelector("form[data-showtime]");
  const sum = document.getElementById("sum");
  if (form && sum) {
    const max = Number(form.dataset.max), idle = sum.textContent;
    const button = form.querySelector("button");
    const boxes = () => [...form.querySelectorAll("input[name=seats]")];
    const say = (amount) => (amount / 10 ** Number(form.dataset.exponent)).toLocaleString(undefined,
      { style: "currency", currency: form.dataset.currency, minimumFractionDigits: 0 });
    const show = () => {
      const all = boxes(), chosen = all.filter((box) => box.checked);
      const amount = chosen.reduce((total, box) => total + Number(box.dataset.amount), 0);
      sum.textContent = chosen.length ? chosen.map((box) => box.value).join(", ") + " · " + say(amount) : idle;
      button.disabled = chosen.length === 0;
      for (const box of all) box.disabled = !box.checked && chosen.length >= max;
    };
    form.addEventListener("change", show);
    show();
    const refresh = async () => {
      if (document.hidden) return;
      try {
        const answer = await fetch(`/showtimes/${form.dataset.showtime}/seats`, { headers: { Accept: "application/json" } });
        if (!answer.ok) return;
        const gone = new Map();
        for (const section of (await answer.json()).sections)
          for (const row of section.rows)
            for (const seat of row.seats) if (seat.state !== "free") gone.set(seat.seat, seat);
        for (const box of boxes()) {
          const seat = gone.get(box.value);
          if (!seat) continue;
          const label = box.parentElement;
          label.className = "seat " + (seat.mine ? "mine" : seat.state);
          box.remove();
        }
        show();
      } catch { /* The next round may reach it. */ }
    };
    setInterval(refresh, 10000 + Math.random() * 5000);
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
