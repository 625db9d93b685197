// Commands that were planned and run.

import { html, render, nothing } from '../vendor/lit.js';
import { OUTCOMES, problem as wrong, words } from '../parts.js';

/** @param {HTMLElement} root @param {any} ctx */
export function mount(root, ctx) {
  const { api, fmt, feed } = ctx;
  /** @type {any[]|null} */
  let plans = null;
  let problem = '';
  let ended = false;
  const came = (/** @type {any} */ counts) => OUTCOMES
    .filter((name) => counts[name]).map((name) => html`<span class="badge ${name}">${fmt.count(counts[name])} ${words(name)}</span> `);
  const draw = () => render(html`<div class="page">
    <div class="head"><h1>Commands</h1><span class="dim grow">choose miners in the <a href="/miners">grid</a>, then “Command”</span></div>
    ${wrong(problem)}
    ${plans ? html`<div class="card scroll" tabindex="0">${plans.length ? html`<table class="list"><thead><tr><th>When</th><th>What</th><th>By</th><th class="num">Miners</th><th class="num">Power</th><th>State</th><th>What came of it</th></tr></thead>
      <tbody>${plans.map((one) => html`<tr><td class="nowrap"><a href="/plans/${one.id}">${new Date(one.made_at_ms).toLocaleString()}</a></td><td>${words(one.kind)}${one.undoes ? html` <span class="dim">takes another back</span>` : nothing}</td>
        <td>${one.actor}</td><td class="num">${fmt.count(one.targets)}</td><td class="num">${fmt.power(one.power_w)}</td><td>${one.stopped ? html`<span class="bad" title=${one.stopped}>stopped</span>` : one.state}</td><td>${came(one.counts)}</td></tr>`)}</tbody></table>`
      : html`<p class="empty">Nothing was commanded yet.</p>`}</div>` : nothing}</div>`, root);
  async function load() {
    try { ({ plans } = await api.get('/plans')); problem = ''; } catch (error) { problem = /** @type {Error} */ (error).message; }
    if (!ended) draw();
  }
  let late = 0;
  draw();
  load();
  // A large plan tells of itself often; the list need not follow each word.
  const stop = feed.on('plan', () => { if (!late) late = setTimeout(() => { late = 0; load(); }, 700); });
  return () => { ended = true; clearTimeout(late); stop(); };
}
