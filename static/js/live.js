// Live updates. The socket carries ids only; what changed is fetched again, so rights and wording stay with the server.
(() => {
  const $ = (selector, root = document) => root.querySelector(selector);
  const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];
  const path = document.body.dataset.live;
  const LONGEST_WAIT = 30_000; // ms between attempts at most
  const LOOK_EVERY = 25_000; // told or not, a visible page is right within half a minute
  const CALM = 4_000; // ms between looks when told
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
      if (again) look();
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

  const placesOf = (kind, id) => $$(`[data-kind="${CSS.escape(kind)}"][data-id="${CSS.escape(String(id))}"]`);
  const told = new Map(); // the newest revision heard of, by kind and id

  function receive({ kind, id, rev }) {
    document.body.dispatchEvent(new CustomEvent(`live:${kind}`, { detail: { id, rev } }));
    if (kind === "counts") { counts(); soon(); return; }
    told.set(`${kind} ${id}`, rev);
    placesOf(kind, id).filter((place) => !(Number(place.dataset.rev) >= rev)).forEach(renew);
  }

  const renew = (place) => (place.matches("tr") ? refresh : overtaken)(place);

  // An answer may be older than what was told.
  function behind() {
    $$("[data-kind][data-rev]").forEach((place) => {
      const key = `${place.dataset.kind} ${place.dataset.id}`;
      if (told.get(key) > Number(place.dataset.rev)) { told.delete(key); renew(place); }
    });
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

  const written = (place) => $$("input, textarea", place)
    .some((field) => field.value !== field.defaultValue || field.checked !== field.defaultChecked)
    || (place.contains(document.activeElement) && q2c.typing(document.activeElement));

  // Somebody acts on it, types in it or marks text.
  function busy(detail, asking) {
    return $("dialog[open]") || written(detail) || getSelection().type === "Range"
      || $$(".htmx-request", detail).some((element) => element !== asking);
  }

  function overtaken(detail) {
    const banner = $("[data-live-changed]", detail);
    if (!banner) return;
    if (busy(detail)) warn(detail, banner);
    else reload(detail, banner);
  }

  function warn(detail, banner) {
    if (banner.hidden) $("time", banner).dataset.ago = Math.floor(Date.now() / 1000);
    banner.hidden = false;
    $$(":is(.detail-foot, .fix) button", detail).forEach((button) => { button.disabled = true; });
  }

  async function reload(detail, banner) {
    const button = $("button", banner);
    const target = $(button.getAttribute("hx-target"));
    // Who began to type meanwhile keeps what is there.
    const stay = (event) => {
      if (event.detail.requestConfig.elt !== button || !busy(detail, button)) return;
      event.detail.shouldSwap = false;
      warn(detail, banner);
    };
    target.addEventListener("htmx:beforeSwap", stay);
    const { scrollTop } = detail;
    await keepFocus(target, () =>
      htmx.ajax("GET", button.getAttribute("hx-get"), { source: button, target, swap: "innerHTML settle:0ms" }));
    target.removeEventListener("htmx:beforeSwap", stay);
    const fresh = $(".detail", target);
    if (fresh?.dataset.id === detail.dataset.id) fresh.scrollTop = scrollTop;
  }

  async function keepFocus(place, change) {
    const held = place.contains(document.activeElement) && document.activeElement.outerHTML;
    await change();
    if (!held || document.activeElement !== document.body) return;
    ($$("a, button", place).find(({ outerHTML }) => outerHTML === held) || place).focus({ preventScroll: true });
  }

  const freed = () => setTimeout(() =>
    $$("[data-live-changed]:not([hidden])").forEach((banner) => overtaken(banner.closest(".detail"))));

  function counts() {
    const url = document.body.dataset.countsUrl;
    if (url && $("#nav-groups")) {
      const from = `${url}?path=${encodeURIComponent(location.pathname)}`;
      htmx.ajax("GET", from, { source: "#nav-groups", target: "#nav-groups", swap: "outerHTML" });
    }
    document.body.dispatchEvent(new CustomEvent("live:figures"));
  }

  // Messages may be lost without a trace (a full layer drops them), so the page is fetched and what differs is taken
  // as if it had been told.
  async function look() {
    if (!await take()) return;
    counts();
    document.body.dispatchEvent(new CustomEvent("live:resync"));
  }

  let lookedAt = 0;
  let lookTimer = 0;
  let acts = 0; // a page fetched before the last one is old
  function soon(wait = Math.max(300, lookedAt + CALM - Date.now())) {
    if (!$("[data-live-figure]")) return;
    clearTimeout(lookTimer);
    lookTimer = setTimeout(take, wait);
  }

  async function take() {
    if (document.hidden || stopped) return false;
    lookedAt = Date.now();
    const before = acts;
    const answer = await fetch($("[data-live-url]")?.dataset.liveUrl || location.href).catch(() => null);
    if (!answer?.ok || answer.redirected) return false;
    const served = new DOMParser().parseFromString(await answer.text(), "text/html");
    if (acts !== before) { soon(); return false; }
    $$("[data-kind][data-id][data-rev]", served).forEach(compare);
    $$("tr[data-row-url]").filter((row) => !served.getElementById(row.id)).forEach(refresh);
    $$("[data-live-figure]").forEach((place) =>
      copy(place, $(`[data-live-figure="${place.dataset.liveFigure}"]`, served)));
    const rows = $("#list .queue tbody");
    if (rows && !rows.rows.length) copy(rows, $("#list .queue tbody", served));
    $$("[data-live-new]").forEach((pill) => announce(pill, served));
    return true;
  }

  function compare({ dataset: { kind, id, rev } }) {
    if (placesOf(kind, id).some((place) => Number(place.dataset.rev) < rev)) receive({ kind, id, rev: Number(rev) });
  }

  function copy(place, served) {
    if (!served || place.textContent === served.textContent || written(place)) return;
    keepFocus(place, () => { place.replaceChildren(...served.childNodes); htmx.process(place); });
  }

  // Counted, never inserted: rows must not move under the pointer. The last of a full page moved up from the next.
  function announce(pill, served) {
    const shown = $$(`#list tr[data-kind="${pill.dataset.liveNew}"]`, served)
      .map((row) => Boolean(document.getElementById(row.id)));
    const end = $("[data-next-page]", served) ? shown.lastIndexOf(true) : shown.length;
    const unseen = shown.filter((there, at) => !there && at < end).length;
    write($("[data-live-new-count]", pill), String(unseen));
    pill.hidden = !unseen;
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
  document.addEventListener("htmx:afterRequest", ({ detail }) => {
    if (detail.requestConfig?.verb === "get") return;
    acts += 1;
    soon(300);
  });
  document.addEventListener("htmx:afterSettle", ({ detail }) => {
    if (detail.target?.id === "list") acts += 1;
    if (detail.target?.querySelector?.("[data-watch]")) watch();
    behind();
    freed();
  });
  document.addEventListener("close", freed, true);
  document.addEventListener("focusout", freed);
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
