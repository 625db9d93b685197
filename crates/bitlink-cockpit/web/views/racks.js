// Where machines stand, coloured by how they do; by their addresses where nobody has said where they stand.

import { html, render, nothing } from '../vendor/lit.js';
import { HEATS, heat } from '../hardware.js';
import { choice } from '../parts.js';

const FIELDS = ['id', 'status', 'live', 'address', 'ip', 'site', 'building', 'rack', 'shelf', 'slot', 'temp_celsius', 'hashrate_ratio', 'model'];
const SIGNS = { active: '●', warning: '▲', dead: '✖', paused: '‖' };
/** Height of a row of places, and width of a place, in pixels, as the style sheet has them. */
const PLACE = { high: 29, wide: 35 };

/** @param {HTMLElement} root @param {any} ctx */
export function mount(root, ctx) {
  const { feed, fmt } = ctx;
  let by = 'status';
  let how = 'place';
  /** Groups in order, by name. @type {Map<string, any[]>} */
  let groups = new Map();
  /** Every machine as it was looked at last. @type {Map<string, any>} */
  let ones = new Map();
  let late = 0;
  /** Numbers of the groups in sight: only they are drawn. @type {Set<number>} */
  const seen = new Set();
  const natural = new Intl.Collator('en', { numeric: true }).compare;

  /** The colour of a place, and the word in it. @param {any} one @returns {[string, string]} */
  function look(one) {
    if (by === 'status') return [`badge ${one.status}`, SIGNS[/** @type {'active'} */ (one.status)] ?? '○'];
    // Old numbers are no numbers.
    if (!one.live) return ['hx', one.status === 'dead' ? '✖' : '–'];
    if (by === 'heat') return [heat(one.temp_celsius), fmt.known(one.temp_celsius) ? String(Math.round(one.temp_celsius)) : '–'];
    const share = one.hashrate_ratio;
    if (!fmt.known(share)) return ['hx', '–'];
    return [share < 0.5 ? 'h5' : share < 0.8 ? 'h4' : share < 0.9 ? 'h3' : share < 1.1 ? 'h1' : 'h0', String(Math.round(share * 100))];
  }

  const LEGENDS = {
    status: [['badge active', 'active'], ['badge warning', 'warning'], ['badge dead', 'dead'], ['badge paused', 'paused']],
    heat: HEATS,
    rate: [['h5', 'below 50 %'], ['h4', 'below 80 %'], ['h3', 'below 90 %'], ['h1', 'as expected'], ['h0', '110 % and more'], ['hx', 'not known']],
  };

  function arrange() {
    const at = FIELDS.map((field) => feed.columns.indexOf(field));
    const before = ones;
    let moved = feed.rows.size !== before.size;
    ones = new Map();
    for (const row of feed.rows.values()) {
      /** @type {any} */
      const one = {};
      FIELDS.forEach((field, n) => { one[field] = at[n] < 0 ? null : row[at[n]]; });
      const ip = String(one.ip ?? one.address);
      const net = ip.includes(':') ? ip : `${ip.split('.').slice(0, 3).join('.')}.0/24`;
      const stands = [one.site, one.building, one.rack].filter(Boolean).join(' / ');
      one.group = how === 'address' ? net : stands || `without a place, ${net}`;
      one.order = how === 'address' || !stands ? ip : [one.shelf ?? '', one.slot ?? '', ip].join(' ');
      const was = before.get(one.id);
      moved ||= was?.group !== one.group || was.order !== one.order;
      ones.set(one.id, was ? Object.assign(was, one) : one);
    }
    // Tens of thousands of names are not put in order each second for numbers that are other ones.
    if (!moved) return;
    groups = new Map();
    for (const one of ones.values()) {
      const group = groups.get(one.group);
      if (group) group.push(one); else groups.set(one.group, [one]);
    }
    groups = new Map([...groups].sort(([a], [b]) => Number(a.startsWith('without')) - Number(b.startsWith('without')) || natural(a, b)));
    for (const all of groups.values()) all.sort((a, b) => natural(a.order, b.order));
  }

  const cell = (/** @type {any} */ one) => {
    const [colour, sign] = look(one);
    const stands = [one.shelf && `shelf ${one.shelf}`, one.slot && `slot ${one.slot}`].filter(Boolean).join(', ');
    const said = `${one.address}${stands ? `, ${stands}` : ''}, ${one.model ?? ''}: ${fmt.status(one.status)[1]}, ${one.live ? `${fmt.celsius(one.temp_celsius)}, ${fmt.percent(one.hashrate_ratio)} of its hash rate` : 'nothing heard'}`;
    return html`<a class="slot ${colour}" href="/miners/${one.id}" title=${said} aria-label=${said}>${sign}</a>`;
  };

  function draw() {
    const total = feed.rows.size;
    render(html`<div class="page">
      <div class="head"><h1>Racks</h1><span class="dim grow">${fmt.soMany(total, 'miner')} in ${fmt.soMany(groups.size, 'group')}</span>
        ${choice('Coloured by', [['status', 'Status'], ['heat', 'Heat'], ['rate', 'Hash rate']], by, (one) => { by = one; draw(); })}
        ${choice('Put together by', [['place', 'Place'], ['address', 'Address']], how, (one) => { how = one; change(); })}</div>
      <div class="legend">${LEGENDS[/** @type {'heat'} */ (by)].map(([colour, name]) => html`<i class=${colour}></i><span>${name}</span>`)}</div>
      ${total ? nothing : html`<p class="empty">${feed.complete ? 'No miners are known yet.' : 'Loading…'}</p>`}
      <div class="racks">${[...groups].map(([name, all], at) => {
        const bad = all.filter((one) => one.status === 'dead' || one.status === 'warning').length;
        const high = Math.ceil(all.length / Math.max(1, Math.floor((wide - 20) / PLACE.wide))) * PLACE.high;
        return html`<section class="rack" data-at=${at}><div class="between"><h2>${name}</h2><span class=${bad ? 'warn' : 'dim'}>${bad ? `${bad} of ${all.length} not well` : all.length}</span></div>
          <div class="slots" .style=${`min-height:${high}px`}>${seen.has(at) ? all.map(cell) : nothing}</div></section>`;
      })}</div></div>`, root);
    root.querySelectorAll('.rack').forEach((rack) => watch.observe(rack));
  }

  let wide = 300;
  const watch = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      const at = Number(/** @type {HTMLElement} */ (entry.target).dataset.at);
      if (entry.isIntersecting) seen.add(at); else seen.delete(at);
      wide = entry.boundingClientRect.width || wide;
    }
    draw();
  }, { rootMargin: '300px' });

  function change() { arrange(); draw(); }
  feed.want(FIELDS);
  change();
  const stop = feed.on('rows', () => { late ||= setTimeout(() => { late = 0; change(); }, feed.complete ? 1000 : 300); });
  return () => { stop(); clearTimeout(late); watch.disconnect(); };
}
