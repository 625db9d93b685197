// What the grid shows of each field: how wide, how written, in which tone. Pure.

import * as fmt from './format.js';

/** @typedef {{key: string, title: string, unit?: string|null, kind: string, aliases?: string[], description?: string, values?: string[]}} Field */

/** Those that are shown until somebody chooses others. */
export const USUAL = ['status', 'address', 'model', 'hashrate_hs', 'hashrate_ratio', 'temp_celsius', 'power_w', 'reason', 'light', 'efficiency_j_per_th', 'fan_rpm', 'uptime_s', 'worker', 'last_seen_ms'];
/** Those that matter most where there is little room. */
export const FEW = ['status', 'address', 'hashrate_hs', 'temp_celsius', 'reason'];

/** Wide enough for the widest that they show: a number that is cut is a lie. @type {Record<string, number>} */
const WIDTHS = { status: 128, address: 132, ip: 132, model: 190, firmware: 190, worker: 180, pool: 260, reason: 330, mac: 150, serial: 170, hostname: 150, notes: 240, labels: 150, rules: 200, id: 160, position: 170 };
/** @type {Record<string, number>} */
const BY_UNIT = { 'H/s': 116, W: 96, '°C': 92, 'J/TH': 104, rpm: 104, s: 116, 1: 92, Hz: 104, V: 90 };

/** @param {Field} field */
export function width(field) {
  const base = WIDTHS[field.key] ?? (field.kind === 'number' ? (BY_UNIT[field.unit ?? ''] ?? 110) : field.kind === 'time' ? 120 : field.kind === 'bool' ? 90 : 140);
  // The heading and the sign of the order must fit too.
  return Math.max(base, Math.ceil(field.title.length * 7.2) + 40);
}

/** @param {Field|undefined} field */
export const isNumber = (field) => field?.kind === 'number' || field?.kind === 'time';

/** @param {Field} field @param {any} value @param {number} now */
export function text(field, value, now) {
  if (field.key === 'status') {
    const [sign, word] = fmt.status(value);
    return `${sign} ${word}`;
  }
  if (field.key === 'light') return value === true ? '◉ on' : value === false ? '○ off' : '○';
  return fmt.value(field, value, now);
}

/** @param {Field} field @param {any} value */
export function tone(field, value) {
  if (field.key === 'status') return value === 'active' ? 'good' : value === 'warning' ? 'warn' : value === 'dead' ? 'bad' : 'dim';
  if (field.key === 'light') return value === true ? 'lit' : 'unlit';
  if (!fmt.known(value)) return 'dim';
  if (field.key === 'hashrate_ratio') return value < 0.7 ? 'bad' : value < 0.9 ? 'warn' : '';
  return '';
}
