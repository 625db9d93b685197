// What people are or would be told: alerts that are true now, what is muted, and how the channels do.

import { html, render, nothing } from '../vendor/lit.js';
import { place, problem as wrong, quoted, filtered, words } from '../parts.js';

/** Lengths of time that can be chosen, in seconds. @type {[number, string][]} */
const SPANS = [[3600, '1 hour'], [4 * 3600, '4 hours'], [12 * 3600, '12 hours'], [86400, '1 day'], [7 * 86400, '1 week']];

/** @param {HTMLElement} root @param {any} ctx */
export function mount(root, ctx) {
  const { api, fmt } = ctx;
  /** @type {any} */
  let now = null;
  let problem = '';
  let ended = false;
  const may = () => ctx.may('operator');
  const spans = (/** @type {string} */ none) => html`<label class="field"><span>for</span><select name="for">${none ? html`<option value="">${none}</option>` : nothing}${SPANS.map(([s, name]) => html`<option value=${s}>${name}</option>`)}</select></label>`;

  /** Asks in a dialog. @param {string} title @param {any} fields @param {string} word */
  const asked = (title, fields, word) => ctx.dialog((/** @type {any} */ close) => html`<form @submit=${(/** @type {SubmitEvent} */ e) => { e.preventDefault(); close(new FormData(/** @type {HTMLFormElement} */ (e.target))); }}>
    <h2>${title}</h2><div class="form">${fields}</div><div class="actions"><button class="btn" type="button" @click=${() => close()}>Cancel</button><button class="btn primary">${word}</button></div></form>`);

  async function ack(/** @type {any} */ one) {
    const said = await asked(`See to it: ${one.title}`, html`${spans('as long as it lasts')}<label class="field"><span>note</span><input name="note" autocomplete="off"></label>`, 'I see to it');
    if (!said) return;
    await ctx.attempt(() => api.post('/alerts/ack', { key: one.key, note: said.get('note'), ...(said.get('for') ? { for_s: Number(said.get('for')) } : {}) }), 'No more reminders of these miners.');
    load();
  }
  async function mute() {
    const part = (/** @type {string} */ name) => html`<label class="field"><span>only ${name}, with commas between</span><input name=${name} autocomplete="off"></label>`;
    const said = await asked('Tell nothing for some time', html`<label class="field"><span>a name for it</span><input name="name" required autocomplete="off"></label>${spans('')}${['site', 'rack', 'model', 'label'].map(part)}`, 'Mute');
    if (!said) return;
    const only = Object.fromEntries(['site', 'rack', 'model', 'label'].map((name) => [name, String(said.get(name)).split(',').map((word) => word.trim()).filter(Boolean)]).filter(([, list]) => list.length));
    await ctx.attempt(() => api.post('/alerts/mute', { name: said.get('name'), for_s: Number(said.get('for')), only }), 'Muted.');
    load();
  }
  async function unmute(/** @type {string} */ name) { await ctx.attempt(() => api.post('/alerts/unmute', { name }), 'Told again.'); load(); }

  const of = (/** @type {any} */ only) => {
    const parts = Object.entries(only ?? {}).filter(([, list]) => list.length).map(([name, list]) => `${name} ${[list].flat().join(', ')}`);
    return parts.length ? parts.join('; ') : 'all miners';
  };
  const where = (/** @type {any} */ one) => filtered([`rule:${one.rule}`, ...Object.entries(one.group).filter(([name]) => ['site', 'rack', 'model', 'building'].includes(name)).map(([name, value]) => `${name}=${quoted(value)}`)].join(' '));

  const firing = () => html`<div class="card scroll" tabindex="0">${now.firing.length ? html`<table class="list"><thead><tr><th>Alert</th><th class="num">Miners</th><th class="num">Lost</th><th>Since</th><th>Told</th><th>Seen to by</th><th></th></tr></thead>
    <tbody>${now.firing.map((/** @type {any} */ one) => html`<tr><td><span class=${one.severity} title=${one.severity}>${fmt.sign(one.severity)}</span> ${one.title || words(one.rule)}${place(one.group) ? html`<div class="dim">${place(one.group)}</div>` : nothing}</td>
      <td class="num"><a href=${where(one)}>${fmt.count(one.miners)}</a>${one.quiet ? html`<div class="dim">${fmt.count(one.quiet)} quiet</div>` : nothing}</td><td class="num">${one.lost_hs > 0 ? fmt.rate(one.lost_hs) : fmt.NONE}</td>
      <td class="nowrap">${fmt.ago(one.since_ms)}</td><td class="nowrap">${one.told_ms ? fmt.ago(one.told_ms) : 'not yet'}</td><td>${one.acked_by ?? fmt.NONE}</td>
      <td>${may() && !one.acked_by ? html`<button class="btn" @click=${() => ack(one)}>See to it</button>` : nothing}</td></tr>`)}</tbody></table>`
    : html`<p class="empty">Nothing is true that anybody should be told.</p>`}</div>`;

  const channels = () => html`<div class="card"><h2>Who is told</h2>${now.channels.length ? html`<table class="list"><tbody>${now.channels.map((/** @type {any} */ one) => html`<tr><td>${one.name}</td><td class="dim">${words(one.kind)}</td>
      <td>${one.failing ? html`<span class="bad">✖ ${one.failing}</span>` : one.last_sent_ms ? html`<span class="good">took one ${fmt.ago(one.last_sent_ms)}</span>` : 'nothing to tell since the start'}</td></tr>`)}</tbody></table>`
    : html`<p class="empty">Nobody: no channel is set up. <code>bitlink config example</code> shows how.</p>`}</div>`;

  const quiet = () => html`<div class="card"><div class="between"><h2>What is kept quiet</h2>${may() ? html`<button class="btn" @click=${mute}>Mute</button>` : nothing}</div>
    ${now.mutes.length + now.windows.length ? html`<table class="list"><tbody>${now.mutes.map((/** @type {any} */ one) => html`<tr><td>${one.name}</td><td>${of(one.only)}</td><td>until ${new Date(one.until_ms).toLocaleString()}</td>
        <td>${may() ? html`<button class="btn" @click=${() => unmute(one.name)}>Tell again</button>` : nothing}</td></tr>`)}
      ${now.windows.map((/** @type {any} */ one) => html`<tr><td>${one.name}</td><td>${of(one.only)}</td><td colspan="2">${one.days?.length ? `${one.days.join(', ')}, ` : ''}${one.from} to ${one.until}</td></tr>`)}</tbody></table>`
    : html`<p class="empty">Nothing.</p>`}</div>`;

  const draw = () => render(html`<div class="page">
    <div class="head"><h1>Alerts</h1><span class="dim grow">${now ? (now.enabled ? fmt.soMany(now.firing.length, 'alert') : 'alerts are off in the configuration') : 'loading…'}</span></div>
    ${wrong(problem)}
    ${now ? html`${firing()}<div class="two">${channels()}${quiet()}</div>` : nothing}</div>`, root);
  async function load() {
    try { now = await api.get('/alerts'); problem = ''; } catch (error) { problem = /** @type {Error} */ (error).message; }
    if (!ended) draw();
  }
  draw();
  load();
  const timer = setInterval(load, 10_000);
  return () => { ended = true; clearInterval(timer); };
}
