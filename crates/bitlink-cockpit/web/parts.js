// Parts that several views have.

import { html, nothing } from './vendor/lit.js';
import * as fmt from './format.js';

/** What went wrong, where something did. @param {string} text */
export const problem = (text) => (text ? html`<div class="problem" role="alert">${text}</div>` : nothing);

/**
 * One of several, chosen.
 * @template T
 * @param {string} label @param {[T, string][]} options @param {T} chosen @param {(one: T) => void} pick
 */
export const choice = (label, options, chosen, pick) => html`<div class="seg" role="group" aria-label=${label}>
  ${options.map(([one, name]) => html`<button type="button" aria-pressed=${one === chosen} @click=${() => pick(one)}>${name}</button>`)}</div>`;

/** Parts of a place, from the large to the small. */
export const PLACES = ['site', 'building', 'rack', 'shelf', 'slot'];
/** Where a machine stands. @param {any} position */
export const place = (position) => PLACES.map((part) => position?.[part]).filter(Boolean).join(' / ');

/** A text as a filter takes it. @param {string} text */
export const quoted = (text) => (/[\s"]/.test(text) ? `"${text.replaceAll('"', '')}"` : text);

/** Where those are seen that pass a filter. @param {string} filter */
export const filtered = (filter) => `/miners?${new URLSearchParams({ filter })}`;

/** A word of the interface as people write it. @param {string} word */
export const words = (word) => word.replaceAll('_', ' ');

/** A time, with the whole of it for who points at it. @param {number} ms @param {string} [text] */
export const time = (ms, text = fmt.clock(ms)) => html`<time class="dim nowrap" datetime=${new Date(ms).toISOString()} title=${new Date(ms).toLocaleString()}>${text}</time>`;

const day = (/** @type {number} */ ms) => new Date(ms).toLocaleDateString(undefined, { weekday: 'short', year: 'numeric', month: 'short', day: 'numeric' });

/** One thing that happened, as a line of a list. @param {any} one */
const happening = (one) => html`<li>${time(one.at_ms, fmt.clock(one.at_ms).slice(-8))}
  <span class=${one.severity} title=${one.severity}>${fmt.sign(one.severity)}</span>
  <span>${one.id ? html`<a href="/miners/${one.id}">${one.address ?? one.id}</a> ` : nothing}${one.text}</span></li>`;

/** What happened, the newest first, with the day where it changes. @param {any[]} entries */
export function happened(entries) {
  if (!entries.length) return html`<p class="empty">Nothing was recorded.</p>`;
  let last = day(Date.now());
  return html`<ul class="happened">${entries.map((one) => {
    const on = day(one.at_ms);
    const changes = on !== last;
    last = on;
    return html`${changes ? html`<li class="day dim">${on}</li>` : nothing}${happening(one)}`;
  })}</ul>`;
}

/** What a command can come to, the best first. */
export const OUTCOMES = ['verified', 'applied', 'refused', 'unsupported', 'unknown', 'not_attempted'];

/** What a miner came to under a command, or how far it is. @param {any} one */
export const outcome = (one) => html`<span class="badge ${one.outcome ?? ''}">${words(one.outcome ?? one.stage)}</span>`;

/** Saves a text as a file. @param {string} name @param {string} text */
export function save(name, text) {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(new Blob([text], { type: 'text/plain' }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}
