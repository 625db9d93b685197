// One miner: who it is, how it does and why, its boards, fans and pools, and its readings over time.

import { html, render, nothing } from '../vendor/lit.js';
import { draw as drawChart, RANGES } from '../chart.js';

/** @param {HTMLElement} root @param {any} ctx @param {{id: string}} params */
export function mount(root, ctx, params) {
  const { api, fmt } = ctx;
  /** @type {any} */
  let whole = null;
  /** @type {any[]} */
  let log = [];
  let problem = '';
  let range = RANGES[2];
  let ended = false;
  let endCharts = () => {};
  const pair = (/** @type {string} */ name, /** @type {any} */ value) => (value === undefined || value === null || value === '' ? nothing : html`<dt>${name}</dt><dd>${value}</dd>`);
  function draw() {
    if (!whole) return render(html`<div class="page"><h1>Miner</h1>${problem ? html`<div class="problem" role="alert">${problem}</div>` : html`<p class="empty">Loading…</p>`}</div>`, root);
    const { miner, record } = whole;
    const now = miner.snapshot ?? {};
    const who = now.identity ?? {};
    const heat = now.temperatures ?? {};
    const rates = now.hashrate ?? {};
    const place = record?.position ?? {};
    return render(html`<div class="page ${whole.live ? '' : 'stale'}">
      <div class="head"><h1>${miner.model}</h1><span class="badge ${miner.status}">${miner.status}</span><span class="dim grow">${miner.ip}, read ${whole.age_s === null ? 'never' : `${fmt.span(whole.age_s)} ago`}</span>
        ${ctx.may('operator') && whole.can.includes('locate') ? html`<button class="btn" @click=${() => ctx.go('/plans/new', { ids: [params.id], action: { kind: 'locate', on: now.light !== true } })}>${now.light === true ? 'Light off' : 'Light on'}</button>` : nothing}
        ${ctx.may('operator') ? html`<button class="btn" @click=${() => ctx.go('/plans/new', { ids: [params.id] })}>Command</button>` : nothing}
        <a class="btn" href=${whole.url} target="_blank" rel="noreferrer">Its own page</a></div>
      ${(miner.findings ?? []).map((/** @type {any} */ one) => html`<div class="finding ${one.severity}"><b>${one.rule.replaceAll('_', ' ')}</b>: ${one.message}</div>`)}
      <div class="cards">
        <div class="card tile"><div class="label">Hash rate</div><div class="value">${fmt.rate(rates.realtime_hs ?? rates.five_seconds_hs ?? rates.one_minute_hs ?? rates.five_minutes_hs ?? rates.average_hs)}</div><div class="under">${fmt.rate(rates.expected_hs ?? rates.nameplate_hs)} expected</div></div>
        <div class="card tile"><div class="label">Hottest chip</div><div class="value">${fmt.celsius(heat.chip_max_celsius)}</div><div class="under">board ${fmt.celsius(heat.board_max_celsius)}</div></div>
        <div class="card tile"><div class="label">Power</div><div class="value">${fmt.power(now.power_w)}</div><div class="under">${fmt.efficiency(now.efficiency_j_per_th)}</div></div>
        <div class="card tile"><div class="label">Running for</div><div class="value">${fmt.span(now.elapsed_s ?? now.uptime_s)}</div><div class="under">${(now.fans ?? []).map((/** @type {any} */ fan) => fmt.rpm(fan.speed_rpm)).join(', ')}</div></div>
      </div>
      <div class="card"><div class="between"><h2>Over time</h2><div class="seg" role="group" aria-label="Length of time">${RANGES.map((one) => html`<button aria-pressed=${one === range} @click=${() => { range = one; draw(); charts(); }}>${one[0]}</button>`)}</div></div>
        <div class="chart" id="chart-rate"></div><div class="chart" id="chart-heat"></div></div>
      ${now.boards?.length ? html`<div class="card"><h2>Boards</h2><div class="boards">${now.boards.map((/** @type {any} */ one) => html`<div class="board ${one.present === false ? 'gone' : ''}"><b>${one.slot}</b> ${one.present === false ? 'missing' : fmt.rate(one.hashrate_hs)}
        <div class="dim">chips ${fmt.celsius(one.chip_temperature_celsius)}, board ${fmt.celsius(one.board_temperature_celsius)}${one.chips === undefined ? '' : `, ${one.chips} of ${one.chips_expected ?? '?'} chips`}</div></div>`)}</div></div>` : nothing}
      <div class="two"><div class="card"><h2>Who it is</h2><dl class="kv">${pair('make', who.make)}${pair('model', who.model)}${pair('firmware', [who.firmware?.family, who.firmware?.version].filter(Boolean).join(' '))}${pair('hardware address', who.mac_address)}${pair('serial number', who.serial)}${pair('name', who.hostname)}
          ${pair('stands at', ['site', 'building', 'rack', 'shelf', 'slot'].map((part) => place[part]).filter(Boolean).join(' / '))}${pair('labels', (record?.labels ?? []).join(', '))}${pair('notes', record?.notes)}</dl></div>
        <div class="card scroll" tabindex="0"><h2>Pools</h2><table class="list"><thead><tr><th>Pool</th><th>Worker</th><th>State</th><th class="num">Accepted</th></tr></thead><tbody>${(now.pools ?? []).map((/** @type {any} */ one) => html`<tr><td>${one.url ?? fmt.NONE}</td><td>${one.user ?? fmt.NONE}</td><td>${one.active ? 'active' : one.status ?? fmt.NONE}</td><td class="num">${fmt.count(one.accepted)}</td></tr>`)}</tbody></table></div></div>
      <div class="card"><h2>What happened</h2><ul class="happened">${log.map((one) => html`<li><span class="dim nowrap">${fmt.clock(one.at_ms).slice(-8)}</span><span class=${one.severity}>${fmt.sign(one.severity)}</span><span>${one.text}</span></li>`)}</ul>${log.length ? nothing : html`<p class="empty">Nothing was recorded.</p>`}</div>
    </div>`, root);
  }
  async function load() {
    try { whole = await api.get(`/miners/${params.id}`); problem = ''; } catch (error) { problem = /** @type {Error} */ (error).message; }
    if (!ended) draw();
  }
  async function charts() {
    try {
      const told = await api.get('/history', { of: `miner:${params.id}`, metric: 'hashrate,temp_chip_max', from: -range[1], points: 700 });
      if (ended) return;
      endCharts();
      const ends = [['#chart-rate', 'hashrate', 'hash rate', fmt.rate, true], ['#chart-heat', 'temp_chip_max', 'hottest chip', fmt.celsius, false]].map(([at, metric, name, format, zero]) => {
        const element = /** @type {HTMLElement|null} */ (root.querySelector(at));
        const series = told.series.filter((/** @type {any} */ one) => one.metric === metric);
        element?.classList.toggle('hidden', !series.length);
        return element && series.length ? drawChart(element, { series, names: [name], from: told.from_ms, to: told.to_ms, format, height: 150, zero }) : () => {};
      });
      endCharts = () => ends.forEach((end) => end());
    } catch (error) { problem = /** @type {Error} */ (error).message; }
  }
  draw();
  (async () => {
    await load();
    if (ended || !whole) return;
    charts();
    log = (await api.get('/log', { of: `miner:${params.id}`, limit: 50 }).catch(() => ({ entries: [] }))).entries;
    if (!ended) draw();
  })();
  const timer = setInterval(load, 5_000);
  return () => { ended = true; clearInterval(timer); endCharts(); };
}
