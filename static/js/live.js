// Live updates. The socket carries ids only; what changed is fetched again, so rights and wording stay with the server.
(() => {
  const $ = (selector, root = document) => root.querySelector(selector);
  const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];
  const path = document.body.dataset.live;
  const LONGEST_WAIT = 30_000; // ms between attempts at most
  const LOOK_EVERY = 25_000; // told or not, a visible page is right within half a minute
  const PAUSE_AFTER = 300_000; // a hidden page lets go of its connection

  let socket;
  let attempts = 0;
  let hiddenTimer = 0;
  let paused = false;
  let stopped = false;

  function show(state, text) {
    const chip = $("#live");
    if (!chip) return;
    chip.dataset.liveState = state;
    const words = $("[data-live-text]", chip);
    if (words.textContent !== text) words.textContent = text;
  }

  const topics = () => [...new Set($$("[data-watch]").flatMap((e) => e.dataset.watch.split(/\s+/)).filter(Boolean))];
  const watch = () => socket?.readyState === 1 && socket.send(JSON.stringify({ watch: topics() }));

  function connect() {
    const scheme = location.protocol === "https:" ? "wss:" : "ws:";
    socket = new WebSocket(`${scheme}//${location.host}${path}`);
    socket.onopen = () => {
      const again = attempts > 0;
      attempts = 0;
      show("on", "Live");
      watch();
      if (again) resync();
    };
    socket.onmessage = ({ data }) => receive(JSON.parse(data));
    socket.onclose = ({ code }) => closed(code);
  }

  function closed(code) {
    if (paused || stopped) return;
    if (code === 4401) { show("off", "Signed out"); return; }
    show("off", "Reconnecting");
    const wait = Math.min(LONGEST_WAIT, 500 * 2 ** attempts) * (0.5 + Math.random());
    attempts += 1;
    setTimeout(connect, wait);
  }

  function receive({ kind, id, rev }) {
    document.body.dispatchEvent(new CustomEvent(`live:${kind}`, { detail: { id, rev } }));
    if (kind === "counts") { counts(); return; }
    const places = $$(`[data-kind="${CSS.escape(kind)}"][data-id="${CSS.escape(String(id))}"]`);
    const older = places.filter((place) => !(Number(place.dataset.rev) >= rev));
    older.forEach((place) => (place.matches(".detail") ? overtaken(place) : refresh(place)));
    if (!places.some((place) => place.dataset.rowUrl)) unknown(kind, id);
  }

  async function refresh(row) {
    if (!row.dataset.rowUrl) return;
    const { id } = row;
    const checked = $(".c-select input", row)?.checked;
    const focused = row.contains(document.activeElement);
    const current = row.getAttribute("aria-current");
    // Requests of one source replace each other; each row is its own.
    await htmx.ajax("GET", row.dataset.rowUrl, { source: row, target: row, swap: "outerHTML settle:0ms" });
    const fresh = document.getElementById(id);
    if (!fresh) return;
    if (current) fresh.setAttribute("aria-current", current);
    if (checked && $(".c-select input", fresh)) $(".c-select input", fresh).checked = true;
    if (focused) $(".row-link", fresh)?.focus({ preventScroll: true });
    fresh.classList.add("changed");
  }

  // A record that is not on screen is counted, never inserted: rows must not move under the pointer.
  const unseen = new Set();
  function unknown(kind, id) {
    const pill = $(`[data-live-new="${CSS.escape(kind)}"]`);
    if (!pill) return;
    unseen.add(id);
    $("[data-live-new-count]", pill).textContent = unseen.size;
    pill.hidden = false;
  }

  function overtaken(detail) {
    const banner = $("[data-live-changed]", detail);
    if (!banner) { if (detail.dataset.rowUrl) refresh(detail); return; }
    if (!banner.hidden) return;
    $("time", banner).dataset.ago = Math.floor(Date.now() / 1000);
    banner.hidden = false;
    $$(".detail-foot :is(button, a), .fix :is(button, a)", detail).forEach((button) => {
      button.setAttribute("aria-disabled", "true");
      if ("disabled" in button) button.disabled = true;
    });
  }

  function counts() {
    const url = document.body.dataset.countsUrl;
    if (url && $("#nav-groups")) {
      const from = `${url}${url.includes("?") ? "&" : "?"}path=${encodeURIComponent(location.pathname)}`;
      htmx.ajax("GET", from, { source: "#nav-groups", target: "#nav-groups", swap: "outerHTML" });
    }
    document.body.dispatchEvent(new CustomEvent("live:figures"));
  }

  function resync() {
    counts();
    $$("tr[data-row-url]").filter((row) => row.getClientRects().length).forEach(refresh);
    document.body.dispatchEvent(new CustomEvent("live:resync"));
  }

  // Messages may be lost without a trace (a full layer drops them), so the page is fetched and what differs is taken
  // as if it had been told.
  async function look() {
    if (document.hidden || stopped) return;
    const answer = await fetch(location.href).catch(() => null);
    if (!answer?.ok || answer.redirected) return;
    const served = new DOMParser().parseFromString(await answer.text(), "text/html");
    $$("[data-kind][data-id][data-rev]", served).forEach(compare);
    $$("tr[data-row-url]").filter((row) => !served.getElementById(row.id)).forEach(refresh);
    counts();
    document.body.dispatchEvent(new CustomEvent("live:resync"));
  }

  function compare({ dataset: { kind, id, rev, rowUrl } }) {
    const places = $$(`[data-kind="${CSS.escape(kind)}"][data-id="${CSS.escape(id)}"]`);
    const numbered = Number(rev) > 0;
    if (!places.length && rowUrl) unknown(kind, id);
    else if (!numbered) places.forEach(refresh);
    else if (places.some((place) => Number(place.dataset.rev) < Number(rev))) receive({ kind, id, rev: Number(rev) });
  }

  document.addEventListener("visibilitychange", () => {
    clearTimeout(hiddenTimer);
    if (document.hidden) {
      hiddenTimer = setTimeout(() => { paused = true; show("wait", "Paused"); socket?.close(); }, PAUSE_AFTER);
    } else if (paused) {
      paused = false;
      attempts = 1;
      connect();
    }
  });
  addEventListener("pagehide", () => { stopped = true; });
  addEventListener("pageshow", (event) => { if (event.persisted) { stopped = false; attempts = 1; connect(); } });
  document.addEventListener("htmx:afterSettle", ({ detail }) => {
    if (detail.target?.id === "list") {
      unseen.clear();
      $$("[data-live-new]").forEach((pill) => { pill.hidden = true; });
    }
    if (detail.target?.querySelector?.("[data-watch]")) watch();
  });
  setInterval(look, LOOK_EVERY);

  // Relative times: one timer; text is written only when it changes.
  const minus = "\u2212";
  function length(seconds) {
    const s = Math.abs(seconds);
    if (s < 60) return "0m";
    if (s < 3600) return `${Math.floor(s / 60)}m`;
    if (s < 86400) return `${Math.floor(s / 3600)}h ${String(Math.floor((s % 3600) / 60)).padStart(2, "0")}m`;
    return `${Math.floor(s / 86400)}d ${Math.floor((s % 86400) / 3600)}h`;
  }

  function since(seconds) {
    if (seconds < 3600) return `${Math.max(0, Math.floor(seconds / 60))}m`;
    return seconds < 172800 ? `${Math.floor(seconds / 3600)}h` : `${Math.floor(seconds / 86400)}d`;
  }

  const write = (element, text) => { if (element.textContent !== text) element.textContent = text; };

  function tick() {
    const now = Math.floor(Date.now() / 1000) + skew;
    $$("time[data-due]").forEach((time) => {
      const left = Number(time.dataset.due) - now;
      write(time, (left < 0 ? minus : "") + length(left));
      const mark = time.closest(".sla");
      mark?.classList.toggle("sla-late", left < 0);
      mark?.classList.toggle("sla-near", left >= 0 && left <= 3600);
      mark?.classList.toggle("sla-calm", left > 3600);
    });
    $$("time[data-ago]:not([data-ago=''])").forEach((time) => {
      const age = now - Number(time.dataset.ago);
      write(time, time.closest("[data-live-changed]") ? (age < 60 ? "just now" : `${since(age)} ago`) : since(age));
    });
  }

  // Pages carry the server's clock, so a wrong clock on a desk does not move deadlines.
  const served = Number(document.body.dataset.now || 0);
  const skew = served ? served - Math.floor(Date.now() / 1000) : 0;
  setInterval(tick, 5_000);
  if (path) connect();
})();
