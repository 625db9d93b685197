// The farm at a glance: what it does, what is wrong, what has changed.

import { html, render, nothing } from '../vendor/lit.js';
import { draw as drawChart, RANGES } from '../chart.js';
import { choice, filtered, happened, quoted } from '../parts.js';

/** @param {HTMLElement} root @param {any} ctx */
export function mount(root, ctx) {
  const { feed, fmt, api } = ctx;
  let range = RANGES[2];
  let endChart = () => {};
  let chartProblem = '';
  let asked = 0;
  let ended = false;
  /** What happened before this page was opened. @type {any[]} */
  let before = [];

  function draw() {
    const now = feed.overview;
    if (!now) return render(html`<div class="page"><p class="empty">Waiting for the first numbers…</p></div>`, root);
    const cover = now.coverage;
    const share = now.performance.ratio;
    const stale = cover.miners > 0 && cover.live === 0;
    const parts = ['active', 'warning', 'dead', 'paused', 'scanning'].filter((name) => cover[name]);
    const of = (/** @type {number} */ n) => (n === cover.live ? `all ${fmt.count(n)} live miners` : `${fmt.count(n)} of ${fmt.count(cover.live)} live miners`);
    const age = cover.oldest_reading_ms ? (now.taken_at_ms - cover.oldest_reading_ms) / 1000 : null;
    return render(html`<div class="page ${stale ? 'stale' : ''}">
      <div class="head"><h1>Overview</h1><span class="dim grow">${cover.miners
        ? html`${fmt.count(cover.live)} of ${fmt.soMany(cover.miners, 'miner')} heard from${age === null ? '' : ` within ${fmt.span(age)}`}${now.service.scanning_since_ms ? ', looking for more' : ''}`
        : 'no miners are known'}</span></div>
      ${cover.miners ? nothing : html`<div class="card"><h2>No miners yet</h2><p>Find them: name a network on the scan page, or in the configuration of the service.</p><a class="btn primary" href="/scan">Look for miners</a></div>`}
      <div class="cards">
        <div class="card tile"><div class="label">Hash rate</div><div class="value" data-is="hashrate">${fmt.rate(now.hashrate.value_hs)}</div><div class="under">${of(now.hashrate.of)}</div></div>
        <div class="card tile"><div class="label">Of what is expected</div><div class="value ${share !== null && share < 0.9 ? 'warn' : ''}">${fmt.percent(share)}</div><div class="under">${of(now.performance.of)}</div></div>
        <div class="card tile"><div class="label">Power</div><div class="value">${fmt.power(now.power.value_w)}</div><div class="under">${of(now.power.of)}</div></div>
        <div class="card tile"><div class="label">Efficiency</div><div class="value">${fmt.efficiency(now.efficiency.value_j_per_th)}</div><div class="under">where both are told</div></div>
      </div>
      <div class="card">
        <div class="between"><h2>Miners</h2><a href="/miners">All ${fmt.count(cover.miners)}</a></div>
        <div class="bar" aria-hidden="true">${parts.map((name) => html`<i class=${name} .style=${`width:${(cover[name] / cover.miners) * 100}%`}></i>`)}</div>
        <div class="counts">${parts.map((name) => html`<a href=${filtered(`status:${name}`)}><span class=${name === 'active' ? 'good' : name}>${fmt.status(name)[0]}</span> <b>${fmt.count(cover[name])}</b> ${fmt.status(name)[1]}</a>`)}</div>
      </div>
      <div class="card">
        <div class="between"><h2>Hash rate and power</h2>${choice('Length of time', RANGES.map((one) => [one, one[0]]), range, (one) => { range = one; draw(); loadChart(); })}</div>
        <div class="chart" id="chart"></div><div class="chart" id="chart-power"></div>
        ${chartProblem ? html`<p class="empty">${chartProblem}</p>` : nothing}
      </div>
      <div class="two">
        <div class="card"><h2>What is wrong</h2>
          ${now.reasons.length ? html`<div class="reasons">${now.reasons.slice(0, 12).map((/** @type {any} */ one) => html`
            <a href=${filtered(`rule:${one.rule}`)}><span class=${one.severity}>${fmt.sign(one.severity)}</span><span>${one.title}</span><span class="num">${fmt.soMany(one.miners, 'miner')}</span></a>`)}</div>`
            : html`<p class="empty">Nothing, as far as the miners tell.</p>`}
        </div>
        <div class="card"><div class="between"><h2>What happens</h2><a href="/log">Log</a></div>
          <p class="dim">Within the last hour: ${fmt.soMany(now.changed.statuses_last_hour, 'change')} of status, ${fmt.count(now.changed.met_last_hour)} met or moved, ${fmt.count(now.changed.vanished_last_hour)} vanished.</p>
          ${happened([...feed.happened, ...before].slice(0, 9))}
        </div>
      </div>
      ${now.sites.length > 1 || now.sites[0]?.site ? html`<div class="card scroll"><h2>Sites</h2><table class="list">
        <thead><tr><th>Site</th><th class="num">Miners</th><th class="num">Active</th><th class="num">Warning</th><th class="num">Dead</th><th class="num">Hash rate</th><th class="num">Power</th></tr></thead>
        <tbody>${now.sites.map((/** @type {any} */ one) => html`<tr><td><a href=${filtered(one.site === null ? 'site:?' : `site=${quoted(one.site)}`)}>${one.site ?? 'without a place'}</a></td>
          <td class="num">${fmt.count(one.miners)}</td><td class="num">${fmt.count(one.active)}</td><td class="num ${one.warning ? 'warn' : ''}">${fmt.count(one.warning)}</td><td class="num ${one.dead ? 'bad' : ''}">${fmt.count(one.dead)}</td>
          <td class="num">${fmt.rate(one.hashrate_hs)}</td><td class="num">${fmt.power(one.power_w)}</td></tr>`)}</tbody></table></div>` : nothing}
      <div class="card scroll"><h2>Models</h2>${now.models.length ? html`<table class="list"><thead><tr><th>Model</th><th class="num">Miners</th><th class="num">Hash rate</th></tr></thead>
        <tbody>${now.models.slice(0, 12).map((/** @type {any} */ one) => html`<tr><td><a href=${filtered(`model=${quoted(one.model)}`)}>${one.model}</a></td><td class="num">${fmt.count(one.miners)}</td><td class="num">${fmt.rate(one.hashrate_hs)}</td></tr>`)}</tbody></table>` : html`<p class="empty">None has been read yet.</p>`}</div>
    </div>`, root);
  }

  async function loadChart() {
    const turn = ++asked;
    try {
      const told = await api.get('/history', { of: 'fleet', metric: 'hashrate,power', from: -range[1], points: 700 });
      if (turn !== asked) return;
      endChart();
      chartProblem = told.series.length ? '' : 'Nothing was recorded in this time.';
      draw();
      const ends = ['hashrate', 'power'].map((metric, n) => {
        const element = /** @type {HTMLElement|null} */ (root.querySelector(n ? '#chart-power' : '#chart'));
        const series = told.series.filter((/** @type {any} */ one) => one.metric === metric);
        element?.classList.toggle('hidden', !series.length);
        if (!element || !series.length) return () => {};
        return drawChart(element, { series, names: [n ? 'power' : 'hash rate'], from: told.from_ms, to: told.to_ms, format: n ? fmt.power : fmt.rate, height: n ? 110 : 170, zero: true });
      });
      endChart = () => ends.forEach((end) => end());
    } catch (error) {
      if (turn !== asked) return;
      chartProblem = /** @type {Error} */ (error).message;
      draw();
    }
  }

  draw();
  loadChart();
  const opened = feed.happened.at(-1)?.at_ms ?? Date.now();
  api.get('/log', { limit: 9, from: -86400e3 }).then((/** @type {any} */ told) => { before = told.entries.filter((/** @type {any} */ one) => one.at_ms < opened); if (!ended) draw(); }).catch(() => {});
  const stops = [feed.on('overview', draw), feed.on('happened', draw)];
  const timer = setInterval(loadChart, 60_000);
  const themed = () => loadChart();
  window.addEventListener('theme', themed);
  return () => {
    ended = true;
    stops.forEach((stop) => stop());
    clearInterval(timer);
    window.removeEventListener('theme', themed);
    asked++;
    endChart();
  };
}
