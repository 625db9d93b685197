// One command: what it would do before it is run, how it goes, and what came of it.

import { html, render, nothing } from '../vendor/lit.js';

/** Actions without parameters of their own, and the light. The others are for `bitlink control`. */
const SIMPLE = [['locate on', { kind: 'locate', on: true }], ['locate off', { kind: 'locate', on: false }], ['reboot', { kind: 'reboot' }], ['restart mining', { kind: 'restart' }], ['pause', { kind: 'pause' }], ['resume', { kind: 'resume' }]];

/** @param {HTMLElement} root @param {any} ctx @param {{id: string}} params */
export function mount(root, ctx, params) {
  const { api, fmt, feed } = ctx;
  /** @type {any} */
  let plan = null;
  let problem = '';
  let ended = false;
  const isNew = params.id === 'new';
  const handed = isNew ? ctx.handed : null;
  const whom = handed?.ids ? { ids: handed.ids } : handed ? { filter: handed.filter } : null;
  const of = () => (handed?.ids ? fmt.soMany(handed.ids.length, 'miner') : `all that pass “${handed?.filter}”`);
  async function make(/** @type {any} */ action) {
    problem = '';
    try { plan = await api.post('/plans', { action, ...whom }); history.replaceState(null, '', `/plans/${plan.id}`); } catch (error) { problem = /** @type {Error} */ (error).message; }
    if (!ended) draw();
  }
  async function load() {
    try { plan = await api.get(`/plans/${plan?.id ?? params.id}`); } catch (error) { problem = /** @type {Error} */ (error).message; }
    if (!ended) draw();
  }
  const run = async () => { await ctx.attempt(() => api.post(`/plans/${plan.id}/run`, { miners: plan.targets })); load(); };
  const cancel = async () => { await ctx.attempt(() => api.post(`/plans/${plan.id}/cancel`)); load(); };
  const shown = () => html`
    <div class="cards"><div class="card tile"><div class="label">${plan.kind.replaceAll('_', ' ')}</div><div class="value">${fmt.soMany(plan.targets, 'miner')}</div><div class="under">${plan.state}, by ${plan.actor}</div></div>
      <div class="card tile"><div class="label">Power that goes down or up</div><div class="value">${fmt.power(plan.power_w)}</div><div class="under">${fmt.soMany(plan.steps.length, 'step')}, some ${fmt.span(plan.estimate_s)}</div></div>
      <div class="card tile"><div class="label">Proved by a reading</div><div class="value">${fmt.count(plan.counts.verified)}</div><div class="under">${['applied', 'refused', 'unsupported', 'unknown', 'not_attempted'].filter((name) => plan.counts[name]).map((name) => `${plan.counts[name]} ${name.replace('_', ' ')}`).join(', ')}</div></div></div>
    ${plan.stopped ? html`<div class="problem">Stopped: ${plan.stopped}</div>` : nothing}
    ${plan.skipped_count ? html`<div class="note">${fmt.soMany(plan.skipped_count, 'miner')} left out: ${Object.entries(plan.skip_counts).map(([why, n]) => `${n} ${why.replaceAll('_', ' ')}`).join(', ')}</div>` : nothing}
    <div class="line">${plan.state === 'made' && ctx.may('operator') ? html`<button class="btn primary" id="run" ?disabled=${!plan.targets} @click=${run}>Run it on ${fmt.soMany(plan.targets, 'miner')}</button>` : nothing}
      ${plan.state === 'running' && ctx.may('operator') ? html`<button class="btn danger" @click=${cancel}>Stop after the running step</button>` : nothing}</div>
    ${plan.outcomes?.length ? html`<div class="card scroll" tabindex="0"><table class="list"><thead><tr><th>Miner</th><th>Outcome</th><th>Why</th></tr></thead><tbody>${plan.outcomes.slice(0, 1000).map((/** @type {any} */ one) => html`
      <tr><td>${one.id ? html`<a href="/miners/${one.id}">${one.address}</a>` : one.address} ${one.name}</td><td><span class="badge ${one.outcome ?? ''}">${one.outcome ?? one.stage}</span></td><td>${one.text ?? ''}</td></tr>`)}</tbody></table></div>` : nothing}`;
  const draw = () => render(html`<div class="page">
    <div class="head"><h1>Command</h1><span class="dim grow">${plan ? plan.id : whom ? of() : ''}</span></div>
    ${problem ? html`<div class="problem" role="alert">${problem}</div>` : nothing}
    ${plan ? shown() : isNew && whom ? html`<div class="card stack"><h2>What?</h2><p class="dim">Nothing is sent before you have seen the plan.</p><div class="line">${SIMPLE.map(([name, action]) => html`<button class="btn" @click=${() => make(action)}>${name}</button>`)}</div></div>`
      : isNew ? html`<p class="empty">Choose miners in the <a href="/miners">grid</a> first.</p>` : nothing}</div>`, root);
  draw();
  if (handed?.action) make(handed.action.kind ? handed.action : { kind: handed.action.action, on: handed.action.on });
  else if (!isNew) load();
  const timer = setInterval(() => { if (plan?.state === 'running') load(); }, 1000);
  const stop = feed.on('plan', () => { if (plan) load(); });
  return () => { ended = true; stop(); clearInterval(timer); };
}
