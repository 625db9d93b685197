// What a machine is made of, drawn: boards with chips and sensors, fans, power supplies, pools, faults. Pure.

import { html, nothing } from './vendor/lit.js';
import * as fmt from './format.js';
import { words } from './parts.js';

/** A word that is told only where it is known. @param {any} value @param {(value: any) => unknown} show */
const told = (value, show) => (fmt.known(value) ? show(value) : nothing);

/** Lines of name and value; what is not known has none. @param {[string, unknown][]} pairs */
export const pairs = (pairs) => html`<dl class="kv">${pairs.map(([name, value]) =>
  (value === undefined || value === null || value === '' || value === fmt.NONE || value === nothing ? nothing : html`<dt>${name}</dt><dd>${value}</dd>`))}</dl>`;

/** Chips as the firmware's own map tells them: `o` good, `x` bad, others unknown. @param {string} map */
const chips = (map) => html`<div class="chips" role="img" aria-label=${`${[...map].filter((one) => one === 'x').length} chips bad`}>${[...map.replaceAll(/\s/g, '')].slice(0, 600).map((one) => html`<i class=${one === 'x' ? 'x' : one === 'o' ? '' : 'n'}></i>`)}</div>`;

/** Sensors as cells whose colour follows the heat. @param {string} name @param {number[]|undefined} values */
const sensors = (name, values) => (values?.length ? html`<div class="sensors"><span class="dim">${name}</span>${values.map((value) => html`<i class=${heat(value)} title=${fmt.celsius(value)}>${Math.round(value)}</i>`)}</div>` : nothing);

const HEAT = [50, 60, 66, 72, 78];
/** The colour of a chip's temperature. @param {number|null|undefined} value */
export const heat = (value) => (fmt.known(value) ? `h${HEAT.filter((limit) => /** @type {number} */ (value) >= limit).length}` : 'hx');
/** What the colours stand for. */
export const HEATS = [['h0', `below ${HEAT[0]} °C`], ...HEAT.map((limit, n) => [`h${n + 1}`, `${limit} °C${n + 1 < HEAT.length ? '' : ' and more'}`]), ['hx', 'not known']];

/** @param {any} one */
export function board(one) {
  const gone = one.present === false;
  const counted = one.chips !== undefined || one.chips_expected !== undefined;
  const lacks = one.chips !== undefined && one.chips_expected !== undefined && one.chips < one.chips_expected;
  return html`<div class="board ${gone ? 'gone' : ''}"><div class="between"><b>Board ${one.slot}</b><span class=${gone ? 'bad' : ''}>${gone ? 'missing' : fmt.rate(one.hashrate_hs)}</span></div>
    ${gone ? nothing : html`${told(one.chip_map, chips)}${sensors('chips', one.chip_sensors_celsius)}${sensors('board', one.board_sensors_celsius)}
    ${pairs([
      ['expected', fmt.rate(one.hashrate_expected_hs)], ['hottest chip', fmt.celsius(one.chip_temperature_celsius)], ['board', fmt.celsius(one.board_temperature_celsius)],
      ['chips', counted ? html`<span class=${lacks ? 'bad' : ''}>${fmt.count(one.chips)} of ${fmt.count(one.chips_expected)}</span>` : ''], ['bad chips', one.chips_bad ? html`<span class="bad">${one.chips_bad}</span>` : ''],
      ['frequency', fmt.frequency(one.frequency_hz)], ['voltage', fmt.voltage(one.voltage_v)], ['power', fmt.power(one.power_w)], ['wrong nonces', fmt.count(one.hardware_errors)],
      ['serial number', one.serial], ['says', one.status]])}`}</div>`;
}

/** @param {any[]} fans */
export const fanList = (fans) => html`<div class="fans">${fans.map((one) => html`<div class="fan ${one.speed_rpm === 0 ? 'bad' : ''}"><span class="dim">${one.location ? words(one.location) : `fan ${one.index + 1}`}</span>
  <b>${one.speed_rpm === 0 ? 'stands still' : fmt.rpm(one.speed_rpm)}</b>${told(one.duty_ratio, (duty) => html`<span class="dim">${fmt.percent(duty)}</span>`)}</div>`)}</div>`;

/** @param {any[]} psus */
export const psuList = (psus) => psus.map((one) => pairs([
  ['power supply', [one.model, one.serial].filter(Boolean).join(', ')], ['firmware', one.firmware], ['drawn', fmt.power(one.input_power_w)], ['mains', fmt.voltage(one.input_voltage_v)],
  ['given', fmt.power(one.output_power_w)], ['supply', fmt.voltage(one.output_voltage_v)], ['warmth', fmt.celsius(one.temperature_celsius)], ['its fan', fmt.rpm(one.fan_speed_rpm)],
  ['efficiency', fmt.percent(one.efficiency_ratio)]]));

/** @param {any[]} pools */
export const poolTable = (pools) => html`<table class="list"><thead><tr><th>Pool</th><th>Worker</th><th>State</th><th class="num">Accepted</th><th class="num">Rejected</th><th class="num">Last share</th></tr></thead>
  <tbody>${pools.map((one) => html`<tr><td class="mono">${one.url ?? fmt.NONE}</td><td>${one.user ?? fmt.NONE}</td><td class=${one.status === 'dead' ? 'bad' : one.active ? 'good' : ''}>${one.active ? 'active' : one.status ?? fmt.NONE}</td>
    <td class="num">${fmt.count(one.accepted)}</td><td class="num">${fmt.count(one.rejected)}</td><td class="num">${fmt.known(one.last_share_age_s) ? `${fmt.span(one.last_share_age_s)} ago` : fmt.ago(one.last_share_ms)}</td></tr>`)}</tbody></table>`;

/** What a fault is about. @param {any} component */
function about(component) {
  if (!component) return '';
  if (typeof component === 'string') return words(component);
  const [[name, index]] = Object.entries(component);
  return `${words(name)}${index === null ? '' : ` ${index}`}`;
}

/** @param {any[]} errors */
export const faultTable = (errors) => html`<table class="list"><thead><tr><th>Code</th><th>What</th><th>About</th><th>Since</th></tr></thead><tbody>${errors.map((one) => html`<tr><td class="mono nowrap"><span class=${one.severity}>${fmt.sign(one.severity)}</span> ${one.code ?? ''}</td>
  <td>${one.message}</td><td>${about(one.component)}</td><td>${one.since ?? ''}</td></tr>`)}</tbody></table>`;
