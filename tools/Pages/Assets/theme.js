// A reader's choice outlives the page where the browser lets it; files opened from disk may not.
(function () {
  var stored = null;
  try { stored = localStorage.getItem("notebook-theme"); } catch (error) { stored = null; }
  if (stored === "dark" || stored === "light") { document.documentElement.dataset.theme = stored; }
})();
