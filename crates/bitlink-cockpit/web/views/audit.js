// Who did what: the lines of the audit log, and whether their chain holds.

import { html, render, nothing } from '../vendor/lit.js';
import { problem as wrong, words } from '../parts.js';

const PAGE = 200;

/** @param {HTMLElement} root @param {any} ctx */
export function mount(root, ctx) {
  const { api, fmt } = ctx;
  /** @type {any[]} */
  let lines = [];
  /** @type {any} */
  let verified = null;
  let more = false;
  let problem = '';
  let ended = false;

  const settings = (/** @type {any} */ action) => Object.entries(action ?? {}).filter(([name]) => name !== 'action' && name !== 'kind').map(([name, value]) => `${words(name)} ${typeof value === 'object' ? JSON.stringify(value) : value}`).join(', ');
  const at = (/** @type {any} */ endpoint) => (typeof endpoint === 'object' ? Object.values(endpoint ?? {}).join(':') : endpoint);
  /** What a line tells, as people say it; whatever it is, nothing of it is left out. @param {any} line */
  function told(line) {
    const what = line.what ? `${words(line.what.action ?? line.what.kind ?? '')}${settings(line.what) ? ` (${settings(line.what)})` : ''}` : '';
    switch (line.event) {
      case 'plan_begun': return `begins: ${what}, ${fmt.soMany(line.targets, 'miner')}${line.skipped ? `, ${fmt.count(line.skipped)} left out` : ''}${line.power_w ? `, ${fmt.power(line.power_w)}` : ''}${line.undoes ? `, takes back ${line.undoes}` : ''}`;
      case 'plan_resumed': return 'goes on with it';
      case 'command': return `tells ${at(line.endpoint)}: ${what}`;
      case 'outcome': return html`${at(line.endpoint)}: <span class="badge ${line.outcome}">${words(line.outcome ?? '')}</span> ${[line.reason, line.text, line.said].filter((part) => typeof part === 'string').join(', ')}`;
      case 'plan_ended': return `has ended: ${Object.entries(line.counts ?? {}).filter(([, n]) => n).map(([name, n]) => `${fmt.count(n)} ${words(name)}`).join(', ')}${line.stopped ? `; stopped: ${line.stopped}` : ''}`;
      default: return JSON.stringify(Object.fromEntries(Object.entries(line).filter(([name]) => !['seq', 'at_ms', 'actor', 'hash', 'plan'].includes(name))));
    }
  }
  const draw = () => render(html`<div class="page">
    <div class="head"><h1>Audit</h1><span class="dim grow">who did what; each line is chained to the one before</span>
      <button class="btn" id="verify" @click=${verify}>Verify the chain</button></div>
    ${verified ? html`<div class=${verified.ok ? 'note' : 'problem'} role="status">${verified.ok ? `The chain of ${fmt.soMany(verified.lines ?? 0, 'line')} holds.` : `The chain is broken: ${verified.faults.map((/** @type {any} */ one) => `line ${one.line}: ${one.what}`).join('; ')}`}</div>` : nothing}
    ${wrong(problem)}
    <div class="card scroll" tabindex="0">${lines.length ? html`<table class="list" id="lines"><thead><tr><th class="num">No.</th><th>When</th><th>Who</th><th>What</th><th>Command</th></tr></thead>
      <tbody>${lines.map((line) => html`<tr><td class="num">${line.seq}</td><td class="nowrap">${new Date(line.at_ms).toLocaleString()}</td><td>${line.actor ?? ''}</td><td>${told(line)}</td><td class="mono">${line.plan ? html`<a href="/plans/${line.plan}">${line.plan}</a>` : nothing}</td></tr>`)}</tbody></table>
      ${more ? html`<button class="btn" @click=${older}>Older</button>` : nothing}`
      : html`<p class="empty">Nothing was commanded yet.</p>`}</div></div>`, root);
  async function verify() {
    verified = await ctx.attempt(() => api.get('/audit/verify'));
    if (!ended) draw();
  }
  async function ask(/** @type {Record<string, any>} */ which) {
    try {
      const told = await api.get('/audit', { limit: PAGE, ...which });
      more = told.lines.length === PAGE;
      problem = '';
      return told.lines;
    } catch (error) { problem = /** @type {Error} */ (error).message; }
    return [];
  }
  async function load() { lines = await ask({}); if (!ended) draw(); }
  async function older() { lines = [...lines, ...await ask({ before: lines.at(-1).seq })]; if (!ended) draw(); }
  draw();
  load();
  return () => { ended = true; };
}
