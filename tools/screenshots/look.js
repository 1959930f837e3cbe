// Looks at a page of the runner: nothing in the console, nothing requested, every chart drawn, contents that lead somewhere, light and dark that can be read,
// a phone's width without sideways scrolling. Then pictures: light, dark and narrow.
import { mkdirSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { chromium } from 'playwright-core';

const [pagePath, folder] = process.argv.slice(2);
const name = basename(pagePath, '.html');
const mostBytes = 200_000;
const flags = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'];
let failures = 0;

function check(what, complaints) {
  failures += complaints.length > 0 ? 1 : 0;
  console.log(complaints.length > 0 ? `FAILED  ${what}: ${complaints.join('; ')}` : `ok      ${what}`);
}

const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: flags });

async function open(options) {
  const context = await browser.newContext({ viewport: { width: 1200, height: 900 }, offline: true, reducedMotion: 'reduce', ...options });
  const page = await context.newPage();
  const noise = [], requests = [];
  page.on('console', message => { if (['error', 'warning'].includes(message.type())) { noise.push(message.text()); } });
  page.on('pageerror', error => noise.push(error.message));
  page.on('request', request => { if (!/^(data|blob):/.test(request.url()) && request.url() !== pathToFileURL(pagePath).href) { requests.push(request.url()); } });
  await page.goto(pathToFileURL(pagePath).href);
  await page.waitForFunction(() => [...document.querySelectorAll('.nl-chart[data-figure]')].every(chart => chart.dataset.state), null, { timeout: 30_000 }).catch(() => {});
  await page.waitForTimeout(500);
  return { page, noise, requests };
}

// Marks are what Plotly draws for data, not the axes: lines, points, bars, tiles.
const chartsOf = page => page.evaluate(() => [...document.querySelectorAll('.nl-chart')].map(chart => ({
  title: chart.getAttribute('aria-label').split('\n')[0],
  marks: chart.querySelectorAll('.nl-plot :is(g.trace path, g.trace .point, .heatmaplayer image), .nl-plot canvas').length,
  ink: getComputedStyle(chart.querySelector('.nl-plot svg text') ?? chart).fill,
})));

const look = page => page.evaluate(() => {
  const channels = color => color.match(/[\d.]+/g).map(Number);
  const luminance = color => (channels(color)[3] === 0 ? [255, 255, 255] : channels(color).slice(0, 3)).map(v => v / 255).map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4).reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const style = getComputedStyle(document.body);
  const [paper, ink] = [luminance(style.backgroundColor), luminance(style.color)];
  const inks = [...document.querySelectorAll('.nl-plot svg .xtick text')].map(text => luminance(getComputedStyle(text).fill));
  const contrast = other => (Math.max(paper, other) + 0.05) / (Math.min(paper, other) + 0.05);
  return { isDark: paper < ink, contrast: Math.min(contrast(ink), ...inks.map(contrast)) };
});

async function checkTheme(page, what, isDark) {
  await page.waitForTimeout(600);
  const { isDark: seen, contrast } = await look(page);
  check(what, [...seen === isDark ? [] : [`the page is ${seen ? 'dark' : 'light'}`], ...contrast >= 4.5 ? [] : [`contrast ${contrast.toFixed(1)}, expected 4.5`]]);
}

async function checkContents(page) {
  const complaints = [];
  const links = page.locator('.contents a');
  for (let i = 0; i < await links.count(); i++) {
    await links.nth(i).click();
    const found = await page.evaluate(index => {
      const link = document.querySelectorAll('.contents a')[index];
      const heading = document.getElementById(decodeURIComponent(link.hash.slice(1)));
      const isAtEnd = window.scrollY + window.innerHeight >= document.documentElement.scrollHeight - 2;
      const top = heading?.getBoundingClientRect().top;
      return !heading ? 'leads nowhere' : heading.textContent.trim() !== link.textContent.trim() ? `leads to "${heading.textContent}"` : top < 0 || (top > 200 && !isAtEnd) ? `ends ${Math.round(top)} px from the top` : '';
    }, i);
    if (found) { complaints.push(`"${await links.nth(i).textContent()}" ${found}`); }
  }
  check(`contents: ${await links.count()} links`, await links.count() === 0 ? ['none'] : complaints);
}

/** A picture from the first of these selectors that the page has, else from the top; cut from below until it is small enough to commit. */
async function picture(page, kind, height, selectors = []) {
  const path = join(folder, `${name}-${kind}.png`);
  const { x, y, width, end } = await page.evaluate(candidates => {
    document.querySelectorAll('.run-bar, .contents').forEach(fixed => { fixed.style.position = 'static'; });
    window.scrollTo(0, 0);
    const end = document.documentElement.scrollHeight;
    const start = candidates.map(selector => document.querySelector(selector)).find(element => element)?.getBoundingClientRect();
    const main = document.querySelector('main').getBoundingClientRect();
    return start ? { x: Math.max(0, main.left - 24), y: start.top - 24, width: Math.min(window.innerWidth, main.width + 24), end } : { x: 0, y: 0, width: window.innerWidth, end };
  }, selectors);
  for (let cut = Math.min(height, end - y); ; cut = Math.round(cut * 0.9)) {
    await page.screenshot({ path, fullPage: true, clip: { x, y, width, height: cut } });
    if (statSync(path).size < mostBytes || cut < 200) { break; }
  }
  console.log(`        ${path}, ${Math.round(statSync(path).size / 1000)} kB`);
}

mkdirSync(folder, { recursive: true });
const { page, noise, requests } = await open({ colorScheme: 'light' });
const charts = await chartsOf(page);
check(`charts: ${charts.length}, each drawn`, charts.filter(chart => chart.marks === 0).map(chart => `"${chart.title}" has no marks`));
await checkContents(page);
await checkTheme(page, 'light, as the system asks', false);
await picture(page, 'light', 1500);
await page.click('#toggle-theme');
await checkTheme(page, 'dark, by the page’s switch', true);
await page.emulateMedia({ media: 'print' });
await page.evaluate(() => window.dispatchEvent(new Event('beforeprint')));
await checkTheme(page, 'on paper, light whatever the switch says', false);
check('console', noise);
check('network', requests);

const dark = await open({ colorScheme: 'dark' });
await checkTheme(dark.page, 'dark, as the system asks', true);
await picture(dark.page, 'dark', 1500, ['.nl-panel', '.nl-chart-box']);
await dark.page.click('#toggle-theme');
await checkTheme(dark.page, 'light, by the page’s switch', false);

const narrow = await open({ colorScheme: 'light', viewport: { width: 390, height: 844 } });
const overflow = await narrow.page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
check('narrow: 390 pixels', overflow > 1 ? [`${overflow} pixels wider than the window`] : []);
await picture(narrow.page, 'narrow', 1200, ['.nl-panel', '.nl-chart-box']);
check('console and network, dark and narrow', [...dark.noise, ...dark.requests, ...narrow.noise, ...narrow.requests]);

await browser.close();
process.exit(failures > 0 ? 1 : 0);
