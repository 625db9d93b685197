// What has happened: the last of it, with a search.

import { html, render, nothing } from '../vendor/lit.js';

/** @param {HTMLElement} root @param {any} ctx */
export function mount(root, ctx) {
  const { api, fmt, feed } = ctx;
  /** @type {any[]} */
  let entries = [];
  let problem = '';
  let search = '';
  let ended = false;
  const passes = (/** @type {any} */ one) => !search || `${one.address ?? ''} ${one.kind} ${one.text}`.toLowerCase().includes(search);
  const draw = () => render(html`<div class="page">
    <div class="head"><h1>Log</h1><span class="dim grow">the last day, the newest first</span></div>
    <input type="search" aria-label="Search the log" placeholder="search: an address, a word" @input=${(/** @type {any} */ e) => { search = e.target.value.toLowerCase().trim(); draw(); }}>
    ${problem ? html`<div class="problem" role="alert">${problem}</div>` : nothing}
    <div class="card"><ul class="happened">${entries.filter(passes).slice(0, 500).map((one) => html`<li><span class="dim nowrap" title=${new Date(one.at_ms).toLocaleString()}>${fmt.clock(one.at_ms).slice(-8)}</span>
      <span class=${one.severity} title=${one.severity}>${fmt.sign(one.severity)}</span>
      <span>${one.id ? html`<a href="/miners/${one.id}">${one.address ?? one.id}</a> ` : nothing}${one.text}</span></li>`)}</ul>
      ${entries.length ? nothing : html`<p class="empty">Nothing was recorded.</p>`}</div></div>`, root);
  async function load() {
    try { ({ entries } = await api.get('/log', { limit: 1000 })); problem = ''; } catch (error) { problem = /** @type {Error} */ (error).message; }
    if (!ended) draw();
  }
  draw();
  load();
  const stop = feed.on('happened', (/** @type {CustomEvent} */ event) => { entries.unshift(event.detail); draw(); });
  return () => { ended = true; stop(); };
}
