// Places, labels and notes of one or many miners, in a dialog.

import { html, nothing } from '../vendor/lit.js';
import { PLACES } from '../parts.js';

/** Asks, and writes. Whether anything was written. @param {any} ctx @param {string[]} ids @param {any} [record] */
export async function editRecords(ctx, ids, record) {
  const one = ids.length === 1;
  const was = (/** @type {string} */ name) => (one ? record?.position?.[name] ?? '' : '');
  const said = await ctx.dialog((/** @type {any} */ close) => html`
    <form @submit=${(/** @type {SubmitEvent} */ e) => { e.preventDefault(); close(Object.fromEntries(new FormData(/** @type {HTMLFormElement} */ (e.target)))); }}>
      <h2>Place, labels and notes of ${ctx.fmt.soMany(ids.length, 'miner')}</h2>
      ${one ? nothing : html`<p class="dim">What stays empty stays as it is.</p>`}
      <div class="form">${PLACES.map((name) => html`<label class="field"><span>${name}</span><input name=${name} .value=${was(name)} autocomplete="off"></label>`)}
        <label class="field"><span>labels to add, with commas between</span><input name="add" autocomplete="off"></label>
        <label class="field"><span>labels to take off</span><input name="remove" autocomplete="off" .value=${''} placeholder=${one ? [...(record?.labels ?? [])].join(', ') : ''}></label></div>
      <label class="field"><span>notes</span><textarea name="notes" .value=${one ? record?.notes ?? '' : ''}></textarea></label>
      <div class="actions"><button class="btn" type="button" @click=${() => close()}>Cancel</button><button class="btn primary">Write</button></div>
    </form>`);
  if (!said) return false;
  const list = (/** @type {string} */ text) => text.split(',').map((word) => word.trim()).filter(Boolean);
  /** @type {Record<string, any>} */
  const edit = {};
  for (const name of [...PLACES, 'notes']) {
    const before = name === 'notes' ? (one ? record?.notes ?? '' : '') : was(name);
    if (said[name] !== before) edit[name] = said[name] || null;
  }
  if (list(said.add).length) edit.labels_add = list(said.add);
  if (list(said.remove).length) edit.labels_remove = list(said.remove);
  if (!Object.keys(edit).length) return false;
  const done = await ctx.attempt(() => ctx.api.patch('/miners', { ids, edit }));
  if (done) ctx.toast(`Written of ${ctx.fmt.soMany(done.changed, 'miner')}.`);
  return Boolean(done);
}
