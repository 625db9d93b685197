// One command: what it would do before it is run, how it goes, and what came of it.

import { html, render, nothing } from '../vendor/lit.js';
import { form } from '../actions.js';
import { OUTCOMES, outcome, problem as wrong, save, time, words } from '../parts.js';

/** So many lines are drawn; all of them are in the file. */
const LINES = 500;

/** @param {HTMLElement} root @param {any} ctx @param {{id: string}} params */
export function mount(root, ctx, params) {
  const { api, fmt, feed } = ctx;
  const isNew = params.id === 'new';
  const handed = isNew ? ctx.handed : null;
  const whom = handed?.ids ? { ids: handed.ids } : handed ? { filter: handed.filter } : null;
  /** @type {any[]} */
  let actions = [];
  /** @type {any} */
  let action = null;
  /** @type {any} */
  let plan = null;
  let only = '';
  let sure = false;
  let problem = '';
  let ended = false;
  let asking = false;

  const of = () => (handed?.ids ? fmt.soMany(handed.ids.length, 'miner') : `all that pass “${handed?.filter}”`);
  const may = () => ctx.may('operator');

  async function make(/** @type {any} */ wish, /** @type {any} */ policy = {}) {
    problem = '';
    try {
      plan = await api.post('/plans', { action: wish, policy, ...whom });
      if (!ended) history.replaceState(null, '', `/plans/${plan.id}`);
    } catch (error) { problem = /** @type {Error} */ (error).message; }
    if (!ended) draw();
  }

  async function load() {
    if (asking) return;
    asking = true;
    try {
      plan = await api.get(`/plans/${plan?.id ?? params.id}`);
      problem = '';
    } catch (error) { problem = /** @type {Error} */ (error).message; }
    asking = false;
    if (!ended) draw();
  }

  async function run() { await ctx.attempt(() => api.post(`/plans/${plan.id}/run`, { miners: plan.targets })); await load(); }
  async function cancel() { await ctx.attempt(() => api.post(`/plans/${plan.id}/cancel`)); await load(); }
  async function undo() {
    const other = await ctx.attempt(() => api.post(`/plans/${plan.id}/undo`));
    if (other) ctx.go(`/plans/${other.id}`);
  }
  function table() {
    const quoted = (/** @type {any} */ text) => (/[",\n]/.test(text ?? '') ? `"${text.replaceAll('"', '""')}"` : text ?? '');
    const lines = plan.outcomes.map((/** @type {any} */ one) => [one.address, one.name, one.id, one.outcome ?? one.stage, one.text].map(quoted).join(','));
    save(`${plan.id}.csv`, ['address,name,id,outcome,why', ...lines, ''].join('\n'));
  }

  const choose = () => html`<div class="card stack"><h2>What?</h2><p class="dim">Nothing is sent before you have seen the plan.</p>
    <div class="choices">${actions.map((one) => html`<button class="btn choice ${one.dangerous ? 'danger' : ''}" @click=${() => { action = one; draw(); }}>
      <b>${one.title}</b><span>${one.description}</span></button>`)}</div></div>`;

  const counts = () => OUTCOMES.filter((name) => plan.counts[name]);

  const progress = () => html`<div class="card stack"><div class="between"><h2>${plan.state === 'running' ? 'Under way' : 'What came of it'}</h2>
      <span class="dim" role="status">${plan.open ? `${fmt.count(plan.open)} open` : 'all have an outcome'}${plan.state === 'running' && plan.step ? `, step ${plan.step} of ${plan.steps.length}` : ''}</span></div>
    <div class="bar" aria-hidden="true">${counts().map((name) => html`<i class=${name} .style=${`width:${(plan.counts[name] / plan.targets) * 100}%`}></i>`)}</div>
    <div class="counts">${counts().map((name) => html`<button class="btn ${only === name ? 'on' : ''}" aria-pressed=${only === name} @click=${() => { only = only === name ? '' : name; draw(); }}>
      <span class="badge ${name}">${words(name)}</span> <b>${fmt.count(plan.counts[name])}</b></button>`)}</div></div>`;

  const lines = () => {
    const all = plan.outcomes.filter((/** @type {any} */ one) => !only || one.outcome === only);
    return html`<div class="card scroll" tabindex="0"><div class="between"><h2>Miners</h2><button class="btn" @click=${table}>CSV</button></div>
      <table class="list"><thead><tr><th>Miner</th><th>Name</th><th>Outcome</th><th>Why</th></tr></thead><tbody>${all.slice(0, LINES).map((/** @type {any} */ one) => html`
      <tr><td class="nowrap">${one.id ? html`<a href="/miners/${one.id}">${one.address}</a>` : one.address}</td><td>${one.name ?? ''}</td><td>${outcome(one)}</td><td>${one.text ?? ''}</td></tr>`)}</tbody></table>
      ${all.length > LINES ? html`<p class="dim">and ${fmt.count(all.length - LINES)} more; the file has all of them.</p>` : nothing}</div>`;
  };

  const skipped = () => html`<details class="card"><summary>${fmt.soMany(plan.skipped_count, 'miner')} left out: ${Object.entries(plan.skip_counts).map(([why, n]) => `${fmt.count(n)} ${words(why)}`).join(', ')}</summary>
    <div class="scroll" tabindex="0"><table class="list"><tbody>${plan.skipped.slice(0, LINES).map((/** @type {any} */ one) => html`<tr><td>${one.address}</td><td>${one.name ?? ''}</td><td>${one.text}</td></tr>`)}</tbody></table></div></details>`;

  const confirm = () => {
    const info = actions.find((one) => one.kind === plan.kind);
    return html`<div class="line">
      ${info?.dangerous ? html`<label class="check"><input type="checkbox" .checked=${sure} @change=${(/** @type {any} */ e) => { sure = e.target.checked; draw(); }}> I know that this cannot be taken back from here</label>` : nothing}
      <button class="btn ${info?.dangerous ? 'danger' : 'primary'}" id="run" ?disabled=${!plan.targets || (info?.dangerous && !sure)} @click=${run}>${info?.title ?? words(plan.kind)}: run on ${fmt.soMany(plan.targets, 'miner')}${plan.power_w ? `, ${fmt.power(plan.power_w)}` : ''}</button>
      <span class="dim">A plan that is not run within the hour is forgotten.</span></div>`;
  };

  const shown = () => html`
    <div class="cards"><div class="card tile"><div class="label">Who</div><div class="value">${fmt.soMany(plan.targets, 'miner')}</div><div class="under">${words(plan.state)}, by ${plan.actor}</div></div>
      <div class="card tile"><div class="label">Power that it switches</div><div class="value">${fmt.power(plan.power_w)}</div><div class="under">${plan.assumed_powers ? `of ${fmt.soMany(plan.assumed_powers, 'miner')} assumed` : 'as the miners tell it'}</div></div>
      <div class="card tile"><div class="label">How</div><div class="value">${fmt.soMany(plan.steps.length, 'step')}</div><div class="under">${plan.started_at_ms ? html`begun ${time(plan.started_at_ms)}` : `some ${fmt.span(plan.estimate_s)}`}</div></div></div>
    ${plan.stopped ? html`<div class="problem" role="alert">Stopped: ${plan.stopped}</div>` : nothing}
    ${plan.state === 'interrupted' ? html`<div class="note">It was begun and nobody carries it out any more. On the service's machine, <code>bitlink control resume ${plan.id}</code> takes it up and repeats no command.</div>` : nothing}
    ${plan.steps.length > 1 ? html`<div class="card"><h2>Steps</h2><div class="steps">${plan.steps.slice(0, 60).map((/** @type {any} */ step, /** @type {number} */ n) => html`<span class="step ${plan.state === 'running' && plan.step === n + 1 ? 'now' : ''}"
        title=${fmt.power(step.power_w)}>${step.canary ? 'first ' : ''}${fmt.count(step.size)}</span>`)}${plan.steps.length > 60 ? html`<span class="dim">and ${plan.steps.length - 60} more</span>` : nothing}</div></div>` : nothing}
    ${plan.skipped_count ? skipped() : nothing}
    ${plan.state === 'made' && may() ? confirm() : nothing}
    ${plan.state === 'running' && may() ? html`<div class="line"><button class="btn danger" @click=${cancel}>Stop: no more commands go out</button></div>` : nothing}
    ${plan.state === 'ended' && may() ? html`<div class="line"><button class="btn" @click=${undo}>Take it back</button><span class="dim">as far as what was there before was read; a plan is shown first</span></div>` : nothing}
    ${plan.state === 'made' ? nothing : progress()}
    ${plan.outcomes?.length ? lines() : nothing}`;

  const title = () => (plan ? actions.find((one) => one.kind === plan.kind)?.title ?? words(plan.kind) : action?.title ?? 'Command');
  const draw = () => render(html`<div class="page">
    <div class="head"><h1>${title()}</h1><span class="dim grow">${plan ? html`<a href="/plans">all commands</a>, ${plan.id}` : whom ? of() : ''}</span></div>
    ${wrong(problem)}
    ${plan ? shown() : !isNew ? nothing : !whom ? html`<p class="empty">Choose miners in the <a href="/miners">grid</a> first.</p>`
      : action ? form(action, make, () => { action = null; problem = ''; draw(); }) : choose()}</div>`, root);

  draw();
  (async () => {
    try { ({ actions } = await api.get('/actions')); } catch (error) { problem = /** @type {Error} */ (error).message; }
    if (ended) return;
    action = actions.find((one) => one.kind === handed?.kind) ?? null;
    if (isNew) draw(); else load();
  })();
  const timer = setInterval(() => { if (plan?.state === 'running') load(); }, 1000);
  const stop = feed.on('plan', (/** @type {CustomEvent} */ event) => { if (plan && event.detail?.id === plan.id) load(); });
  return () => { ended = true; stop(); clearInterval(timer); };
}
