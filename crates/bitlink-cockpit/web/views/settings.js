// Who one is, users and tokens, places as a sheet, and what the service says of itself.

import { html, render, nothing } from '../vendor/lit.js';
import { pairs } from '../hardware.js';

/** @param {HTMLElement} root @param {any} ctx */
export function mount(root, ctx) {
  const { api, fmt, feed } = ctx;
  /** @type {any[]|null} */
  let users = null;
  /** @type {any[]|null} */
  let tokens = null;
  /** A token that was made just now: it is told this once. @type {any} */
  let made = null;
  /** What the configuration says, for admins. @type {any} */
  let setup = null;
  let ended = false;
  const isDemo = () => ctx.session.demo;
  const me = () => ctx.session.user;
  const ROLES = ['viewer', 'operator', 'admin'];
  const roles = (/** @type {string} */ most) => ROLES.slice(0, ROLES.indexOf(most) + 1).map((role) => html`<option value=${role}>${role}</option>`);
  /** A form whose fields go to `then`; emptied when that went well. @param {any} fields @param {string} word @param {(said: Record<string, string>) => Promise<any>} then */
  const form = (fields, word, then) => html`<form class="line" @submit=${async (/** @type {SubmitEvent} */ event) => {
    event.preventDefault();
    const it = /** @type {HTMLFormElement} */ (event.target);
    const done = await ctx.attempt(() => then(/** @type {Record<string, string>} */ (Object.fromEntries(new FormData(it)))));
    if (done !== undefined && it.isConnected) it.reset();
    await load();
  }}>${fields}<button class="btn">${word}</button></form>`;
  const input = (/** @type {string} */ name, /** @type {string} */ label, type = 'text') => html`<label class="field"><span>${label}</span><input name=${name} type=${type} required autocomplete=${type === 'password' ? 'new-password' : 'off'}></label>`;
  const sure = (/** @type {string} */ what, /** @type {() => Promise<any>} */ then) => async () => {
    const yes = await ctx.dialog((/** @type {any} */ close) => html`<h2>${what}</h2><div class="actions"><button class="btn" @click=${() => close()}>Cancel</button><button class="btn danger" @click=${() => close(true)}>Yes</button></div>`);
    if (yes) { await ctx.attempt(then); await load(); }
  };

  const you = () => html`<div class="card"><h2>You</h2>${isDemo() ? html`<p>This is a made-up farm: everybody on this machine may do everything, and there are no accounts.</p>` : html`
    <p>${me().name}, ${me().role}</p>${form(html`${input('old', 'password now', 'password')}${input('new', 'another', 'password')}`, 'Change the password', async (said) => {
      await api.post('/session/password', said, { quiet: true });
      ctx.toast('Changed; all your sessions have ended. Sign in again.');
      await ctx.start();
    })}`}</div>`;

  const userList = () => html`<div class="card scroll"><h2>Users</h2><table class="list"><thead><tr><th>Name</th><th>Role</th><th>Since</th><th></th></tr></thead><tbody>${users?.map((one) => html`<tr><td>${one.name}</td>
      <td><select aria-label=${`role of ${one.name}`} @change=${async (/** @type {any} */ e) => { await ctx.attempt(() => api.patch(`/users/${encodeURIComponent(one.name)}`, { role: e.target.value }), 'It counts at once.'); load(); }}>${ROLES.map((role) => html`<option value=${role} ?selected=${role === one.role}>${role}</option>`)}</select></td>
      <td>${new Date(one.made_at_ms).toLocaleDateString()}</td><td><button class="btn" @click=${sure(`Take ${one.name} away?`, () => api.delete(`/users/${encodeURIComponent(one.name)}`))}>Take away</button></td></tr>`)}</tbody></table>
    ${form(html`${input('name', 'name')}<label class="field"><span>role</span><select name="role">${roles('admin')}</select></label>${input('password', 'password, 10 characters at least', 'password')}`, 'Make a user', (said) => api.post('/users', said))}</div>`;

  const tokenList = () => html`<div class="card scroll"><h2>Tokens for programs</h2><p class="dim">A program sends one as <code>Authorization: Bearer …</code>; see <a href="/api/v1/openapi.json" target="_blank">the interface's document</a>.</p>
    ${made ? html`<div class="note">The token of “${made.name}”, told this once: <code class="mono">${made.token}</code></div>` : nothing}
    ${tokens?.length ? html`<table class="list"><thead><tr><th>Name</th><th>Role</th><th>Of</th><th>Until</th><th></th></tr></thead><tbody>${tokens.map((one) => html`<tr><td>${one.name}</td><td>${one.role}</td><td>${one.owner}</td><td>${one.expires_at_ms ? new Date(one.expires_at_ms).toLocaleDateString() : 'it is taken away'}</td>
      <td><button class="btn" @click=${sure(`Take the token “${one.name}” away?`, () => api.delete(`/tokens/${one.id}`))}>Take away</button></td></tr>`)}</tbody></table>` : nothing}
    ${form(html`${input('name', 'what it is for')}<label class="field"><span>may do as a</span><select name="role">${roles(me().role)}</select></label>
      <label class="field"><span>counts for</span><select name="days"><option value="365">a year</option><option value="90">90 days</option><option value="7">a week</option><option value="">until it is taken away</option></select></label>`, 'Make a token', async ({ name, role, days }) => {
      made = await api.post('/tokens', { name, role, ...(days ? { expires_at_ms: Date.now() + Number(days) * 86400e3 } : {}) });
      return made;
    })}</div>`;

  const places = () => html`<div class="card"><h2>Places, labels and notes</h2><p class="dim">As a sheet: take it, fill it in, and bring it back. All of it counts or nothing.</p><div class="line"><a class="btn" href="/api/v1/miners/export" download>Take the sheet</a>
    ${ctx.may('operator') ? html`<label class="btn">Bring a sheet<input class="sr" type="file" accept=".csv,text/csv" @change=${async (/** @type {any} */ event) => {
      const file = event.target.files[0];
      event.target.value = '';
      if (!file) return;
      const told = await ctx.attempt(async () => api.post('/miners/import', await file.text(), { text: true }));
      if (told) ctx.toast(`${fmt.soMany(told.lines, 'line')} read, ${fmt.soMany(told.changed, 'miner')} changed.`);
    }}></label>` : nothing}</div></div>`;

  function service() {
    const state = feed.overview?.service;
    const cover = feed.overview?.coverage;
    return html`<div class="card"><h2>The service</h2>${pairs([['version', ctx.session.version], ['runs since', state ? new Date(state.started_at_ms).toLocaleString() : ''], ['what is known', state ? (state.data_kept ? 'is on the disk' : html`<span class="bad">is not kept: ${state.not_kept ?? 'there is no place for it'}</span>`) : ''],
      ['readings', state ? (state.history ? 'are recorded' : html`<span class="warn">are not recorded${state.not_recorded ? `: ${state.not_recorded}` : ''}</span>`) : ''], ['looked for miners', state?.scanned_at_ms ? fmt.ago(state.scanned_at_ms) : ''],
      ['each is read every', cover ? fmt.span(cover.effective_interval_s) : '']])}
      <p class="dim">It is set up by its configuration file: <code>bitlink config check</code> says what counts. <a href="/metrics" target="_blank">Metrics</a> are for Prometheus.</p></div>`;
  }

  const configuration = () => html`<div class="card"><h2>The configuration</h2>${setup.file ? html`<p class="dim">${setup.file}, as it was read last; what it does not say is as usual, and … stands for what is secret.</p><pre tabindex="0">${JSON.stringify(setup.settings, null, 2)}</pre>`
    : html`<p>There is no file: everything is as usual.</p>`}</div>`;

  const draw = () => render(html`<div class="page"><div class="head"><h1>Settings</h1></div>
    <div class="two">${you()}${service()}</div>${places()}
    ${isDemo() ? nothing : html`${tokenList()}${users ? userList() : nothing}${setup ? configuration() : nothing}`}</div>`, root);
  async function load() {
    if (!isDemo() && ctx.session?.user) {
      const admin = ctx.may('admin');
      [users, setup, tokens] = await Promise.all([admin ? api.get('/users').then((/** @type {any} */ told) => told.users, () => null) : null, admin ? api.get('/settings').catch(() => null) : null, api.get('/tokens').then((/** @type {any} */ told) => told.tokens, () => null)]);
    }
    if (!ended && ctx.session?.user) draw();
  }
  draw();
  load();
  const stop = feed.on('overview', () => { if (!root.contains(document.activeElement) || document.activeElement === root) draw(); });
  return () => { ended = true; stop(); };
}
