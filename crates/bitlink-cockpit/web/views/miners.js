// The grid: every miner, any field as a column, filtered and put in order by the server, live.

import { html, render, nothing } from '../vendor/lit.js';
import { Table } from '../table.js';
import { FEW, USUAL, isNumber, text, tone, width } from '../columns.js';
import { locate } from '../actions.js';
import { editRecords } from './edit.js';

/** @type {import('../columns.js').Field[]|null} */
let fields = null;

/** @param {HTMLElement} root @param {any} ctx */
export function mount(root, ctx) {
  const { feed, fmt, api } = ctx;
  const params = new URLSearchParams(location.search);
  const small = matchMedia('(max-width: 760px)').matches;
  let filter = params.get('filter') ?? '';
  let sort = params.get('sort') ?? '-status';
  let shown = params.get('columns')?.split(',').filter(Boolean) ?? (small ? FEW : USUAL);
  /** @type {Record<string, number>} */
  const widths = read('widths') ?? {};
  /** @type {string[]} */
  let order = [];
  /** Where each id is in the order. @type {Map<string, number>} */
  let places = new Map();
  const chosen = new Set();
  let anchor = 0;
  let problem = '';
  let loading = true;
  let total = 0;
  let ended = false;
  /** @type {Table|null} */
  let table = null;
  let asking = /** @type {AbortController|null} */ (null);
  let stirred = false;
  let timer = 0;

  const byKey = (/** @type {string} */ key) => fields?.find((field) => field.key === key || field.aliases?.includes(key));
  const columns = () => shown.map(byKey).filter((field) => field !== undefined);
  const widthOf = (/** @type {any} */ field) => widths[field.key] ?? width(field);

  render(html`<div class="page full">
    <div class="head"><h1>Miners</h1><span class="dim grow" id="sum" role="status"></span></div>
    <form class="tools" role="search"></form>
    <div class="problem hidden" role="alert" id="wrong"></div>
    <div id="grid"></div>
    <div class="foot-line"><span id="foot"></span><span class="dim"><kbd>/</kbd> filter <kbd>↑↓</kbd> move <kbd>space</kbd> choose <kbd>↵</kbd> open <kbd>?</kbd> help</span></div>
  </div>`, root);
  const at = (/** @type {string} */ id) => /** @type {HTMLElement} */ (root.querySelector(id));

  function tools() {
    const some = chosen.size;
    render(html`
      <div class="filter"><label class="sr" for="filter">Filter</label><input id="filter" type="search" .value=${filter} placeholder="filter: status:warning model:S19 chip_temp>85" spellcheck="false" autocapitalize="none" autocomplete="off" aria-describedby="wrong"></div>
      <button class="btn" type="button" @click=${help} title="what can be typed, and the keys">?</button>
      <button class="btn" type="button" @click=${choose}>Columns</button>
      <a class="btn" href=${`/api/v1/miners?${new URLSearchParams({ filter, sort, columns: shown.join(','), format: 'csv' })}`} download="miners.csv">CSV</a>
      ${ctx.may('operator') ? html`
        <button class="btn ${some ? 'primary' : ''}" type="button" ?disabled=${!some && !filter} @click=${command}>${some ? `Command ${fmt.count(some)}` : filter ? 'Command the match' : 'Command'}</button>
        <button class="btn" type="button" ?disabled=${!some} @click=${edit}>Place and labels</button>` : nothing}
      ${some ? html`<button class="btn quiet" type="button" @click=${() => { chosen.clear(); changed(); }}>Choose none</button>` : nothing}`, at('form'));
  }

  at('form').addEventListener('submit', (event) => { event.preventDefault(); use(/** @type {HTMLInputElement} */ (at('#filter')).value); at('#grid').focus(); });
  at('form').addEventListener('input', (event) => {
    if (/** @type {HTMLElement} */ (event.target).id !== 'filter') return;
    clearTimeout(timer);
    const typed = /** @type {HTMLInputElement} */ (event.target).value;
    timer = setTimeout(() => use(typed), 250);
  });

  function use(/** @type {string} */ typed) {
    clearTimeout(timer);
    filter = typed.trim();
    remember();
    arrange();
    tools();
  }

  function remember() {
    const query = new URLSearchParams();
    if (filter) query.set('filter', filter);
    if (sort !== '-status') query.set('sort', sort);
    if (shown.join() !== (small ? FEW : USUAL).join()) query.set('columns', shown.join(','));
    history.replaceState(null, '', `${location.pathname}${query.size ? `?${query}` : ''}`);
  }

  /** Asks the server who passes, and in which order. */
  async function arrange() {
    asking?.abort();
    const mine = new AbortController();
    asking = mine;
    stirred = false;
    try {
      const told = await api.get('/miners', { filter, sort, columns: 'id', limit: 100000 }, { signal: mine.signal });
      if (ended || asking !== mine) return;
      order = told.rows.map((/** @type {any[]} */ row) => row[0]);
      places = new Map(order.map((id, n) => [id, n]));
      total = told.total;
      problem = '';
    } catch (error) {
      if (ended || mine.signal.aborted) return;
      const wrong = /** @type {import('../api.js').Problem} */ (error);
      problem = wrong.field === 'filter' && wrong.at !== undefined ? `${wrong.message} (at letter ${wrong.at + 1})` : wrong.message;
    } finally {
      if (asking === mine) asking = null;
    }
    loading = false;
    changed();
  }

  function changed() {
    const wrong = at('#wrong');
    wrong.textContent = problem;
    wrong.classList.toggle('hidden', !problem);
    at('#sum').textContent = loading ? 'loading…' : order.length === total ? fmt.soMany(total, 'miner') : `${fmt.count(order.length)} of ${fmt.soMany(total, 'miner')}`;
    at('#foot').textContent = chosen.size ? `${fmt.count(chosen.size)} chosen` : '';
    tools();
    table?.redraw();
  }

  const source = {
    label: 'Miners',
    columns: () => columns().map((field) => {
      const by = sort.split(',').map((one) => [one.replace(/^-/, ''), one.startsWith('-')]).find(([key]) => byKey(/** @type {string} */ (key))?.key === field?.key);
      return { key: field.key, title: field.title, width: widthOf(field), number: isNumber(field), hint: field.description, sort: by ? (by[1] ? 'descending' : 'ascending') : undefined };
    }),
    length: () => order.length,
    id: (/** @type {number} */ row) => order[row],
    cell: (/** @type {number} */ _, /** @type {number} */ column, /** @type {string} */ id) => { const field = shownNow[column]; return field ? text(field, feed.value(id, field.key), now) : ''; },
    tone: (/** @type {number} */ _, /** @type {number} */ column, /** @type {string} */ id) => { const field = shownNow[column]; return field ? tone(field, feed.value(id, field.key)) : ''; },
    state: (/** @type {number} */ _, /** @type {string} */ id) => `${chosen.has(id) ? 'on ' : ''}${feed.value(id, 'live') === false ? 'stale' : ''}`,
    empty: () => (loading ? 'Loading…' : problem ? 'The filter is not understood.' : filter ? 'Nobody passes this filter.' : 'No miners are known yet. Look for some on the scan page.'),
    sort: (/** @type {string} */ key, /** @type {boolean} */ more) => {
      const before = sort.split(',').filter(Boolean);
      const now_ = before.find((one) => one.replace(/^-/, '') === key);
      const next = now_ ? (now_.startsWith('-') ? key : `-${key}`) : `${isNumber(byKey(key)) || key === 'status' ? '-' : ''}${key}`;
      sort = more ? [...before.filter((one) => one.replace(/^-/, '') !== key), next].join(',') : next;
      remember();
      table?.rebuild();
      arrange();
    },
    resize: (/** @type {string} */ key, /** @type {number} */ wide) => { widths[key] = wide; write('widths', widths); table?.rebuild(); },
    reorder: (/** @type {string} */ key, /** @type {string} */ before) => {
      if (!key || key === before || !shown.includes(key)) return;
      shown = shown.filter((one) => one !== key);
      shown.splice(shown.indexOf(before), 0, key);
      useColumns();
    },
    press: (/** @type {number} */ row, /** @type {string} */ key) => {
      if (key !== 'light' || !ctx.may('operator') || !order[row]) return false;
      light(order[row]);
      return true;
    },
    click: (/** @type {number} */ row, /** @type {MouseEvent} */ event) => {
      const id = order[row];
      if (event.shiftKey) between(anchor, row);
      else if (event.ctrlKey || event.metaKey) { toggle(id); anchor = row; }
      else if (small) ctx.go(`/miners/${id}`);
      else { const only = chosen.size === 1 && chosen.has(id); chosen.clear(); if (!only) chosen.add(id); anchor = row; }
      changed();
    },
    open: (/** @type {number} */ row) => { if (order[row]) ctx.go(`/miners/${order[row]}`); },
    moved: (/** @type {number} */ row, /** @type {boolean} */ extend) => { if (extend) { between(anchor, row); changed(); } else anchor = row; },
    key: (/** @type {KeyboardEvent} */ event, /** @type {number} */ row) => {
      if (event.key === ' ') { toggle(order[row]); changed(); return true; }
      if (event.key === 'a' && (event.ctrlKey || event.metaKey)) { order.forEach((id) => chosen.add(id)); changed(); return true; }
      if (event.key === 'Escape' && chosen.size) { chosen.clear(); changed(); return true; }
      if (event.key === 'l' && ctx.may('operator')) { light(order[row]); return true; }
      return false;
    },
  };

  const toggle = (/** @type {string} */ id) => (chosen.has(id) ? chosen.delete(id) : chosen.add(id));
  const between = (/** @type {number} */ a, /** @type {number} */ b) => {
    chosen.clear();
    for (let row = Math.min(a, b); row <= Math.max(a, b); row++) if (order[row]) chosen.add(order[row]);
  };

  /** @type {any[]} */
  let shownNow = [];
  let now = Date.now();
  function useColumns() {
    shownNow = columns();
    shown = shownNow.map((field) => field.key);
    feed.want(shown);
    remember();
    table?.rebuild();
    tools();
  }

  const meant = () => (chosen.size ? { ids: [...chosen] } : { filter });
  function command() { ctx.go('/plans/new', meant()); }
  async function edit() {
    if (await editRecords(ctx, [...chosen])) changed();
  }
  const light = (/** @type {string} */ id) => locate(ctx, id, feed.value(id, 'light') !== true);

  async function choose() {
    const picked = new Set(shown);
    const done = await ctx.dialog((/** @type {any} */ close, /** @type {any} */ again) => html`
      <h2>Columns</h2><p class="dim">Drag a heading to move it, its right edge to make it wider. A view is in the address: keep it as a bookmark.</p>
      <div class="chooser">${fields?.map((field) => html`<label class="check" title=${field.description ?? ''}><input type="checkbox" .checked=${picked.has(field.key)} @change=${(/** @type {any} */ e) => { if (e.target.checked) picked.add(field.key); else picked.delete(field.key); again(); }}>${field.title}</label>`)}</div>
      <div class="actions"><button class="btn" @click=${() => { picked.clear(); USUAL.forEach((key) => picked.add(key)); again(); }}>The usual ones</button>
      <button class="btn" @click=${() => close()}>Cancel</button><button class="btn primary" ?disabled=${!picked.size} @click=${() => close(true)}>Show these</button></div>`);
    if (!done) return;
    shown = [...shown.filter((key) => picked.has(key)), ...[...picked].filter((key) => !shown.includes(key))];
    useColumns();
  }

  async function help() {
    await ctx.dialog((/** @type {any} */ close) => html`<h2>Filter and keys</h2>
      <p>Words that must all hold: <code>status:warning model:S19 chip_temp&gt;85</code>. A word alone is looked for everywhere. <code>-status:dead</code> means not, <code>rack:?</code> not known, <code>model="S19 Pro"</code> exactly,
      <code>chip_temp:70..85</code> between, <code>ip:10.0.0.0/16</code> a network. Numbers may have units: <code>hashrate&lt;90TH power&gt;3.2kW uptime&lt;2h exp&lt;95%</code>. What is not known is neither above nor below.</p>
      <div class="help-list"><div><kbd>↑</kbd> <kbd>↓</kbd> <kbd>PgUp</kbd> <kbd>PgDn</kbd> <kbd>Home</kbd> <kbd>End</kbd> move</div><div><kbd>space</kbd> choose a row, <kbd>shift</kbd>+move several</div><div><kbd>ctrl</kbd>+<kbd>A</kbd> choose all that pass</div><div><kbd>esc</kbd> choose none</div><div><kbd>↵</kbd> open</div><div><kbd>/</kbd> filter</div><div><kbd>L</kbd> locate light</div></div>
      <h3>Fields</h3><div class="scroll"><table class="list"><tbody>${fields?.map((field) => html`<tr><td class="mono">${[field.key, ...(field.aliases ?? [])].join(' ')}</td><td>${field.description}${field.unit ? ` (${field.unit === '1' ? 'share of 1; short names in %' : field.unit})` : ''}</td></tr>`)}</tbody></table></div>
      <div class="actions"><button class="btn primary" @click=${() => close()}>Close</button></div>`);
  }

  function shortcuts(/** @type {KeyboardEvent} */ event) {
    const typing = /^(INPUT|TEXTAREA|SELECT)$/.test(/** @type {Element} */ (event.target).tagName) || document.querySelector('dialog[open]');
    if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === '/') { event.preventDefault(); /** @type {HTMLInputElement} */ (at('#filter')).select(); }
    if (event.key === '?') { event.preventDefault(); help(); }
  }
  document.addEventListener('keydown', shortcuts);

  const stops = [feed.on('rows', (/** @type {CustomEvent} */ event) => {
    const { reset, gone } = event.detail;
    // Who is new or gone changes who there is at once; values that change do so with the next look.
    const isNew = [...feed.dirty].some((id) => feed.rows.has(id) !== places.has(id));
    feed.dirty.clear();
    if (reset || gone || (isNew && !filter)) { if (!asking) arrange(); } else stirred = true;
    table?.redraw();
  })];
  // The order follows the values, but never so fast that it costs more than it shows.
  const follow = setInterval(() => { if (stirred && !asking && !document.hidden && feed.complete) arrange(); }, 4000);
  const tick = setInterval(() => { now = Date.now(); table?.redraw(); }, 1000);

  (async () => {
    try {
      fields ??= (await api.get('/fields')).fields;
    } catch (error) {
      problem = /** @type {Error} */ (error).message;
      changed();
      return;
    }
    if (ended) return;
    shownNow = columns();
    shown = shownNow.map((field) => field.key);
    feed.want([...shown, 'light']);
    table = new Table(at('#grid'), /** @type {any} */ (source));
    tools();
    await arrange();
  })();

  return () => {
    ended = true;
    asking?.abort();
    stops.forEach((stop) => stop());
    clearInterval(follow);
    clearInterval(tick);
    clearTimeout(timer);
    document.removeEventListener('keydown', shortcuts);
    table?.end();
  };
}

/** @param {string} name */
function read(name) { try { return JSON.parse(localStorage.getItem(`miners-${name}`) ?? 'null'); } catch { return null; } }
/** @param {string} name @param {any} value */
function write(name, value) { try { localStorage.setItem(`miners-${name}`, JSON.stringify(value)); } catch { /* only for now, then */ } }
