// Who did what: the lines of the audit log, and whether their chain holds.

import { html, render, nothing } from '../vendor/lit.js';

/** @param {HTMLElement} root @param {any} ctx */
export function mount(root, ctx) {
  const { api, fmt } = ctx;
  /** @type {any[]} */
  let lines = [];
  /** @type {any} */
  let verified = null;
  let problem = '';
  let ended = false;
  const OWN = ['seq', 'at_ms', 'actor', 'hash', 'prev', 'previous'];
  const words = (/** @type {any} */ line) => Object.entries(line).filter(([name]) => !OWN.includes(name)).map(([name, value]) => `${name} ${typeof value === 'string' ? value : JSON.stringify(value)}`).join(' · ');
  const draw = () => render(html`<div class="page">
    <div class="head"><h1>Audit</h1><span class="dim grow">who did what; each line is chained to the one before</span>
      <button class="btn" @click=${verify}>Verify the chain</button></div>
    ${verified ? html`<div class=${verified.ok ? 'note' : 'problem'} role="status">${verified.ok ? `The chain of ${fmt.soMany(verified.lines ?? 0, 'line')} holds.` : `The chain is broken: ${JSON.stringify(verified.faults)}`}</div>` : nothing}
    ${problem ? html`<div class="problem" role="alert">${problem}</div>` : nothing}
    <div class="card scroll" tabindex="0">${lines.length ? html`<table class="list"><thead><tr><th>When</th><th>Who</th><th>What</th></tr></thead>
      <tbody>${lines.map((line) => html`<tr><td class="nowrap">${new Date(line.at_ms).toLocaleString()}</td><td>${line.actor ?? ''}</td><td>${words(line)}</td></tr>`)}</tbody></table>`
      : html`<p class="empty">Nothing was commanded yet.</p>`}</div></div>`, root);
  async function verify() {
    verified = await ctx.attempt(() => api.get('/audit/verify'));
    if (!ended) draw();
  }
  async function load() {
    try { ({ lines } = await api.get('/audit', { limit: 200 })); } catch (error) { problem = /** @type {Error} */ (error).message; }
    if (!ended) draw();
  }
  draw();
  load();
  return () => { ended = true; };
}
