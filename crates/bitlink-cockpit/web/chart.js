// Lines over time: a mean with the band between least and greatest, gaps as gaps.

import { pad } from './format.js';
import uPlot from './vendor/uplot.js';

/** Lengths of time that can be looked at. @type {[string, number][]} */
export const RANGES = [['1 h', 3600e3], ['6 h', 6 * 3600e3], ['24 h', 86400e3], ['7 d', 7 * 86400e3], ['30 d', 30 * 86400e3], ['1 y', 365 * 86400e3]];

const COLORS = ['--accent', '--info', '--warn', '--bad', '--good', '--dim'];

/** A colour of the theme as it is now. @param {string} name */
function color(name) {
  const probe = document.createElement('i');
  probe.style.color = `var(${name})`;
  document.body.append(probe);
  const found = getComputedStyle(probe).color;
  probe.remove();
  return found;
}

/**
 * Series of the server made one table: the times of all, and the values of each, with a gap wherever nothing was read for long.
 * @param {{points: number[][], step_s?: number|null}[]} series @param {number} from @param {number} to
 */
export function joined(series, from, to) {
  const typical = (/** @type {number[][]} */ points) => {
    const gaps = points.slice(1).map((point, n) => point[0] - points[n][0]).sort((a, b) => a - b);
    return gaps.length ? gaps[Math.floor(gaps.length / 2)] : 0;
  };
  /** @type {Map<number, number>} */
  const places = new Map();
  const times = new Set([from, to]);
  for (const line of series) {
    const gap = Math.max(typical(line.points) * 3.5, 30_000);
    line.points.forEach((point, n) => {
      times.add(point[0]);
      const next = line.points[n + 1];
      if (next && next[0] - point[0] > gap) times.add(point[0] + 1);
    });
  }
  const xs = [...times].sort((a, b) => a - b);
  xs.forEach((at, n) => places.set(at, n));
  const columns = series.map((line) => {
    const [min, mean, max] = [0, 1, 2].map(() => /** @type {(number|null|undefined)[]} */ (new Array(xs.length).fill(undefined)));
    const gap = Math.max(typical(line.points) * 3.5, 30_000);
    line.points.forEach((point, n) => {
      const at = /** @type {number} */ (places.get(point[0]));
      [min[at], mean[at], max[at]] = [point[1], point[2], point[3]];
      const next = line.points[n + 1];
      if (next && next[0] - point[0] > gap) {
        const hole = /** @type {number} */ (places.get(point[0] + 1));
        min[hole] = mean[hole] = max[hole] = null;
      }
    });
    min[0] ??= null; mean[0] ??= null; max[0] ??= null;
    const last = xs.length - 1;
    min[last] ??= null; mean[last] ??= null; max[last] ??= null;
    return { min, mean, max };
  });
  return { xs: xs.map((at) => at / 1000), columns };
}

/**
 * Draws into an element, and draws anew when its size or the theme changes.
 * @param {HTMLElement} element
 * @param {{series: any[], names: string[], from: number, to: number, format: (value: number) => string, height?: number, zero?: boolean}} what
 * @returns {() => void} takes it away
 */
export function draw(element, what) {
  const { xs, columns } = joined(what.series, what.from, what.to);
  const data = [xs];
  /** @type {any[]} */
  const lines = [{}];
  /** @type {any[]} */
  const bands = [];
  columns.forEach((column, n) => {
    const stroke = color(COLORS[n % COLORS.length]);
    const at = data.length;
    data.push(/** @type {any} */ (column.mean), /** @type {any} */ (column.max), /** @type {any} */ (column.min));
    lines.push({ label: what.names[n], stroke, width: 1.6, spanGaps: false, value: (/** @type {any} */ _, /** @type {number|null} */ v) => (v === null || v === undefined ? '–' : what.format(v)) });
    const edge = { show: true, stroke: 'transparent', width: 0, points: { show: false }, label: '' };
    lines.push({ ...edge }, { ...edge });
    bands.push({ series: [at + 1, at + 2], fill: stroke.replace(/^rgb\((.*)\)$/, 'rgba($1, 0.14)').replace(/^rgba?\(([^)]*?)(, *[\d.]+)?\)$/, 'rgba($1, 0.14)') });
  });
  const [text, grid] = [color('--dim'), color('--line')];
  const axis = { stroke: text, grid: { stroke: grid, width: 1 }, ticks: { stroke: grid, width: 1 }, font: '12px system-ui, sans-serif' };
  const size = () => ({ width: Math.max(200, element.clientWidth), height: what.height ?? 190 });
  const plot = new /** @type {any} */ (uPlot)({
    ...size(),
    legend: { show: true, live: true },
    cursor: { drag: { x: false, y: false } },
    scales: { x: { min: what.from / 1000, max: what.to / 1000 }, y: { range: (/** @type {any} */ _, /** @type {number} */ low, /** @type {number} */ high) => spread(low, high, what.zero ?? false) } },
    axes: [{ ...axis, values: clocks }, { ...axis, size: 74, values: (/** @type {any} */ _, /** @type {number[]} */ ticks) => ticks.map((tick) => what.format(tick)) }],
    series: lines, bands,
  }, data, element);
  // Only the means are told under the chart.
  plot.root.querySelectorAll('.u-legend .u-series').forEach((/** @type {HTMLElement} */ row, /** @type {number} */ n) => { if (n > 0 && (n - 1) % 3 !== 0) row.classList.add('hidden'); });
  element.setAttribute('role', 'img');
  element.setAttribute('aria-label', told(what));
  const watch = new ResizeObserver(() => { if (Math.abs(element.clientWidth - plot.width) > 2) plot.setSize(size()); });
  watch.observe(element);
  return () => { watch.disconnect(); plot.destroy(); };
}

/** Ticks in 24 hours, with the day where it changes. @param {any} _ @param {number[]} ticks */
function clocks(_, ticks) {
  const long = ticks.length > 1 && ticks[ticks.length - 1] - ticks[0] > 2 * 86400;
  return ticks.map((tick) => {
    const at = new Date(tick * 1000);
    return long ? `${pad(at.getMonth() + 1)}-${pad(at.getDate())}` : `${pad(at.getHours())}:${pad(at.getMinutes())}`;
  });
}

/** Room above and below. @param {number|null} low @param {number|null} high @param {boolean} zero @returns {[number, number]} */
export function spread(low, high, zero) {
  if (low === null || high === null || !Number.isFinite(low) || !Number.isFinite(high)) return [0, 1];
  if (zero) return [0, high > 0 ? high * 1.05 : 1];
  const room = (high - low) * 0.08 || Math.abs(high) * 0.05 || 1;
  return [low >= 0 && low - room < 0 ? 0 : low - room, high + room];
}

/** The lines in words. @param {{series: any[], names: string[], format: (value: number) => string}} what */
function told(what) {
  return what.series.map((line, n) => {
    const last = line.points.at(-1);
    if (!last) return `${what.names[n]}: nothing was read`;
    const low = Math.min(...line.points.map((/** @type {number[]} */ p) => p[1]));
    const high = Math.max(...line.points.map((/** @type {number[]} */ p) => p[3]));
    return `${what.names[n]}: between ${what.format(low)} and ${what.format(high)}, last ${what.format(last[4])}`;
  }).join('; ');
}
