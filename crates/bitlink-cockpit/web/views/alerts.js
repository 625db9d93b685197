// What people are or would be told: alerts that are true now.

import { html, render, nothing } from '../vendor/lit.js';

/** @param {HTMLElement} root @param {any} ctx */
export function mount(root, ctx) {
  const { api, fmt } = ctx;
  /** @type {any} */
  let now = null;
  let problem = '';
  let ended = false;
  const draw = () => render(html`<div class="page">
    <div class="head"><h1>Alerts</h1><span class="dim grow">${now ? (now.channels.length ? fmt.soMany(now.channels.length, 'channel') : 'no channel is set up: nobody is told') : 'loading…'}</span></div>
    ${problem ? html`<div class="problem" role="alert">${problem}</div>` : nothing}
    ${now ? html`<div class="card scroll" tabindex="0">${now.firing.length ? html`<table class="list"><thead><tr><th>Alert</th><th class="num">Miners</th><th>Since</th><th>Acknowledged</th></tr></thead>
      <tbody>${now.firing.map((/** @type {any} */ one) => html`<tr><td><span class=${one.severity}>${fmt.sign(one.severity)}</span> ${one.title ?? one.rule}</td><td class="num">${fmt.count(one.miners)}</td>
        <td class="nowrap">${fmt.ago(one.since_ms)}</td><td>${one.acked_by ?? fmt.NONE}</td></tr>`)}</tbody></table>` : html`<p class="empty">Nothing is true that anybody should be told.</p>`}</div>` : nothing}</div>`, root);
  async function load() {
    try { now = await api.get('/alerts'); problem = ''; } catch (error) { problem = /** @type {Error} */ (error).message; }
    if (!ended) draw();
  }
  draw();
  load();
  const timer = setInterval(load, 10_000);
  return () => { ended = true; clearInterval(timer); };
}
