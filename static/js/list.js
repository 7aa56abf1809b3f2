// Lists: rows are driven by real focus on the row's link, so screen readers and :focus-within follow by themselves.
(() => {
  const $ = (selector, root = document) => root.querySelector(selector);
  const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];
  const rows = () => $$(".queue tbody tr[data-id]");
  const link = (row) => $(".row-link", row);
  const box = (row) => $(".c-select input", row);
  const selected = () => $$(".queue tbody .c-select input:checked");
  const current = () =>
    document.activeElement?.closest?.(".queue tbody tr[data-id]") ?? $(".queue tbody tr[aria-current]");
  const panelOpen = () => Boolean($("#panel .detail"));

  let lastAt = -1; // place of the row that is being worked on, for when it leaves the list
  let extending = 0;

  function focusRow(row) {
    if (!row) return;
    lastAt = rows().indexOf(row);
    link(row).focus({ preventScroll: true });
    row.scrollIntoView({ block: "nearest" });
  }

  function move(step, extend) {
    const all = rows();
    if (!all.length) return;
    const from = current();
    const at = from ? all.indexOf(from) + step : lastAt >= 0 ? lastAt : 0;
    const next = all[Math.max(0, Math.min(all.length - 1, at))];
    if (extend && from) [from, next].forEach((row) => { if (box(row)) box(row).checked = true; });
    focusRow(next);
    count();
    if (panelOpen() && !extend) follow(next);
  }

  // The panel follows after a moment, so that holding j does not load every row.
  function follow(row) {
    clearTimeout(extending);
    extending = setTimeout(() => open(row), 110);
  }

  function mark(row) {
    rows().forEach((other) => other.removeAttribute("aria-current"));
    row.setAttribute("aria-current", "true");
    row.classList.remove("unread");
    lastAt = rows().indexOf(row);
    address("sel", row.dataset.id);
  }

  function open(row) {
    if (!row) return;
    const target = link(row);
    if (!target.hasAttribute("hx-get")) { target.click(); return; }
    mark(row);
    htmx.ajax("GET", target.getAttribute("hx-get"), { source: target, target: "#panel", swap: "innerHTML" });
  }

  function address(name, value) {
    const url = new URL(location);
    if (value) url.searchParams.set(name, value); else url.searchParams.delete(name);
    history.replaceState(history.state, "", url);
  }

  function closePanel() {
    const row = $(".queue tr[aria-current]");
    $("#panel").replaceChildren();
    address("sel", "");
    row?.removeAttribute("aria-current");
    if (row) focusRow(row);
  }

  function count() {
    const chosen = selected().length;
    $$("[data-selected]").forEach((place) => { place.textContent = chosen; });
    const all = $("[data-select-page]");
    const every = chosen > 0 && chosen === rows().length;
    if (all) { all.checked = every; all.indeterminate = chosen > 0 && !every; }
    const offer = $("[data-all-matching]");
    if (offer) { offer.hidden = !every; if (!every) $("input", offer).checked = false; }
  }

  function clear() {
    selected().forEach((input) => { input.checked = false; });
    count();
  }

  function selectPage() {
    const boxes = rows().map(box).filter(Boolean);
    const on = !boxes.every((input) => input.checked);
    boxes.forEach((input) => { input.checked = on; });
    count();
  }

  function selectRow() {
    const row = current();
    if (row && box(row)) { box(row).checked = !box(row).checked; count(); }
  }

  // An action key: the selection if there is one, else the open panel, else the row in focus.
  function act(keys) {
    const find = (root) => root && $$(`[aria-keyshortcuts~="${CSS.escape(keys)}"]`, root)
      .find((button) => !button.disabled && button.getAttribute("aria-disabled") !== "true");
    const bulk = find($("[data-bulk]"));
    if (bulk && selected().length) { bulk.click(); return true; }
    const shown = find($("#panel")) || find($("main > .detail, main .detail-page"));
    if (shown) { shown.click(); return true; }
    const row = current();
    if (bulk && row && box(row)) { box(row).checked = true; count(); bulk.click(); return true; }
    const other = find($("main"));
    if (other) { other.click(); return true; }
    return false;
  }

  function otherView(step) {
    const views = $$("[data-view]");
    const at = views.findIndex((view) => view.hasAttribute("aria-current"));
    views[(at + step + views.length) % views.length]?.click();
  }

  function escape() {
    if (selected().length) clear();
    else if (panelOpen()) closePanel();
  }

  function filters() {
    const first = $("[data-filter]");
    first?.focus();
    first?.click();
  }

  const plain = {
    j: () => move(1, false),
    k: () => move(-1, false),
    o: () => open(current()),
    x: selectRow,
    f: filters,
    "/": () => $("#q")?.focus(),
    "[": () => otherView(-1),
    "]": () => otherView(1),
  };
  const shifted = { j: () => move(1, true), k: () => move(-1, true), x: selectPage };

  document.addEventListener("keydown", (event) => {
    if (event.metaKey || event.ctrlKey || event.altKey || event.defaultPrevented || $("dialog[open]")) return;
    if (q2c.typing(event.target)) { if (event.key === "Escape") event.target.blur(); return; }
    if (event.key === "Escape") { if (!$(":popover-open")) escape(); return; }
    if (event.key === "Enter" && event.shiftKey && current()) {
      event.preventDefault();
      location.assign(link(current()).href);
      return;
    }
    if (!q2c.singleKeys() || event.key.length !== 1) return;
    const key = event.key.toLowerCase();
    const own = event.shiftKey && /[a-z]/.test(key) ? shifted[key] : plain[event.key];
    if (own) { event.preventDefault(); own(); return; }
    if (/[a-z0-9]/.test(key) && act(event.shiftKey ? `Shift+${key.toUpperCase()}` : key)) event.preventDefault();
  });

  document.addEventListener("click", (event) => {
    if (event.metaKey || event.ctrlKey) return;
    const target = event.target.closest("[data-close-panel], [data-clear], [data-copy], .row-link[hx-get]");
    if (!target) return;
    if (target.matches(".row-link")) mark(target.closest("tr"));
    if ("closePanel" in target.dataset) closePanel();
    if ("clear" in target.dataset) clear();
    if ("copy" in target.dataset) {
      navigator.clipboard?.writeText(new URL(target.dataset.copy, location).href)
        .then(() => q2c.toast({ text: "Link copied." }));
    }
  });

  // A click anywhere in a row opens it: not on what acts by itself, nor at the end of marking text.
  document.addEventListener("click", (event) => {
    const row = event.target.closest(".queue tbody tr[data-id]");
    if (!row || event.metaKey || event.ctrlKey || String(getSelection())) return;
    if (!event.target.closest("a, button, input, label, .c-select")) open(row);
  });

  document.addEventListener("change", ({ target }) => {
    if ("selectPage" in target.dataset) {
      rows().map(box).filter(Boolean).forEach((input) => { input.checked = target.checked; });
    }
    if (target.closest(".c-select")) count();
  });

  // Work goes on where it was: when the row in focus left the list, the row that took its place gets the focus.
  document.addEventListener("htmx:beforeRequest", () => {
    const row = current();
    if (row) lastAt = rows().indexOf(row);
  });
  // A filter menu stays open over the list it just changed, so that a second box can be ticked.
  let menuId = "";
  let boxId = "";
  document.addEventListener("htmx:beforeSwap", ({ detail }) => {
    if (detail.target?.id !== "list") return;
    menuId = $("#list .menu:popover-open")?.id || "";
    boxId = document.activeElement?.id || "";
  });
  document.addEventListener("htmx:afterSettle", ({ detail }) => {
    if (menuId && detail.target?.id === "list") {
      document.getElementById(menuId)?.showPopover();
      document.getElementById(boxId)?.focus();
      menuId = "";
    }
    count();
    const lost = document.activeElement === document.body || !document.activeElement;
    const acted = detail.requestConfig?.verb && detail.requestConfig.verb !== "get";
    if (acted && lost && lastAt >= 0 && rows().length) focusRow(rows()[Math.min(lastAt, rows().length - 1)]);
    if (detail.target?.id === "list") $(".tabs a[aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });
  });
})();
