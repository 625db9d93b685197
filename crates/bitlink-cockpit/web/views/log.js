// What has happened, and what happens: by kind and by words, as far back as the store goes.

import { html, render, nothing } from '../vendor/lit.js';
import { choice, happened, problem as wrong } from '../parts.js';

const PAGE = 1000;

/** @param {HTMLElement} root @param {any} ctx */
export function mount(root, ctx) {
  const { api, fmt, feed } = ctx;
  /** @type {any[]} */
  let entries = [];
  let more = false;
  let kind = '';
  let search = '';
  let problem = '';
  let ended = false;
  let turn = 0;
  let late = 0;

  const passes = (/** @type {any} */ one) => !search || `${one.address ?? ''} ${one.model ?? ''} ${one.kind} ${one.text}`.toLowerCase().includes(search);
  const draw = () => {
    const shown = entries.filter(passes);
    render(html`<div class="page">
    <div class="head"><h1>Log</h1><span class="dim grow">${entries.length ? `back to ${fmt.clock(entries.at(-1).at_ms)}${search ? `, ${fmt.count(shown.length)} of ${fmt.count(entries.length)} lines` : ''}` : ''}</span>
      ${choice('Of what kind', [['', 'All'], ['status', 'Status'], ['facts', 'Changes'], ['met', 'Met and moved'], ['service', 'Service']], kind, (one) => { kind = one; load(); })}</div>
    <label class="sr" for="search">Search the log</label><input id="search" type="search" placeholder="search: an address, a word" @input=${(/** @type {any} */ e) => { search = e.target.value.toLowerCase().trim(); draw(); }}>
    ${wrong(problem)}
    <div class="card">${happened(shown.slice(0, PAGE))}
      ${more ? html`<button class="btn" @click=${older}>Older</button>` : nothing}</div></div>`, root);
  };
  async function ask(/** @type {Record<string, any>} */ which) {
    const mine = ++turn;
    try {
      const told = await api.get('/log', { kind, limit: PAGE, from: -366 * 86400e3, ...which });
      if (ended || mine !== turn) return null;
      problem = '';
      more = told.entries.length === PAGE;
      return told.entries;
    } catch (error) { problem = /** @type {Error} */ (error).message; }
    return null;
  }
  async function load() {
    const told = await ask({});
    if (told) entries = told;
    if (!ended) draw();
  }
  async function older() {
    const told = await ask({ to: entries.at(-1).at_ms - 1 });
    if (told) entries = [...entries, ...told];
    if (!ended) draw();
  }
  draw();
  load();
  const stop = feed.on('happened', (/** @type {CustomEvent} */ event) => {
    if (kind && event.detail.kind !== kind) return;
    entries.unshift(event.detail);
    late ||= setTimeout(() => { late = 0; draw(); }, 500);
  });
  return () => { ended = true; clearTimeout(late); stop(); };
}
