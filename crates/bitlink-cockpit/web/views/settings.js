// How this browser shows things, and how the service is set up.

import { html, render, nothing } from '../vendor/lit.js';

/** @param {HTMLElement} root @param {any} ctx */
export function mount(root, ctx) {
  const { api } = ctx;
  /** @type {any} */
  let users = null;
  let ended = false;
  const draw = () => render(html`<div class="page"><div class="head"><h1>Settings</h1></div>
    <div class="card"><h2>You</h2><p>${ctx.session.demo ? 'This is a made-up fleet: everybody on this machine may do everything.' : `${ctx.session.user.name}, ${ctx.session.user.role}`}</p></div>
    ${users ? html`<div class="card"><h2>Users</h2><table class="list"><thead><tr><th>Name</th><th>Role</th></tr></thead><tbody>${users.map((/** @type {any} */ one) => html`<tr><td>${one.name}</td><td>${one.role}</td></tr>`)}</tbody></table></div>` : nothing}
    <div class="card"><h2>The service</h2><p>It is set up by its configuration file; <code>bitlink users</code> makes users, and <code>bitlink config check</code> says what counts.</p></div></div>`, root);
  draw();
  if (!ctx.session.demo && ctx.may('admin')) api.get('/users').then((/** @type {any} */ told) => { users = told.users ?? told; if (!ended) draw(); }).catch(() => {});
  return () => { ended = true; };
}
