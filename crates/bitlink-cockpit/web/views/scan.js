// Looking for miners: ranges in, what is found, and into the fleet with it.

import { html, render, nothing } from '../vendor/lit.js';
import { problem as wrong, words } from '../parts.js';

/** So many lines are drawn. */
const LINES = 500;

/** @param {HTMLElement} root @param {any} ctx */
export function mount(root, ctx) {
  const { api, fmt } = ctx;
  /** @type {any} */
  let scan = null;
  /** @type {any[]} */
  let past = [];
  /** Places that are chosen to join. @type {Set<string>} */
  const chosen = new Set();
  let problem = '';
  let ended = false;
  let timer = 0;

  const may = () => ctx.may('operator');
  const strangers = () => scan.found.filter((/** @type {any} */ one) => !one.watched);

  const entry = () => html`<form class="card stack" @submit=${begin}>
    <div class="tools"><div class="filter"><label class="sr" for="targets">Where to look</label>
      <input id="targets" name="targets" required spellcheck="false" autocapitalize="none" autocomplete="off" placeholder=${ctx.session?.demo ? '127.1.0.0/28' : '192.168.1.0/24'}></div>
      <button class="btn primary" ?disabled=${!may() || scan?.state === 'running'}>Look for miners</button>
      ${scan?.state === 'running' && may() ? html`<button class="btn" type="button" @click=${() => ctx.attempt(() => api.delete(`/scans/${scan.id}`))}>Stop</button>` : nothing}</div>
    <p class="dim">Addresses, networks and ranges with blanks between: <code>192.168.1.0/24 10.0-3.*.5 10.1.0.1-10.1.0.50</code>${ctx.session?.demo ? html`; this made-up farm has strangers at <code>127.1.0.0/28</code>` : nothing}</p>
    <details><summary>More</summary><div class="form"><label class="field"><span>but not</span><input name="exclude" spellcheck="false" autocomplete="off"></label>
      <label class="field"><span>how deep</span><select name="depth"><option value="full">read each miner in full</option><option value="brief">find and name only, faster</option></select></label></div></details></form>`;

  const found = () => html`<div class="card scroll" tabindex="0"><div class="between"><h2>${fmt.soMany(scan.found_count, 'miner')} found</h2>
      ${may() && scan.state !== 'running' && strangers().length ? html`<div class="line"><button class="btn" ?disabled=${!chosen.size} @click=${() => adopt([...chosen])}>Add ${fmt.count(chosen.size)} chosen</button>
        <button class="btn primary" id="adopt" @click=${() => adopt('all')}>Add all ${fmt.count(strangers().length)} to the fleet</button></div>` : nothing}</div>
    <table class="list" id="found"><thead><tr><th></th><th>Address</th><th>Model</th><th>Firmware</th><th class="num">Hash rate</th><th>Hardware address</th><th>In the fleet</th></tr></thead>
    <tbody>${scan.found.slice(0, LINES).map((/** @type {any} */ one) => html`<tr><td>${one.watched || !may() ? nothing : html`<input type="checkbox" aria-label=${`choose ${one.at}`} .checked=${chosen.has(one.at)} @change=${(/** @type {any} */ e) => { if (e.target.checked) chosen.add(one.at); else chosen.delete(one.at); draw(); }}>`}</td>
      <td class="nowrap">${one.watched ? html`<a href="/miners/${one.id}">${one.at}</a>` : one.at}</td><td>${one.model ?? fmt.NONE}</td><td>${one.firmware ?? fmt.NONE}</td><td class="num">${fmt.rate(one.hashrate_hs)}</td>
      <td class="mono">${one.mac ?? fmt.NONE}</td><td>${one.watched ? html`<span class="good">yes</span>` : one.known ? 'known, at another place' : 'no'}</td></tr>`)}</tbody></table>
    ${scan.found.length > LINES ? html`<p class="dim">and ${fmt.count(scan.found.length - LINES)} more</p>` : nothing}</div>`;

  const how = () => {
    const share = scan.total ? scan.done / scan.total : 0;
    const counts = Object.entries(scan.counts).filter(([, n]) => n);
    return html`<div class="card stack"><div class="between"><h2 class="cut">${scan.targets}</h2>
      <span class="dim" role="status">${scan.state === 'running' ? `${fmt.percent(share)}, ${fmt.count(Math.round(scan.rate_per_s))} a second${scan.eta_s === null ? '' : `, ${fmt.span(scan.eta_s)} to go`}` : `${scan.state} in ${fmt.span(scan.elapsed_s)}`}</span></div>
      <div class="bar" aria-hidden="true"><i class="done" .style=${`width:${share * 100}%`}></i></div>
      <div class="counts">${counts.map(([name, n]) => html`<span><b>${fmt.count(n)}</b> ${words(name)}</span>`)}<span class="dim">${fmt.count(scan.done)} of ${fmt.count(scan.total)} ports asked</span></div>
      ${wrong(scan.error ?? '')}</div>`;
  };

  const draw = () => render(html`<div class="page">
    <div class="head"><h1>Scan</h1></div>
    ${entry()}${wrong(problem)}
    ${scan ? html`${how()}${scan.found?.length ? found() : scan.state === 'running' ? nothing : html`<p class="empty">No miner answers there.</p>`}` : nothing}
    ${past.length > 1 ? html`<div class="card"><h2>Before</h2><ul class="happened">${past.filter((one) => one.id !== scan?.id).slice(0, 8).map((one) => html`<li><span class="dim nowrap">${fmt.clock(one.started_at_ms)}</span><span></span>
      <span><button class="btn quiet" @click=${() => { scan = one; look(); }}>${one.targets}</button> ${fmt.soMany(one.found_count, 'miner')}, by ${one.actor}</span></li>`)}</ul></div>` : nothing}</div>`, root);

  async function begin(/** @type {SubmitEvent} */ event) {
    event.preventDefault();
    const said = new FormData(/** @type {HTMLFormElement} */ (event.target));
    const list = (/** @type {string} */ name) => String(said.get(name) ?? '').split(/[\s,]+/).filter(Boolean);
    problem = '';
    try {
      scan = await api.post('/scans', { targets: list('targets'), exclude: list('exclude'), depth: said.get('depth') });
      chosen.clear();
      look();
    } catch (error) { problem = /** @type {Error} */ (error).message; }
    if (!ended) draw();
  }

  async function adopt(/** @type {any} */ addresses) {
    const told = await ctx.attempt(() => api.post(`/scans/${scan.id}/adopt`, { addresses }));
    if (!told) return;
    ctx.toast(`${fmt.soMany(told.adopted, 'miner')} watched from now on.`);
    chosen.clear();
    // The next look at the fleet knows them.
    setTimeout(look, 1500);
  }

  async function look() {
    clearTimeout(timer);
    if (ended || !scan) return;
    try { scan = await api.get(`/scans/${scan.id}`); } catch (error) { problem = /** @type {Error} */ (error).message; }
    if (ended) return;
    scan.found ??= [];
    draw();
    if (scan.state === 'running') timer = setTimeout(look, 500);
  }

  draw();
  api.get('/scans').then((/** @type {any} */ told) => {
    past = [...told.scans].sort((a, b) => b.id - a.id);
    scan ??= past[0] ?? null;
    if (scan) look(); else if (!ended) draw();
  }).catch(() => {});
  return () => { ended = true; clearTimeout(timer); };
}
