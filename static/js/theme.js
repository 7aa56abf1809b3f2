// Runs before the first paint, so a chosen theme or density never flashes. Storage may be forbidden: then the defaults stay.
try {
  document.documentElement.dataset.theme = localStorage.getItem("theme") || "auto";
  document.documentElement.dataset.density = localStorage.getItem("density") || "cosy";
} catch {}
