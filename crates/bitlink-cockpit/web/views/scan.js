// Looking for miners: ranges in, what is found, and into the fleet with it.

import { html, render, nothing } from '../vendor/lit.js';

/** @param {HTMLElement} root @param {any} ctx */
export function mount(root, ctx) {
  const { api, fmt } = ctx;
  /** @type {any} */
  let scan = null;
  let problem = '';
  let ended = false;
  let timer = 0;
  const draw = () => render(html`<div class="page">
    <div class="head"><h1>Scan</h1><span class="dim grow">an address, a network, a range: 192.168.1.0/24, 10.0-3.*.5</span></div>
    <form class="tools" @submit=${begin}><div class="filter"><label class="sr" for="targets">Where to look</label>
      <input id="targets" name="targets" required spellcheck="false" autocapitalize="none" placeholder=${ctx.session?.demo ? '127.1.0.0/28' : '192.168.1.0/24'}></div>
      <button class="btn primary" ?disabled=${!ctx.may('operator') || scan?.state === 'running'}>Look for miners</button>
      ${scan?.state === 'running' ? html`<button class="btn" type="button" @click=${() => ctx.attempt(() => api.delete(`/scans/${scan.id}`))}>Stop</button>` : nothing}</form>
    ${problem ? html`<div class="problem" role="alert">${problem}</div>` : nothing}
    ${scan ? html`<div class="card stack"><div class="between"><h2>${scan.targets}</h2><span class="dim" role="status">${scan.state}: ${fmt.count(scan.done)} of ${fmt.count(scan.total)} addresses, ${fmt.soMany(scan.found_count, 'miner')} found, ${fmt.span(scan.elapsed_s)}</span></div>
      ${scan.error ? html`<div class="problem">${scan.error}</div>` : nothing}
      ${scan.found?.length ? html`<div class="scroll" tabindex="0"><table class="list" id="found"><thead><tr><th>Address</th><th>Model</th><th>Firmware</th><th class="num">Hash rate</th><th>In the fleet</th></tr></thead>
        <tbody>${scan.found.slice(0, 1000).map((/** @type {any} */ one) => html`<tr><td>${one.ip}</td><td>${one.model ?? fmt.NONE}</td><td>${one.firmware ?? fmt.NONE}</td><td class="num">${fmt.rate(one.hashrate_hs)}</td><td>${one.watched ? 'yes' : 'no'}</td></tr>`)}</tbody></table></div>
        ${ctx.may('operator') && scan.state !== 'running' ? html`<div class="actions"><button class="btn primary" id="adopt" ?disabled=${!scan.found.some((/** @type {any} */ one) => !one.watched)} @click=${adopt}>Add all to the fleet</button></div>` : nothing}`
        : scan.state === 'running' ? nothing : html`<p class="empty">No miner answers there.</p>`}</div>` : nothing}</div>`, root);
  async function begin(/** @type {SubmitEvent} */ event) {
    event.preventDefault();
    const said = new FormData(/** @type {HTMLFormElement} */ (event.target)).get('targets');
    problem = '';
    try {
      scan = await api.post('/scans', { targets: String(said).split(/[\s,]+/).filter(Boolean) });
      look();
    } catch (error) { problem = /** @type {Error} */ (error).message; }
    draw();
  }
  async function adopt() {
    const told = await ctx.attempt(() => api.post(`/scans/${scan.id}/adopt`, { addresses: 'all' }), 'They are watched from now on.');
    if (told) setTimeout(look, 1500);
  }
  async function look() {
    clearTimeout(timer);
    if (ended || !scan) return;
    try { scan = await api.get(`/scans/${scan.id}`); } catch (error) { problem = /** @type {Error} */ (error).message; }
    if (ended) return;
    draw();
    if (scan.state === 'running') timer = setTimeout(look, 500);
  }
  draw();
  api.get('/scans').then((/** @type {any} */ told) => { scan ??= told.scans.at(-1) ?? null; look(); }).catch(() => {});
  return () => { ended = true; clearTimeout(timer); };
}
