(function () {
  "use strict";
  var root = document.documentElement;
  var systemDark = window.matchMedia("(prefers-color-scheme: dark)");
  var themeButton = document.getElementById("toggle-theme");
  var codeButton = document.getElementById("toggle-code");

  function isDark() {
    return root.dataset.theme ? root.dataset.theme === "dark" : systemDark.matches;
  }

  // Charts and other live outputs listen to "nl-theme" and redraw themselves.
  function announceTheme() {
    themeButton.textContent = isDark() ? "Light" : "Dark";
    document.dispatchEvent(new CustomEvent("nl-theme", { detail: isDark() ? "dark" : "light" }));
  }

  themeButton.addEventListener("click", function () {
    root.dataset.theme = isDark() ? "light" : "dark";
    try { localStorage.setItem("notebook-theme", root.dataset.theme); } catch (error) { /* the choice lasts as long as the page */ }
    announceTheme();
  });
  systemDark.addEventListener("change", announceTheme);
  announceTheme();

  if (codeButton) { codeButton.addEventListener("click", function () {
    var show = codeButton.getAttribute("aria-pressed") !== "true";
    document.querySelectorAll("details.source").forEach(function (details) { details.open = show; });
    codeButton.setAttribute("aria-pressed", String(show));
    codeButton.textContent = show ? "Hide code" : "Show code";
  }); }

  // The table of contents follows the reader: the last heading above the upper third of the window.
  var links = Array.from(document.querySelectorAll(".contents a"));
  var headings = links.map(function (link) { return document.getElementById(decodeURIComponent(link.hash.slice(1))); });
  var waiting = false;

  function markPlace() {
    waiting = false;
    var current = 0;
    headings.forEach(function (heading, index) {
      if (heading && heading.getBoundingClientRect().top < Math.min(200, window.innerHeight / 3)) { current = index; }
    });
    links.forEach(function (link, index) {
      if (index === current) { link.setAttribute("aria-current", "true"); } else { link.removeAttribute("aria-current"); }
    });
  }

  window.addEventListener("scroll", function () {
    if (!waiting) { waiting = true; window.requestAnimationFrame(markPlace); }
  }, { passive: true });
  markPlace();
})();
