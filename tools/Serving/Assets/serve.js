// The page of `serve`: asks the server that it came from, and shows what it says. Everything from a text goes in as text, never as markup.
(function () {
  'use strict';
  var root = document.documentElement;
  try {
    var stored = localStorage.getItem('notebook-theme');
    if (stored === 'dark' || stored === 'light') { root.dataset.theme = stored; }
  } catch (error) { /* A browser may keep nothing. */ }

  document.addEventListener('DOMContentLoaded', function () {
    var at = function (id) { return document.getElementById(id); };
    var types = JSON.parse(document.body.dataset.types);
    var pause = 500;
    var timer = 0;
    var running = null;

    function element(name, className, text) {
      var made = document.createElement(name);
      if (className) { made.className = className; }
      if (text !== undefined) { made.textContent = text; }
      return made;
    }

    function colorOf(label) {
      var type = /^[BI]-./.test(label) ? label.slice(2) : label;
      var place = Math.max(0, types.indexOf(type));
      return 'entity c' + place % 7 + (Math.floor(place / 7) % 2 === 1 ? ' again' : '');
    }

    function request() {
      return JSON.stringify({ inputs: at('text').value, parameters: { aggregation_strategy: at('strategy').value, threshold: Number(at('threshold').value) } });
    }

    function showCommand() {
      at('curl').textContent = 'curl ' + new URL('.', location.href).href + " -H 'Content-Type: application/json' \\\n  -d '" + request().replaceAll("'", "'\\''") + "'";
    }

    // Places count code points, a string's own indices count UTF-16 units. A place may begin with the space before its word.
    function show(text, entities) {
      var points = Array.from(text);
      var marked = document.createDocumentFragment();
      var rows = document.createDocumentFragment();
      var next = 0;
      entities.forEach(function (entity) {
        var label = entity.entity_group ?? entity.entity;
        var start = entity.start;
        while (start < entity.end && /\s/.test(points[start])) { start++; }
        var words = points.slice(start, entity.end).join('');
        if (start >= next && start < entity.end) {
          marked.append(points.slice(next, start).join(''));
          var mark = element('mark', colorOf(label), words);
          mark.append(element('b', '', label), element('small', '', entity.score.toFixed(2)));
          marked.append(mark);
          next = entity.end;
        }
        var row = element('tr');
        var type = element('td');
        type.append(element('span', colorOf(label), label));
        row.append(element('td', '', words), type, element('td', 'number', entity.score.toFixed(4)), element('td', 'number', start + '–' + entity.end));
        rows.append(row);
      });
      marked.append(points.slice(next).join(''));
      at('marked').replaceChildren(marked);
      at('rows').replaceChildren(rows);
      at('marked').hidden = text.length === 0;
      at('found').hidden = entities.length === 0;
    }

    function fail(message) {
      at('fault').textContent = message;
      at('fault').hidden = false;
      at('status').textContent = '';
      at('marked').hidden = at('found').hidden = true;
    }

    async function ask() {
      clearTimeout(timer);
      showCommand();
      if (running) { running.abort(); }
      var own = running = new AbortController();
      var text = at('text').value;
      var started = performance.now();
      try {
        var response = await fetch('./', { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: request(), signal: own.signal });
        var answer = await response.json();
        if (own !== running) { return; }
        if (!response.ok) {
          fail(response.status === 503 ? 'The server is busy: ' + answer.error : answer.error);
          return;
        }
        at('fault').hidden = true;
        show(text, answer);
        at('status').textContent = (answer.length === 0 ? 'No entity' : answer.length === 1 ? '1 entity' : answer.length + ' entities') + ' found in ' + Math.round(performance.now() - started) + ' ms.';
      } catch (error) {
        if (own === running) { fail('The server does not answer; is it still running?'); }
      }
    }

    function later() {
      clearTimeout(timer);
      showCommand();
      timer = setTimeout(ask, pause);
    }

    function nameTheme() {
      var dark = root.dataset.theme ? root.dataset.theme === 'dark' : matchMedia('(prefers-color-scheme: dark)').matches;
      at('theme').textContent = dark ? 'Light' : 'Dark';
      return dark;
    }

    at('theme').addEventListener('click', function () {
      root.dataset.theme = nameTheme() ? 'light' : 'dark';
      nameTheme();
      try { localStorage.setItem('notebook-theme', root.dataset.theme); } catch (error) { /* Kept for this visit alone. */ }
    });
    at('ask').addEventListener('submit', function (event) { event.preventDefault(); ask(); });
    at('text').addEventListener('keydown', function (event) { if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) { event.preventDefault(); ask(); } });
    at('text').addEventListener('input', later);
    at('strategy').addEventListener('change', ask);
    at('threshold').addEventListener('change', function () { if (at('threshold').checkValidity()) { ask(); } });
    document.querySelectorAll('.example').forEach(function (button) {
      button.addEventListener('click', function () { at('text').value = button.dataset.text; ask(); });
    });
    nameTheme();
    ask();
  });
})();
