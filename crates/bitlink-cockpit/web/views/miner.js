// One miner: who it is, how it does and why, its boards, fans and pools, and its readings over time.

import { html, render, nothing } from '../vendor/lit.js';
import { locate } from '../actions.js';
import { draw as drawChart, RANGES } from '../chart.js';
import { board, fanList, faultTable, pairs, poolTable, psuList } from '../hardware.js';
import { choice, happened, place, problem as wrong, save, words } from '../parts.js';
import { editRecords } from './edit.js';

/** Charts: a heading, readings, how they are written, and whether 0 is in sight. @type {[string, string[], string, boolean][]} */
const CHARTS = [
  ['Hash rate', ['hashrate', 'hashrate_expected'], 'rate', true], ['Heat', ['temp_chip_max', 'temp_board_max', 'temp_inlet'], 'celsius', false],
  ['Power', ['power', 'power_limit'], 'power', true], ['Fans', ['fan.0.speed', 'fan.1.speed', 'fan.2.speed', 'fan.3.speed'], 'rpm', true],
  ['Boards', ['board.0.hashrate', 'board.1.hashrate', 'board.2.hashrate', 'board.3.hashrate'], 'rate', true], ['Board heat', ['board.0.chip_temperature', 'board.1.chip_temperature', 'board.2.chip_temperature', 'board.3.chip_temperature'], 'celsius', false],
  ['Rejected', ['rejected_ratio'], 'percent', true], ['Wrong nonces', ['hardware_error_ratio'], 'percent', true],
];

/** @param {HTMLElement} root @param {any} ctx @param {{id: string}} params */
export function mount(root, ctx, params) {
  const { api, fmt } = ctx;
  const path = `/miners/${encodeURIComponent(params.id)}`;
  /** @type {any} */
  let whole = null;
  /** @type {any[]} */
  let log = [];
  /** @type {any} */
  let raw = null;
  let problem = '';
  let chartProblem = '';
  let range = RANGES[2];
  let chart = CHARTS[0];
  let ended = false;
  let turn = 0;
  let endChart = () => {};

  const may = () => ctx.may('operator');
  const shown = (/** @type {any} */ evidence) => (evidence ? fmt.value({ kind: 'number', key: '', unit: evidence.unit }, evidence.value) : '');

  const finding = (/** @type {any} */ one) => html`<div class="finding ${one.severity}"><b>${words(one.rule)}</b>: ${one.message}
    <div class="dim">${[one.value && one.limit ? `${shown(one.value)}, limit ${shown(one.limit)}` : '', one.since_ms ? `since ${fmt.clock(one.since_ms)} (${fmt.ago(one.since_ms)})` : '', one.clears_when ? `over when ${one.clears_when}` : ''].filter(Boolean).join('; ')}</div></div>`;

  const head = (/** @type {any} */ miner, /** @type {any} */ now) => html`<div class="head"><h1>${miner.model}</h1><span class="badge ${miner.status}">${fmt.status(miner.status).join(' ')}</span>
    <span class="grow ${whole.live ? 'dim' : 'warn'}">${miner.ip}, ${whole.age_s === null ? 'never read' : `read ${fmt.span(whole.age_s)} ago`}${whole.live ? '' : ': what is shown is old'}</span>
    ${may() && whole.can.includes('locate') ? html`<button class="btn ${now.light_on === true ? 'on' : ''}" role="switch" aria-checked=${now.light_on === true} @click=${async () => { await locate(ctx, params.id, now.light_on !== true); load(); }}>${now.light_on === true ? '◉ Light on' : '○ Light'}</button>` : nothing}
    ${may() ? html`<button class="btn" @click=${() => ctx.go('/plans/new', { ids: [params.id] })}>Command</button><button class="btn" @click=${edit}>Place and labels</button>` : nothing}
    <a class="btn" href=${whole.url} target="_blank" rel="noreferrer">Its own page</a></div>`;

  const tile = (/** @type {string} */ label, /** @type {string} */ value, /** @type {string} */ under) => html`<div class="card tile"><div class="label">${label}</div><div class="value v">${value}</div><div class="under">${under}</div></div>`;

  function tiles(/** @type {any} */ now) {
    const rates = now.hashrate ?? {};
    const rate = rates.realtime_hs ?? rates.one_minute_hs ?? rates.five_minutes_hs ?? rates.fifteen_minutes_hs ?? rates.thirty_minutes_hs ?? rates.one_hour_hs ?? rates.average_hs;
    const expected = rates.expected_hs ?? rates.nameplate_hs;
    const heat = now.temperatures ?? {};
    const source = (/** @type {string} */ field) => ({ nameplate: ', by its model', derived: ', derived' })[/** @type {'derived'} */ (now.provenance?.[field])] ?? '';
    return html`<div class="cards">
      ${tile('Hash rate', fmt.rate(rate), fmt.known(expected) ? `${fmt.known(rate) ? `${fmt.percent(rate / expected)} of ` : ''}${fmt.rate(expected)} expected` : 'what is expected is not known')}
      ${tile('Hottest chip', fmt.celsius(heat.chip_max_celsius), `board ${fmt.celsius(heat.board_max_celsius)}${fmt.known(heat.inlet_celsius) ? `, inlet ${fmt.celsius(heat.inlet_celsius)}` : ''}`)}
      ${tile('Power', fmt.power(now.power_w), `${fmt.efficiency(now.efficiency_j_per_th)}${source('power_w')}${fmt.known(now.power_limit_w) ? `, limit ${fmt.power(now.power_limit_w)}` : ''}`)}
      ${tile('Mining for', fmt.span(now.elapsed_s), `${now.mining_state ? words(now.mining_state) : ''}${fmt.known(now.uptime_s) ? `, up ${fmt.span(now.uptime_s)}` : ''}`)}</div>`;
  }

  const who = (/** @type {any} */ miner, /** @type {any} */ now, /** @type {any} */ record) => {
    const is = now.identity ?? {};
    const firmware = is.firmware ?? {};
    return pairs([['make', is.make], ['model', is.model], ['says it is', is.model_raw === is.model ? '' : is.model_raw], ['firmware', [firmware.family, firmware.version].filter(Boolean).join(' ')], ['mining program', firmware.software],
      ['interface', firmware.api_version], ['hardware address', is.mac_address ?? is.mac], ['serial number', is.serial], ['name', is.hostname], ['known as', html`<span class="mono">${params.id}</span>`], ['at', `${miner.ip}:${miner.port}`],
      ['stands at', place(record?.position)], ['labels', (record?.labels ?? []).join(', ')], ['notes', record?.notes], ['known since', record?.first_seen_ms ? new Date(record.first_seen_ms).toLocaleString() : ''],
      ['password', now.default_password ? html`<span class="warn">still the one that it was delivered with</span>` : '']]);
  };

  const said = () => html`<div class="card stack"><div class="between"><h2>What it says itself</h2><button class="btn" ?disabled=${raw === 'asking'} @click=${ask}>${raw === 'asking' ? 'Asking…' : 'Ask it now'}</button></div>
    ${raw && raw !== 'asking' ? html`${wrong(raw.error ?? '')}${raw.exchanges.map((/** @type {any} */ one) => html`<details><summary><code>${one.asked}</code> <span class="dim">${one.to}, ${fmt.span(one.took_s)}</span> ${one.error ? html`<span class="bad">${one.error}</span>` : nothing}</summary><pre tabindex="0">${pretty(one.answered)}</pre></details>`)}
      <div><button class="btn" @click=${() => save(`${params.id}.txt`, raw.exchanges.map((/** @type {any} */ one) => `> ${one.asked}\n${one.answered ?? one.error ?? ''}\n`).join('\n'))}>Save</button></div>` : nothing}</div>`;

  function draw() {
    if (!whole) return render(html`<div class="page"><div class="head"><h1>Miner</h1></div>${problem ? wrong(problem) : html`<p class="empty">Loading…</p>`}</div>`, root);
    const { miner, record } = whole;
    const now = miner.snapshot ?? {};
    return render(html`<div class="page ${whole.live ? '' : 'stale'}">
      ${head(miner, now)}
      ${wrong(problem)}
      ${(miner.findings ?? []).map(finding)}
      ${tiles(now)}
      <div class="card"><div class="between"><div class="line"><h2>Over time</h2><label class="sr" for="what">What is drawn</label>
          <select id="what" @change=${(/** @type {any} */ e) => { chart = CHARTS[e.target.selectedIndex]; charts(); }}>${CHARTS.map((one) => html`<option ?selected=${one === chart}>${one[0]}</option>`)}</select></div>
        <div class="line">${choice('Length of time', RANGES.map((one) => [one, one[0]]), range, (one) => { range = one; draw(); charts(); })}
        <a class="btn" download href=${`/api/v1/history?${new URLSearchParams({ of: `miner:${params.id}`, metric: 'all', from: String(-range[1]), points: '5000', format: 'csv' })}`}>CSV</a></div></div>
        <div class="chart" id="chart"></div>${chartProblem ? html`<p class="empty">${chartProblem}</p>` : nothing}</div>
      ${now.boards?.length ? html`<div class="boards">${now.boards.map(board)}</div>` : nothing}
      ${now.errors?.length ? html`<div class="card scroll" tabindex="0"><h2>Faults that it tells</h2>${faultTable(now.errors)}</div>` : nothing}
      <div class="two"><div class="card"><h2>Who it is</h2>${who(miner, now, record)}</div>
        <div class="stack">${now.fans?.length ? html`<div class="card"><h2>Fans</h2>${fanList(now.fans)}</div>` : nothing}
          ${now.psus?.length ? html`<div class="card"><h2>Power supplies</h2>${psuList(now.psus)}</div>` : nothing}
          <div class="card scroll" tabindex="0"><h2>Pools</h2>${now.pools?.length ? poolTable(now.pools) : html`<p class="empty">It tells of none.</p>`}</div></div></div>
      <div class="card"><h2>What happened</h2>${happened(log)}</div>
      ${may() ? said() : nothing}
    </div>`, root);
  }

  async function edit() { if (await editRecords(ctx, [params.id], whole.record)) load(); }
  async function ask() {
    raw = 'asking';
    draw();
    raw = (await ctx.attempt(() => api.get(`${path}/raw`))) ?? null;
    if (!ended) draw();
  }
  async function load() {
    try { whole = await api.get(path); problem = ''; } catch (error) { problem = /** @type {Error} */ (error).message; }
    if (!ended) draw();
  }
  async function charts() {
    const mine = ++turn;
    const [, metrics, format, zero] = chart;
    try {
      const told = await api.get('/history', { of: `miner:${params.id}`, metric: metrics.join(','), from: -range[1], points: 700 });
      if (ended || mine !== turn) return;
      endChart();
      endChart = () => {};
      chartProblem = told.series.length ? '' : 'Nothing of it was recorded in this time.';
      draw();
      const element = /** @type {HTMLElement} */ (root.querySelector('#chart'));
      element.classList.toggle('hidden', !told.series.length);
      const name = (/** @type {any} */ one) => words(one.metric.replace(/^temp_/, '').replace('.chip_temperature', '').replace('.hashrate', '').replace('.speed', '').replace('.', ' '));
      if (told.series.length) endChart = drawChart(element, { series: told.series, names: told.series.map(name), from: told.from_ms, to: told.to_ms, format: fmt[format], height: 210, zero });
    } catch (error) {
      chartProblem = /** @type {Error} */ (error).message;
      if (!ended) draw();
    }
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
  const follow = setInterval(charts, 60_000);
  const themed = () => charts();
  window.addEventListener('theme', themed);
  return () => { ended = true; clearInterval(timer); clearInterval(follow); window.removeEventListener('theme', themed); endChart(); };
}

/** An answer with its parts on lines of their own, where it is JSON. @param {string|null} text */
function pretty(text) {
  if (text === null) return '';
  try { return JSON.stringify(JSON.parse(text), null, 2); } catch { return text; }
}
