// Commands that were planned and run.

import { html, render, nothing } from '../vendor/lit.js';

/** @param {HTMLElement} root @param {any} ctx */
export function mount(root, ctx) {
  const { api, fmt, feed } = ctx;
  /** @type {any[]|null} */
  let plans = null;
  let problem = '';
  let ended = false;
  const draw = () => render(html`<div class="page">
    <div class="head"><h1>Commands</h1><span class="dim grow">choose miners in the <a href="/miners">grid</a>, then “Command”</span></div>
    ${problem ? html`<div class="problem" role="alert">${problem}</div>` : nothing}
    ${plans ? html`<div class="card scroll" tabindex="0">${plans.length ? html`<table class="list"><thead><tr><th>When</th><th>What</th><th>By</th><th class="num">Miners</th><th>State</th><th class="num">Proved</th></tr></thead>
      <tbody>${plans.map((one) => html`<tr><td class="nowrap"><a href="/plans/${one.id}">${new Date(one.made_at_ms).toLocaleString()}</a></td><td>${one.kind.replaceAll('_', ' ')}</td><td>${one.actor}</td><td class="num">${fmt.count(one.targets)}</td>
        <td>${one.state}</td><td class="num">${fmt.count(one.counts.verified)}</td></tr>`)}</tbody></table>` : html`<p class="empty">Nothing was commanded yet.</p>`}</div>` : nothing}</div>`, root);
  async function load() {
    try { ({ plans } = await api.get('/plans')); } catch (error) { problem = /** @type {Error} */ (error).message; }
    if (!ended) draw();
  }
  draw();
  load();
  const stop = feed.on('plan', load);
  return () => { ended = true; stop(); };
}
