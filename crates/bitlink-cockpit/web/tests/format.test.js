// What people read: units, digits, and that what is not known is never 0. `node --test`, as part of `cargo xtask e2e`.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { joined, spread } from '../chart.js';
import { text, tone, width } from '../columns.js';
import * as fmt from '../format.js';

test('hash rates stand in the unit that reads best', () => {
  for (const [hs, told] of [[0, '0 H/s'], [1e6, '1.00 MH/s'], [95.5e12, '95.5 TH/s'], [999.96e12, '1,000.0 TH/s'], [4.4e16, '44.0 PH/s'], [1.234e18, '1.23 EH/s']]) assert.equal(fmt.rate(hs), told);
});

test('what is not known is a dash and never 0', () => {
  for (const write of [fmt.rate, fmt.power, fmt.celsius, fmt.percent, fmt.efficiency, fmt.rpm, fmt.count, fmt.frequency, fmt.voltage, fmt.span, fmt.ago, fmt.clock]) {
    for (const unknown of [null, undefined, NaN, Infinity]) assert.equal(write(unknown), fmt.NONE, `${write.name}(${unknown})`);
  }
  assert.equal(fmt.value({ key: 'power_w', kind: 'number', unit: 'W' }, null), fmt.NONE);
  assert.equal(fmt.power(0), '0 W');
});

test('lengths of time are told in their two largest units', () => {
  for (const [s, told] of [[0.25, '250 ms'], [59, '59 s'], [99, '99 s'], [100, '1 min'], [5999, '99 min'], [7260, '2 h 1 min'], [86400 * 14 + 3600 * 5, '14 d 5 h']]) assert.equal(fmt.span(s), told);
});

test('values follow the unit of their field', () => {
  for (const [unit, value, told] of [['H/s', 1e12, '1.00 TH/s'], ['W', 3250, '3,250 W'], ['W', 12_345, '12.3 kW'], ['°C', 71, '71 °C'], ['1', 0.953, '95.3 %'], ['Hz', 5.9e8, '590 MHz'], [null, 12, '12'], ['m', 3, '3 m']]) {
    assert.equal(fmt.value({ key: 'x', kind: 'number', unit }, value), told);
  }
  assert.equal(fmt.value({ key: 'live', kind: 'bool' }, false), 'no');
  assert.equal(fmt.value({ key: 'seen', kind: 'time' }, 1_000, 61_000), '60 s ago');
});

test('a status is a sign and a word, and one that is new is told as it is', () => {
  const field = { key: 'status', title: 'status', kind: 'enum' };
  assert.equal(text(field, 'warning', 0), '▲ warning');
  assert.equal(text(field, 'odd', 0), '? odd');
  assert.equal(tone(field, 'dead'), 'bad');
  assert.ok(width({ key: 'x', title: 'a heading that is rather long', kind: 'number' }) > 200);
});

test('a light that is not told of is neither on nor off', () => {
  const field = { key: 'light', title: 'light', kind: 'bool' };
  assert.deepEqual([true, false, null].map((value) => text(field, value, 0)), ['◉ on', '○ off', '○']);
});

test('lines of different times become one table, with holes where nothing was read', () => {
  const minute = 60_000;
  const line = (/** @type {number[]} */ times) => ({ points: times.map((t) => [t * minute, 1, 2, 3, 2]) });
  const { xs, columns } = joined([line([1, 2, 3, 4, 20, 21]), line([2, 3])], 0, 30 * minute);
  assert.deepEqual([xs[0], xs.at(-1)], [0, 1800]);
  const [first, second] = columns.map((column) => new Map(xs.map((x, n) => [x, column.mean[n]])));
  assert.equal(first.get(4 * 60), 2);
  assert.equal(first.get(4 * 60 + 0.001), null, 'a hole after the fourth minute');
  assert.equal(second.get(60), undefined, 'a time of another line is no hole');
});

test('an axis has room, and nothing below 0 for what is never below', () => {
  assert.deepEqual(spread(null, null, true), [0, 1]);
  assert.deepEqual(spread(50, 100, true), [0, 105]);
  const [low, high] = spread(1, 100, false);
  assert.ok(low === 0 && high > 100);
});
