// The door: signing in, and making the first user.

import { html, render, nothing } from '../vendor/lit.js';
import { setCsrf } from '../api.js';

/** @param {HTMLElement} root @param {any} ctx */
export function mount(root, ctx) {
  const setup = ctx.session.setup;
  let problem = '';
  let busy = false;

  const send = async (/** @type {SubmitEvent} */ event) => {
    event.preventDefault();
    const said = Object.fromEntries(new FormData(/** @type {HTMLFormElement} */ (event.target)));
    problem = '';
    if (setup && said.password !== said.again) {
      problem = 'These are two different passwords.';
      return draw();
    }
    busy = true;
    draw();
    try {
      const session = setup
        ? await ctx.api.post('/setup', { token: said.token, name: said.name, password: said.password }, { quiet: true })
        : await ctx.api.post('/session', { name: said.name, password: said.password }, { quiet: true });
      setCsrf(session.csrf);
      await ctx.start();
    } catch (error) {
      problem = /** @type {Error} */ (error).message;
      busy = false;
      draw();
    }
    return undefined;
  };

  const draw = () => render(html`
    <main class="door"><form class="card stack" @submit=${send}>
      <div class="brand"><img src="/assets/icon.svg" alt=""><span>Bit-Link</span></div>
      <h1>${setup ? 'Make the first user' : 'Sign in'}</h1>
      ${setup ? html`
        <p class="dim">Nobody can sign in yet. <code>bitlink serve</code> printed a token when it started; who has it makes the first admin.</p>
        <label class="field"><span>Token</span><input name="token" required autocomplete="off" spellcheck="false"></label>` : nothing}
      <label class="field"><span>Name</span><input name="name" required autocomplete="username" spellcheck="false" autocapitalize="none"></label>
      <label class="field"><span>Password${setup ? ', at least 10 characters' : ''}</span><input name="password" type="password" required autocomplete=${setup ? 'new-password' : 'current-password'}></label>
      ${setup ? html`<label class="field"><span>The same again</span><input name="again" type="password" required autocomplete="new-password"></label>` : nothing}
      ${problem ? html`<div class="problem" role="alert">${problem}</div>` : nothing}
      <button class="btn primary" ?disabled=${busy}>${setup ? 'Make it, and sign in' : 'Sign in'}</button>
    </form></main>`, root);
  document.title = 'Sign in – Bit-Link';
  draw();
  /** @type {HTMLInputElement|null} */ (root.querySelector('input'))?.focus();
  return () => render(nothing, root);
}
