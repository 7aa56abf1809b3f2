// The frame around every page: theme, density, menus, dialogs, jump, toasts, keys that work anywhere.
(() => {
  const $ = (selector, root = document) => root.querySelector(selector);
  const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];
  const root = document.documentElement;

  const store = {
    get(key) {
      try { return localStorage.getItem(key); } catch { return null; }
    },
    set(key, value) {
      try { localStorage.setItem(key, value); } catch { /* private mode: the choice lasts for this page */ }
    },
  };

  // Single keys can be switched off (WCAG 2.1.4); list.js asks here before it acts on one.
  let keysOn = store.get("keys") !== "off";
  const typing = (element) =>
    element.matches("input:not([type=checkbox], [type=radio]), textarea, select, [contenteditable]");
  window.q2c = { singleKeys: () => keysOn, typing, toast };

  function setTheme(theme) {
    root.dataset.theme = theme;
    store.set("theme", theme);
    $$("[data-theme-set]").forEach((input) => { input.checked = input.value === theme; });
  }

  function nextTheme() {
    const dark = getComputedStyle(document.body).colorScheme === "dark"
      || (root.dataset.theme === "auto" && matchMedia("(prefers-color-scheme: dark)").matches);
    setTheme(dark ? "light" : "dark");
  }

  function setDensity(density) {
    root.dataset.density = density;
    store.set("density", density);
  }

  function setKeys(on) {
    keysOn = on;
    store.set("keys", on ? "on" : "off");
    $$("[data-keys-toggle]").forEach((box) => { box.checked = on; });
  }

  function toggleMenu(button, open = button.getAttribute("aria-expanded") !== "true") {
    button.setAttribute("aria-expanded", String(open));
    document.getElementById(button.dataset.menu).classList.toggle("open", open);
  }

  function openDialog(id) {
    const dialog = document.getElementById(id);
    if (!dialog || dialog.open) return;
    $$(":popover-open").forEach((menu) => menu.hidePopover());
    dialog.showModal();
    const first = $("input:not([type=hidden]):enabled, select:enabled, textarea:enabled", dialog);
    first?.focus({ preventScroll: true });
    if (first?.type === "search") first.select();
  }

  // An open popover stands in the top layer, away from its button; this puts it under the button again.
  function placeMenu(menu) {
    const button = menu.closest(".menu-anchor")?.querySelector("[popovertarget]");
    if (!button) return;
    const at = button.getBoundingClientRect();
    const left = menu.classList.contains("menu-end") ? at.right - menu.offsetWidth : at.left;
    menu.style.top = `${Math.min(at.bottom + 4, innerHeight - menu.offsetHeight - 8)}px`;
    menu.style.left = `${Math.max(8, Math.min(left, innerWidth - menu.offsetWidth - 8))}px`;
  }

  document.addEventListener("toggle", ({ target, newState }) => {
    if (newState === "open" && target.matches(".menu")) placeMenu(target);
  }, true);

  // Toasts stay 8 s, longer while pointed at or focused; what can be undone is also in the activity of the record.
  function toast({ text, undo_url: undoUrl, target }) {
    const note = document.createElement("p");
    note.className = "toast";
    const words = note.appendChild(document.createElement("span"));
    words.textContent = text;
    if (undoUrl) {
      const undo = note.appendChild(document.createElement("button"));
      undo.type = "button";
      undo.textContent = "Undo";
      undo.addEventListener("click", () => {
        note.remove();
        htmx.ajax("POST", undoUrl, { target: target || "#list", swap: target || $("#list") ? "innerHTML" : "none" });
      });
    }
    $("#toasts").append(note);
    fade(note);
  }

  function fade(note) {
    let left = 8;
    const timer = setInterval(() => {
      if (note.matches(":hover, :focus-within")) return;
      left -= 1;
      if (left <= 0) { clearInterval(timer); note.remove(); }
    }, 1000);
  }

  document.addEventListener("click", (event) => {
    const button = event.target.closest(
      "[data-menu], [data-dialog], [data-close-dialog], [data-theme-next], [data-density-next], [data-fill]",
    );
    if (!button) return;
    const { menu, dialog, fill } = button.dataset;
    if (menu) toggleMenu(button);
    if (dialog) openDialog(dialog);
    if ("closeDialog" in button.dataset) button.closest("dialog").close();
    if ("themeNext" in button.dataset) nextTheme();
    if ("densityNext" in button.dataset) setDensity(root.dataset.density === "compact" ? "cosy" : "compact");
    if (fill) Object.entries(JSON.parse(fill)).forEach(([name, value]) => { button.form.elements[name].value = value; });
  });

  document.addEventListener("change", ({ target }) => {
    if ("themeSet" in target.dataset) setTheme(target.value);
    if ("keysToggle" in target.dataset) setKeys(target.checked);
  });

  // A click on the backdrop closes a dialog that holds nothing typed.
  document.addEventListener("click", ({ target }) => {
    if (target.matches?.("dialog[open]") && !$("form[method=post], form[hx-post]", target)) target.close();
  });

  let goUntil = 0;
  document.addEventListener("keydown", (event) => {
    const key = event.key.toLowerCase();
    if ((event.metaKey || event.ctrlKey) && key === "k") {
      event.preventDefault();
      openDialog("jump-dialog");
      return;
    }
    if (event.metaKey || event.ctrlKey || event.altKey || event.defaultPrevented) return;
    const menuButton = $("[data-menu][aria-expanded=true]");
    if (key === "escape" && menuButton) { toggleMenu(menuButton, false); menuButton.focus(); return; }
    const results = event.target.closest?.(".jump-dialog");
    if (results) { moveInResults(event, results); return; }
    if (!keysOn || typing(event.target) || $("dialog[open]")) return;
    if (event.key === "?") { event.preventDefault(); openDialog("help-dialog"); return; }
    if (Date.now() < goUntil) {
      goUntil = 0;
      const link = $(`[data-go="${CSS.escape(key)}"]`);
      if (link) { event.preventDefault(); event.stopImmediatePropagation(); link.click(); }
    } else if (key === "g" && !event.shiftKey) {
      goUntil = Date.now() + 1200;
    }
  });

  function moveInResults(event, dialog) {
    const links = $$(".jump-results a", dialog);
    const at = links.indexOf(document.activeElement);
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step && links.length) {
      event.preventDefault();
      (links[at + step] || $("input", dialog)).focus();
    } else if (event.key === "Enter" && at < 0 && links.length) {
      event.preventDefault();
      links[0].click();
    }
  }

  document.addEventListener("toast", (event) => toast(event.detail));
  document.addEventListener("close-dialog", () => $$("dialog[open]").forEach((dialog) => dialog.close()));
  document.addEventListener("htmx:responseError", ({ detail }) => {
    const status = detail.xhr.status;
    const words = status === 403 ? "You may not do this. Nothing was changed."
      : status === 404 ? "This is not there any more. Load the list again."
        : `The hub answered ${status}. Nothing was changed here; try again.`;
    toast({ text: words });
  });
  document.addEventListener("htmx:sendError", () =>
    toast({ text: "The hub did not answer. Check the connection and try again." }));
  // A dialog that htmx fills opens once its content is there.
  document.addEventListener("htmx:afterSwap", ({ detail }) => {
    const dialog = detail.target.closest?.("dialog");
    if (dialog && !dialog.open && !dialog.contains(document.activeElement)) openDialog(dialog.id);
  });
  // Signed out in the meantime: the answer is the sign-in page, which must not land in a fragment.
  document.addEventListener("htmx:beforeSwap", (event) => {
    if (event.detail.xhr.responseURL.includes("/sign-in/")) { event.preventDefault(); location.reload(); }
  });

  // Pointing at or focusing a document outlines what it came from and what came of it.
  const relate = (on) => ({ target }) => {
    const source = target.closest?.("[data-related]");
    if (!source) return;
    source.dataset.related.split(" ").filter(Boolean).forEach((key) =>
      $$(`[data-document="${CSS.escape(key)}"]`).forEach((other) => other.classList.toggle("related", on)));
  };
  ["pointerover", "focusin"].forEach((name) => document.addEventListener(name, relate(true)));
  ["pointerout", "focusout"].forEach((name) => document.addEventListener(name, relate(false)));

  document.addEventListener("DOMContentLoaded", () => {
    setTheme(root.dataset.theme);
    setKeys(keysOn);
    $$("[data-toast]").forEach(fade);
    $(".tabs a[aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });
  });
})();
