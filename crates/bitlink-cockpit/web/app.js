// The shell: who is signed in, where one is, and what stands around every view.

import { html, render, nothing } from './vendor/lit.js';
import { api, onLost, setCsrf, Problem } from './api.js';
import { Feed } from './feed.js';
import * as fmt from './format.js';

const app = /** @type {HTMLElement} */ (document.getElementById('app'));
const RANKS = { viewer: 0, operator: 1, admin: 2 };

/** Paths, and the module that draws each. The first that fits counts. @type {[RegExp, string, string][]} */
const ROUTES = [
  [/^\/$/, 'overview', 'Overview'],
  [/^\/miners$/, 'miners', 'Miners'],
  [/^\/miners\/(?<id>[^/]+)$/, 'miner', 'Miner'],
  [/^\/racks$/, 'racks', 'Racks'],
  [/^\/scan$/, 'scan', 'Scan'],
  [/^\/plans$/, 'plans', 'Commands'],
  [/^\/plans\/(?<id>[^/]+)$/, 'plan', 'Command'],
  [/^\/alerts$/, 'alerts', 'Alerts'],
  [/^\/log$/, 'log', 'Log'],
  [/^\/audit$/, 'audit', 'Audit'],
  [/^\/settings$/, 'settings', 'Settings'],
];

/** @type {[string, string, string][]} path, sign, name */
const NAV = [
  ['/', '◉', 'Overview'], ['/miners', '☰', 'Miners'], ['/racks', '▦', 'Racks'], ['/scan', '⌕', 'Scan'], ['/plans', '▷', 'Commands'],
  ['/alerts', '△', 'Alerts'], ['/log', '≡', 'Log'], ['/audit', '✓', 'Audit'], ['/settings', '⚙', 'Settings'],
];

const feed = new Feed();
/** @type {any} */
let session = null;
let unmount = /** @type {(() => void)|null} */ (null);
/** What is handed to the next view beside its address, as a selection that is too long for one. @type {any} */
let handed = null;
let alertCount = 0;
/** @type {{id: number, text: string, bad: boolean}[]} */
let toasts = [];
let toastNumber = 0;

/** @param {string} text @param {'good'|'bad'} [kind] */
function toast(text, kind = 'good') {
  const id = ++toastNumber;
  toasts = [...toasts.slice(-3), { id, text, bad: kind === 'bad' }];
  drawShell();
  setTimeout(() => { toasts = toasts.filter((one) => one.id !== id); drawShell(); }, kind === 'bad' ? 9000 : 5000);
}

/** Goes somewhere. @param {string} path @param {any} [with_] @param {{replace?: boolean}} [how] */
function go(path, with_ = null, how = {}) {
  handed = with_;
  if (how.replace) history.replaceState(null, '', path); else history.pushState(null, '', path);
  return show();
}

const may = (/** @type {'viewer'|'operator'|'admin'} */ role) => Boolean(session?.user && RANKS[/** @type {'viewer'} */ (session.user.role)] >= RANKS[role]);

/** Does something that may be refused, and says so. @param {() => Promise<any>} work @param {string} [done] */
async function attempt(work, done) {
  try {
    const result = await work();
    if (done) toast(done);
    return result ?? true;
  } catch (error) {
    toast(error instanceof Error ? error.message : String(error), 'bad');
    return undefined;
  }
}

/**
 * Asks something in a dialog. `body(close)` draws it; what `close` is called with is the answer.
 * @param {(close: (answer?: any) => void, again: () => void) => any} body
 */
function dialog(body) {
  return new Promise((resolve) => {
    const box = document.createElement('dialog');
    const opener = /** @type {HTMLElement|null} */ (document.activeElement);
    document.body.append(box);
    const close = (/** @type {any} */ answer) => { box.close(); box.remove(); opener?.focus?.(); resolve(answer); };
    const draw = () => render(body(close, draw), box);
    box.addEventListener('cancel', (event) => { event.preventDefault(); close(undefined); });
    draw();
    box.showModal();
  });
}

export const ctx = {
  api, feed, fmt, go, toast, attempt, dialog, may,
  get session() { return session; },
  get handed() { const given = handed; handed = null; return given; },
  signOut, start,
};

async function signOut() {
  await attempt(() => api.delete('/session'));
  await start();
}

function drawShell() {
  const path = location.pathname;
  const here = (/** @type {string} */ to) => (to === '/' ? path === '/' : path === to || path.startsWith(`${to}/`));
  const view = html`
    <a class="sr" href="#main" @click=${(/** @type {Event} */ e) => { e.preventDefault(); document.getElementById('main')?.focus(); }}>Skip to content</a>
    <nav class="nav" aria-label="Main">
      <a class="brand" href="/"><img src="/assets/icon.svg" alt=""><span>Bit-Link</span></a>
      ${NAV.map(([to, sign, name]) => html`
        <a class="item" href=${to} aria-current=${here(to) ? 'page' : nothing}><i class="sign" aria-hidden="true">${sign}</i>${name}
          ${to === '/alerts' && alertCount ? html`<span class="count" title="alerts that are true now">${alertCount}</span>` : nothing}</a>`)}
      <div class="foot">
        <div class="line"><button class="btn quiet" title="dark, light, or as the system has it" @click=${nextTheme}>${themeName()}</button></div>
        <div class="who">${session?.demo ? 'A made-up fleet' : session?.user ? html`${session.user.name}, ${session.user.role}` : nothing}</div>
        <div class="who">${session ? `version ${session.version}` : nothing}</div>
        ${session?.user && !session.demo ? html`<button class="btn quiet" @click=${signOut}>Sign out</button>` : nothing}
      </div>
    </nav>
    <div class="banner" role="status">${banner()}</div>
    <main class="main" id="main" tabindex="-1"></main>
    <div class="toasts" aria-live="polite">${toasts.map((one) => html`<div class="toast ${one.bad ? 'bad' : ''}">${one.text}</div>`)}</div>`;
  render(html`<div class="shell">${view}</div>`, app);
}

/** What everybody should know whatever they look at. */
function banner() {
  if (!feed.connected && feed.heard) return html`<b>No connection to the service.</b> What is shown is ${fmt.span((Date.now() - feed.heard) / 1000)} old.`;
  const service = feed.overview?.service;
  if (service?.not_kept) return html`<b>What is known cannot be kept:</b> ${service.not_kept}`;
  if (service?.not_recorded) return html`<b>Readings are not recorded:</b> ${service.not_recorded}`;
  return nothing;
}

const THEMES = ['', 'dark', 'light'];
const theme = () => { try { return localStorage.getItem('theme') ?? ''; } catch { return ''; } };
const themeName = () => ({ '': '◐ theme: system', dark: '● theme: dark', light: '○ theme: light' })[theme()] ?? '◐';
function applyTheme() { document.documentElement.dataset.theme = theme(); }
function nextTheme() {
  const next = THEMES[(THEMES.indexOf(theme()) + 1) % THEMES.length];
  try { localStorage.setItem('theme', next); } catch { /* only for now, then */ }
  applyTheme();
  drawShell();
  window.dispatchEvent(new Event('theme'));
}

let showing = 0;
async function show() {
  const turn = ++showing;
  unmount?.();
  unmount = null;
  drawShell();
  const main = /** @type {HTMLElement} */ (document.getElementById('main'));
  const found = ROUTES.map(([pattern, module, name]) => ({ match: location.pathname.match(pattern), module, name })).find((route) => route.match);
  // A root of its own for each view: what one leaves behind is gone with it.
  const root = document.createElement('div');
  root.className = 'view';
  root.style.height = '100%';
  main.replaceChildren(root);
  main.scrollTop = 0;
  if (!found) {
    document.title = 'Bit-Link';
    render(html`<div class="page"><h1>There is no such page</h1><p><a href="/">To the overview</a></p></div>`, root);
    return;
  }
  document.title = `${found.name} – Bit-Link`;
  try {
    const view = await import(`./views/${found.module}.js`);
    if (turn !== showing) return;
    unmount = view.mount(root, ctx, found.match?.groups ?? {});
  } catch (error) {
    console.error(error);
    render(html`<div class="page"><p class="problem">This view cannot be shown: ${String(error)}</p></div>`, root);
  }
}

// Links within the page are followed without loading it anew.
document.addEventListener('click', (event) => {
  const link = /** @type {HTMLAnchorElement|null} */ (/** @type {Element} */ (event.target).closest?.('a[href^="/"]'));
  if (!link || event.defaultPrevented || event.button || event.metaKey || event.ctrlKey || event.shiftKey || link.target || link.hasAttribute('download')) return;
  if (link.pathname.startsWith('/api/') || link.pathname.startsWith('/metrics')) return;
  event.preventDefault();
  go(link.pathname + link.search);
});
window.addEventListener('popstate', () => show());

async function countAlerts() {
  if (!session?.user) return;
  try {
    const alerts = await api.get('/alerts');
    const firing = alerts.firing.filter((/** @type {any} */ one) => one.miners > one.quiet).length;
    if (firing !== alertCount) { alertCount = firing; drawShell(); }
  } catch { /* it is shown as soon as it can be */ }
}

/** What stands there until this runs. */
const boot = app.querySelector('.boot');

/** Looks who is signed in, and shows what they may see. */
async function start() {
  applyTheme();
  boot?.remove();
  try {
    session = await api.get('/session');
  } catch (error) {
    render(html`<p class="boot">${error instanceof Problem ? error.message : String(error)}. Trying again…</p>`, app);
    setTimeout(start, 3000);
    return;
  }
  setCsrf(session.csrf);
  if (!session.user) {
    feed.close();
    unmount?.();
    unmount = null;
    const door = await import('./views/login.js');
    unmount = door.mount(app, ctx);
    return;
  }
  if (location.pathname === '/login') history.replaceState(null, '', '/');
  if (!feed.source) feed.open();
  render(nothing, app);
  await show();
  await countAlerts();
}

onLost(() => { if (session?.user) { session = null; feed.close(); start(); } });
feed.on('connection', drawShell);
feed.on('refused', () => api.get('/session').then((now) => { if (!now.user) start(); }).catch(() => {}));
feed.on('overview', () => { if (!feed.connected || banner() !== nothing || document.querySelector('.banner')?.textContent) drawShell(); });
setInterval(() => { if (session?.user && !feed.connected) drawShell(); }, 1000);
setInterval(countAlerts, 20_000);
start();
