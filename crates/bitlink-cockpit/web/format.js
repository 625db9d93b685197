// Numbers, times and words as people read them. What is not known is a dash, never 0. Pure.

/** What stands where nothing is known. */
export const NONE = '–';

/** @param {unknown} value */
export const known = (value) => value !== null && value !== undefined && !(typeof value === 'number' && !Number.isFinite(value));

/** @param {number} value @param {number} digits */
const fixed = (value, digits) => value.toLocaleString('en-US', { minimumFractionDigits: digits, maximumFractionDigits: digits });

/** So many digits that three to four are shown. @param {number} value */
const digitsOf = (value) => (Math.abs(value) >= 1000 ? 0 : Math.abs(value) >= 100 ? 1 : Math.abs(value) >= 10 ? 1 : 2);

/** @type {[number, string][]} */
const RATES = [[1e18, 'EH/s'], [1e15, 'PH/s'], [1e12, 'TH/s'], [1e9, 'GH/s'], [1e6, 'MH/s'], [1e3, 'kH/s']];

/** A hash rate. @param {number|null|undefined} hs */
export function rate(hs) {
  if (!known(hs)) return NONE;
  const value = /** @type {number} */ (hs);
  if (value === 0) return '0 H/s';
  // From ten thousand on the next unit reads better.
  const unit = RATES.find(([size]) => value >= size) ?? [1, 'H/s'];
  const number = value / unit[0];
  return `${fixed(number, digitsOf(number))} ${unit[1]}`;
}

/** A power. @param {number|null|undefined} watts */
export function power(watts) {
  if (!known(watts)) return NONE;
  const value = /** @type {number} */ (watts);
  if (Math.abs(value) >= 1e6) return `${fixed(value / 1e6, 2)} MW`;
  if (Math.abs(value) >= 1e4) return `${fixed(value / 1e3, 1)} kW`;
  return `${fixed(value, 0)} W`;
}

/** @param {number|null|undefined} value */
export const celsius = (value) => (known(value) ? `${fixed(/** @type {number} */ (value), Number.isInteger(value) ? 0 : 1)} °C` : NONE);
/** A share of one as percent. @param {number|null|undefined} value */
export const percent = (value) => {
  if (!known(value)) return NONE;
  const share = /** @type {number} */ (value) * 100;
  return `${fixed(share, Math.abs(share) < 10 && share !== 0 ? 2 : Math.abs(share) < 100 ? 1 : 0)} %`;
};
/** @param {number|null|undefined} value */
export const efficiency = (value) => (known(value) ? `${fixed(/** @type {number} */ (value), 1)} J/TH` : NONE);
/** @param {number|null|undefined} value */
export const rpm = (value) => (known(value) ? `${fixed(/** @type {number} */ (value), 0)} rpm` : NONE);
/** @param {number|null|undefined} value */
export const count = (value) => (known(value) ? fixed(/** @type {number} */ (value), Number.isInteger(value) ? 0 : 2) : NONE);
/** @param {number|null|undefined} hz */
export const frequency = (hz) => (known(hz) ? `${fixed(/** @type {number} */ (hz) / 1e6, 0)} MHz` : NONE);
/** @param {number|null|undefined} v */
export const voltage = (v) => (known(v) ? `${fixed(/** @type {number} */ (v), 2)} V` : NONE);

/** A length of time in its two largest units. @param {number|null|undefined} seconds */
export function span(seconds) {
  if (!known(seconds)) return NONE;
  const s = Math.max(0, /** @type {number} */ (seconds));
  if (s < 1) return `${Math.round(s * 1000)} ms`;
  if (s < 100) return `${Math.floor(s)} s`;
  if (s < 6000) return `${Math.floor(s / 60)} min`;
  const hours = Math.floor(s / 3600);
  if (hours < 48) return `${hours} h ${Math.floor((s % 3600) / 60)} min`;
  return `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

/** How long ago. @param {number|null|undefined} ms @param {number} [now] */
export const ago = (ms, now = Date.now()) => (known(ms) ? `${span((now - /** @type {number} */ (ms)) / 1000)} ago` : NONE);

/** Two digits at least. */
export const pad = (/** @type {number} */ n) => String(n).padStart(2, '0');

/** A time of the clock on the wall here; with the date where it is not today. @param {number|null|undefined} ms @param {number} [now] */
export function clock(ms, now = Date.now()) {
  if (!known(ms)) return NONE;
  const at = new Date(/** @type {number} */ (ms));
  const time = `${pad(at.getHours())}:${pad(at.getMinutes())}:${pad(at.getSeconds())}`;
  return at.toDateString() === new Date(now).toDateString() ? time : `${at.getFullYear()}-${pad(at.getMonth() + 1)}-${pad(at.getDate())} ${time}`;
}

/** @type {Record<string, [string, string]>} */
const STATUS = {
  active: ['●', 'active'], paused: ['‖', 'paused'], warning: ['▲', 'warning'], dead: ['✖', 'dead'], scanning: ['○', 'not yet read'],
};
/** A status as a sign and a word: never by colour alone. @param {string} status */
export const status = (status) => STATUS[status] ?? ['?', status];

/** A sign for how bad something is. @param {string} severity */
export const sign = (severity) => (severity === 'critical' ? '✖' : severity === 'warning' ? '▲' : '·');

/** "1 miner", "2 miners". @param {number} n @param {string} one @param {string} [many] */
export const soMany = (n, one, many = `${one}s`) => `${fixed(n, 0)} ${n === 1 ? one : many}`;

/** A value of a field in its unit. @param {{unit?: string|null, kind: string, key: string}} field @param {any} value @param {number} [now] */
export function value(field, value, now = Date.now()) {
  if (!known(value) || value === '') return NONE;
  if (field.kind === 'bool') return value ? 'yes' : 'no';
  if (field.kind === 'time') return ago(value, now);
  if (field.kind !== 'number') return String(value);
  switch (field.unit) {
    case 'H/s': return rate(value);
    case 'W': return power(value);
    case '°C': return celsius(value);
    case 'J/TH': return efficiency(value);
    case 'rpm': return rpm(value);
    case 's': return span(value);
    case '1': return percent(value);
    case 'Hz': return frequency(value);
    case 'V': return voltage(value);
    default: return field.unit ? `${count(value)} ${field.unit}` : count(value);
  }
}
