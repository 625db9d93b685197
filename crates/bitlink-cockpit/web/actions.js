// Telling miners what to do: the forms of every action, and the light, which needs none.

import { html, nothing } from './vendor/lit.js';
import { words } from './parts.js';

/** What a plan of one miner came to, waited for. @param {any} api @param {string} id */
async function ended(api, id) {
  for (let tries = 0; tries < 240; tries++) {
    const plan = await api.get(`/plans/${id}`);
    if (plan.state !== 'running') return plan;
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
  return null;
}

/** Switches the light of one miner, through a plan as everything else. @param {any} ctx @param {string} id @param {boolean} on */
export async function locate(ctx, id, on) {
  await ctx.attempt(async () => {
    const plan = await ctx.api.post('/plans', { action: { kind: 'locate', on }, ids: [id] });
    if (!plan.targets) throw new Error(plan.skipped[0]?.text ?? 'it has no light that can be switched');
    await ctx.api.post(`/plans/${plan.id}/run`, { miners: plan.targets });
    const done = await ended(ctx.api, plan.id);
    const one = done?.outcomes[0];
    const good = ['verified', 'applied'].includes(one?.outcome);
    ctx.toast(`Light ${on ? 'on' : 'off'} at ${one?.address ?? id}: ${words(one?.outcome ?? 'unknown')}${one?.text ? `, ${one.text}` : ''}`, good ? 'good' : 'bad');
  });
}

/** What each unit of a setting is told in, and how many of the interface's that is. @type {Record<string, [string, number]>} */
const UNITS = { W: ['W', 1], Hz: ['MHz', 1e6] };

/** @param {string} name @param {string} label @param {{type?: string, required?: boolean, example?: string, value?: string}} [more] */
const text = (name, label, more = {}) => html`<label class="field"><span>${label}</span>
  <input name=${name} type=${more.type ?? 'text'} ?required=${more.required ?? false} placeholder=${more.example ?? ''} .value=${more.value ?? ''} autocomplete="off" spellcheck="false" step="any"></label>`;

/** The fields of one setting. @param {any} setting */
function fields(setting) {
  const { name, kind, title, unit, required } = setting;
  switch (kind) {
    case 'bool': return html`<label class="check"><input type="checkbox" name=${name} checked> ${title}</label>`;
    case 'secret': return text(name, title, { type: 'password', required });
    case 'number': return text(name, `${title}${unit ? `, ${(UNITS[unit] ?? [unit])[0]}` : ''}`, { type: 'number', required });
    case 'pools': return [0, 1, 2].map((n) => html`<fieldset class="form"><legend class="dim">${n ? `Pool ${n + 1}, if any` : 'Pool 1'}</legend>
      ${text(`url${n}`, 'address', { required: !n, example: 'stratum+tcp://pool.example:3333' })}
      ${text(`user${n}`, 'worker', { required: !n, example: 'farm.{ip_4}' })}${text(`password${n}`, 'password', { value: 'x' })}</fieldset>`);
    case 'fans': return html`<label class="field"><span>${title}</span><select name="mode"><option value="automatic">automatic</option><option value="fixed">at a share of full speed</option>
      <option value="off">off, in a fluid</option></select></label>${text('duty', 'share of full speed, %', { type: 'number' })}`;
    case 'network': return html`<label class="field"><span>${title}</span><select name="mode"><option value="dhcp">by DHCP</option><option value="static">by hand</option></select></label>
      ${text('address', 'address', { example: '10.0.0.5' })}${text('prefix', 'length of the prefix', { type: 'number', example: '24' })}${text('gateway', 'way out', { example: '10.0.0.1' })}${text('dns', 'who resolves names')}`;
    default: return text(name, title, { required });
  }
}

/** What was said, as the interface takes it. @param {any} setting @param {FormData} said @returns {[string, any][]} */
function told(setting, said) {
  const { name, kind, unit } = setting;
  const word = (/** @type {string} */ key) => String(said.get(key) ?? '').trim();
  switch (kind) {
    case 'bool': return [[name, said.has(name)]];
    case 'number': return word(name) ? [[name, Number(word(name)) * (UNITS[unit] ?? ['', 1])[1]]] : [];
    case 'pools': return [[name, [0, 1, 2].filter((n) => word(`url${n}`)).map((n) => ({ url: word(`url${n}`), user: word(`user${n}`), password: word(`password${n}`) }))]];
    case 'fans': return [[name, word('mode') === 'fixed' ? { mode: 'fixed', duty_ratio: Number(word('duty')) / 100 } : { mode: word('mode') }]];
    case 'network': return [[name, word('mode') === 'dhcp' ? { mode: 'dhcp' }
      : { mode: 'static', address: word('address'), prefix: Number(word('prefix')), gateway: word('gateway'), dns: word('dns').split(/[\s,]+/).filter(Boolean) }]];
    default: return word(name) ? [[name, word(name)]] : [];
  }
}

/** How carefully: names of the interface, and what people read. @type {[string, string, string][]} */
const CARE = [
  ['batch', 'at once at most', 'miners'], ['pause_s', 'pause between steps', 's'], ['canary', 'go first and must come back healthy', 'miners'],
  ['max_failures', 'failures that are put up with', ''], ['max_miners', 'refuse more miners than', ''], ['max_kw', 'refuse more power than', 'kW'], ['kw_per_second', 'switch at most', 'kW/s'],
];

/**
 * The form of an action. `made` is called with what is to be done and how carefully.
 * @param {any} action @param {(action: any, policy: any) => void} made @param {() => void} back
 */
export const form = (action, made, back) => html`<form class="card stack" @submit=${(/** @type {SubmitEvent} */ event) => {
  event.preventDefault();
  const said = new FormData(/** @type {HTMLFormElement} */ (event.target));
  const wish = { kind: action.kind, ...Object.fromEntries(action.parameters.flatMap((/** @type {any} */ setting) => told(setting, said))) };
  const care = Object.fromEntries(CARE.map(([name]) => [name, String(said.get(`care_${name}`) ?? '').trim()]).filter(([, value]) => value).map(([name, value]) => [name, Number(value)]));
  made(wish, care);
}}>
  <h2>${action.title}</h2><p class="dim">${action.description}${action.interrupts ? '. Miners stop hashing for it.' : '.'}</p>
  ${action.dangerous ? html`<div class="problem">This cannot be taken back from here, and may lock you out.</div>` : nothing}
  <div class="form">${action.parameters.map(fields)}</div>
  <details><summary>How carefully</summary><p class="dim">What stays empty is as it is by default: small steps, a canary first, and a stop after few failures.</p>
    <div class="form">${CARE.map(([name, label, unit]) => text(`care_${name}`, unit ? `${label}, ${unit}` : label, { type: 'number' }))}</div></details>
  <div class="line"><button class="btn" type="button" @click=${back}>Something else</button><button class="btn primary">Show the plan</button></div>
</form>`;
