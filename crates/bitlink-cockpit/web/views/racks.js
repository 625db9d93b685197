// Where machines stand, coloured by how they do.

import { html, render, nothing } from '../vendor/lit.js';

const HEAT = [50, 60, 66, 72, 78, 84];

/** @param {HTMLElement} root @param {any} ctx */
export function mount(root, ctx) {
  const { api, fmt } = ctx;
  /** @type {any[][]} */
  let rows = [];
  let by = 'status';
  let problem = '';
  let ended = false;
  const SIGN = { active: '●', warning: '▲', dead: '✖', paused: '‖' };
  const colour = (/** @type {any} */ one) => {
    if (by === 'heat') return one.heat === null || !one.live ? 'hx' : `h${Math.min(5, HEAT.filter((limit) => one.heat >= limit).length)}`;
    return `badge ${one.status}`;
  };
  const draw = () => {
    const racks = new Map();
    for (const [id, status, live, site, building, rack, shelf, slot, heat, address] of rows) {
      const name = [site, building, rack].filter(Boolean).join(' / ') || 'without a place';
      if (!racks.has(name)) racks.set(name, []);
      racks.get(name).push({ id, status, live, shelf, slot, heat, address });
    }
    render(html`<div class="page">
      <div class="head"><h1>Racks</h1><span class="grow"></span><div class="seg" role="group" aria-label="Coloured by">${[['status', 'Status'], ['heat', 'Hottest chip']].map(([key, name]) => html`<button aria-pressed=${by === key} @click=${() => { by = key; draw(); }}>${name}</button>`)}</div></div>
      ${problem ? html`<div class="problem" role="alert">${problem}</div>` : nothing}
      <div class="racks">${[...racks].map(([name, all]) => html`<div class="rack"><h2>${name}</h2><div class="slots">${all.map((/** @type {any} */ one) => html`<a class="slot ${colour(one)}" href="/miners/${one.id}" title="${one.address}, ${one.status}, ${fmt.celsius(one.heat)}" aria-label="${one.address}, ${one.status}">${by === 'heat' ? (one.heat === null ? '–' : Math.round(one.heat)) : SIGN[/** @type {'active'} */ (one.status)] ?? '○'}</a>`)}</div></div>`)}</div>
    </div>`, root);
  };
  async function load() {
    try {
      ({ rows } = await api.get('/miners', { columns: 'id,status,live,site,building,rack,shelf,slot,chip_temp_celsius,address', sort: 'site,building,rack,shelf,slot', limit: 5000 }));
      problem = '';
    } catch (error) { problem = /** @type {Error} */ (error).message; }
    if (!ended) draw();
  }
  draw();
  load();
  const timer = setInterval(load, 10_000);
  return () => { ended = true; clearInterval(timer); };
}
