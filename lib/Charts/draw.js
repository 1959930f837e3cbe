// Draws every chart of this page that is not drawn yet, in the ink of the place where it stands, and again when the theme or the width changes.
// Carried by each chart: a front end may show any one of them alone. plotly.js itself is on the page once, see PlotlyScript.
(function () {
  'use strict';
  if (window.nlCharts) { window.nlCharts.drawAll(); return; }

  const patienceMs = 20000, retryMs = 150, lateRetryMs = 1000, paperWidth = 640;
  const startedAt = Date.now();
  let printing = false, wait = 0;

  const opaque = color => { const parts = color.match(/[\d.]+/g); return parts && (parts.length < 4 || Number(parts[3]) > 0.5) ? parts.slice(0, 3).map(Number) : null; };
  const rgba = (rgb, alpha) => 'rgba(' + rgb.join(',') + ',' + alpha + ')';

  function themeAt(element) {
    const ink = printing ? [20, 20, 20] : opaque(getComputedStyle(element).color) || [90, 90, 90];
    let paper = null;
    for (let node = element; node && !paper && !printing; node = node.parentElement) { paper = opaque(getComputedStyle(node).backgroundColor); }
    const isInkLight = ink[0] * 0.3 + ink[1] * 0.59 + ink[2] * 0.11 > 128;
    return { ink: rgba(ink, 1), grid: rgba(ink, 0.13), line: rgba(ink, 0.35), paper: rgba(paper || (isInkLight ? [30, 30, 30] : [255, 255, 255]), 1) };
  }

  function themed(layout, theme, font) {
    const copy = JSON.parse(JSON.stringify(layout));
    copy.font = { color: theme.ink, family: font, size: 13 };
    copy.hoverlabel = { bgcolor: theme.paper, bordercolor: theme.line, font: { color: theme.ink, family: font, size: 13 }, align: 'left' };
    copy.modebar = { bgcolor: 'rgba(0,0,0,0)', color: theme.line, activecolor: theme.ink };
    // The page is laid out for paper only after this event, so the width of A4 and Letter within usual margins is taken.
    if (printing) { copy.width = paperWidth; copy.autosize = false; }
    for (const name of ['xaxis', 'yaxis', 'yaxis2']) {
      if (copy[name]) { Object.assign(copy[name], { gridcolor: theme.grid, linecolor: theme.line, tickcolor: theme.line }); }
    }
    return copy;
  }

  // A matrix is a tint over the page, so its numbers are written in the page's ink; Plotly's own choice does not look through the tint.
  const inked = (traces, theme) => traces.map(trace => trace.type === 'heatmap' ? Object.assign({}, trace, { textfont: { color: theme.ink } }) : trace);

  const config = { responsive: true, displaylogo: false, displayModeBar: 'hover', modeBarButtonsToRemove: ['lasso2d', 'select2d', 'autoScale2d'], toImageButtonOptions: { format: 'svg' } };

  function draw(chart) {
    const figure = JSON.parse(chart.dataset.figure);
    const plot = chart.querySelector('.nl-plot');
    const theme = themeAt(chart);
    chart.dataset.state = 'drawn';
    Promise.resolve(Plotly.react(plot, inked(figure.data, theme), themed(figure.layout, theme, getComputedStyle(chart).fontFamily), config)).then(
      () => { chart.querySelector('.nl-words').hidden = true; },
      error => { chart.dataset.state = 'failed'; chart.querySelector('.nl-words').hidden = false; console.error('nl-chart', error); });
    if (window.ResizeObserver && !chart.nlWatched) {
      chart.nlWatched = true;
      let width = plot.clientWidth;
      new ResizeObserver(() => {
        if (plot.clientWidth > 0 && plot.clientWidth !== width) { width = plot.clientWidth; Plotly.Plots.resize(plot); }
      }).observe(plot);
    }
  }

  function drawAll() {
    const waiting = document.querySelectorAll('.nl-chart[data-figure]:not([data-state])');
    if (waiting.length === 0) { return; }
    if (window.Plotly) { waiting.forEach(draw); return; }
    const isLate = Date.now() - startedAt > patienceMs;
    if (isLate) { waiting.forEach(chart => { chart.querySelector('.nl-words').hidden = false; }); }
    // However late plotly.js comes (the set-up cell run again), the charts are drawn then.
    clearTimeout(wait);
    wait = setTimeout(drawAll, isLate ? lateRetryMs : retryMs);
  }

  function redrawAll() {
    if (window.Plotly) { document.querySelectorAll('.nl-chart[data-state=drawn]').forEach(draw); }
  }

  let pending = 0;
  const redrawSoon = () => { clearTimeout(pending); pending = setTimeout(redrawAll, 60); };
  window.nlCharts = { drawAll };
  window.matchMedia('(prefers-color-scheme: dark)').addEventListener('change', redrawSoon);
  for (const node of [document.documentElement, document.body]) {
    if (node) { new MutationObserver(redrawSoon).observe(node, { attributes: true, attributeFilter: ['class', 'style', 'data-theme', 'data-vscode-theme-kind', 'data-jp-theme-light'] }); }
  }
  document.addEventListener('nl-theme', redrawSoon);
  window.addEventListener('beforeprint', () => { printing = true; redrawAll(); });
  window.addEventListener('afterprint', () => { printing = false; redrawAll(); });
  drawAll();
})();
