// How smooth the page of a large farm is, and what that costs the service: `cargo xtask bench-page`. Writes a table for the documents.

import { argument, browser, client, demo, end, until } from './lib.mjs';
import { get } from 'node:http';
import { readFileSync, writeFileSync } from 'node:fs';

const miners = Number(argument('miners', '50000'));
const rows = [];
const row = (what, value) => { rows.push([what, value]); console.log(`${what}: ${value}`); };
const ms = (value) => `${value.toFixed(value < 10 ? 1 : 0)} ms`;
const part = (sorted, share) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))];

/** Processor seconds and bytes of memory of a process. */
function cost(pid) {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' ');
  const rss = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
  return { cpu: (Number(stat[11]) + Number(stat[12])) / 100, memory: Number(rss[1]) * 1024 };
}

const QUESTIONS = [
  ['first 1,000 rows by hash rate', '/miners?sort=-hashrate_hs&limit=1000'],
  ['filter `status:warning chip_temp>80`', '/miners?filter=status:warning%20chip_temp%3E80&limit=100000&columns=id'],
  ['a word anywhere, ids', '/miners?filter=77&limit=100000&columns=id'],
  ['order of all by chip temperature, ids', '/miners?sort=-chip_temp_celsius&columns=id&limit=100000'],
  ['all as CSV', '/miners?format=csv'],
  ['all as JSON', '/miners?limit=100000'],
];

/** How long it takes until the last byte of an answer is here, packed as browsers ask for it. Whoever asks does not unpack it. */
const answered = (url) => new Promise((resolve, reject) => {
  const from = performance.now();
  get(url, { headers: { 'Accept-Encoding': 'gzip' } }, (answer) => {
    if (answer.statusCode !== 200) reject(new Error(`${url}: ${answer.statusCode}`));
    answer.on('data', () => {}).on('end', () => resolve(performance.now() - from)).on('error', reject);
  }).on('error', reject);
});

/** How long each question takes, in the middle of fifteen. */
async function ask(base) {
  const took = [];
  for (const [, path] of QUESTIONS) {
    const times = [];
    for (let n = 0; n < 15; n++) {
      times.push(await answered(`${base}/api/v1${path}`));
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
    took.push(times.sort((a, b) => a - b)[7]);
  }
  return took;
}

const live = (base) => until('nearly everybody is live', async () => (await client(base).get('/overview')).coverage.live > miners * 0.9, 240_000);

try {
  // First with machines that are seldom read: they live in the service here, and in a farm each has a processor of its own.
  const seldom = await demo(miners, ['--interval', '90s']);
  await live(seldom.base);
  const quiet = await ask(seldom.base);
  await end();

  const began = performance.now();
  const { base, child } = await demo(miners);
  row('ready after', `${((performance.now() - began) / 1000).toFixed(1)} s`);
  await live(base);
  const busy = await ask(base);
  QUESTIONS.forEach(([what], n) => row(`API: ${what}, each miner read every 10 s / every 90 s`, `${ms(busy[n])} / ${ms(quiet[n])}`));

  const chrome = await browser();
  const context = await chrome.newContext({ viewport: { width: 1440, height: 900 } });
  const page = await context.newPage();
  const session = await context.newCDPSession(page);
  await session.send('Network.enable');
  let bytes = 0;
  session.on('Network.dataReceived', (event) => { bytes += event.encodedDataLength || event.dataLength; });
  const opened = performance.now();
  await page.goto(`${base}/miners`);
  await until('the whole fleet is in the grid', async () => (await page.textContent('#sum')).replace(/\D/g, '').includes(String(miners)), 120_000);
  row('page: whole fleet in the grid after', `${((performance.now() - opened) / 1000).toFixed(1)} s`);
  await page.waitForTimeout(5_000);

  const scroll = (step) => page.evaluate(async (step) => {
    const grid = document.querySelector('#grid');
    grid.scrollTop = 0;
    const times = [];
    let before = await new Promise(requestAnimationFrame);
    for (let n = 0; n < 300; n++) {
      grid.scrollTop += step;
      const now = await new Promise(requestAnimationFrame);
      times.push(now - before);
      before = now;
    }
    return times;
  }, step);
  for (const step of [40, 4_000]) {
    const times = (await scroll(step)).sort((a, b) => a - b);
    row(`page: frame while scrolling ${step.toLocaleString('en')} px a frame, median / 95 % / longest`, `${ms(part(times, 0.5))} / ${ms(part(times, 0.95))} / ${ms(times.at(-1))}`);
  }
  const sorted = performance.now();
  await page.evaluate(() => { document.querySelector('#grid').scrollTop = 0; });
  await Promise.all([page.waitForResponse((response) => response.url().includes('/api/v1/miners') && response.ok()), page.locator('.grid .col').nth(3).click()]);
  row('page: other order of all', ms(performance.now() - sorted));

  bytes = 0;
  const from = cost(child.pid);
  await page.waitForTimeout(20_000);
  const to = cost(child.pid);
  row('wire: bytes to an open grid', `${(bytes / 20 / 1000).toFixed(0)} kB/s`);
  row('service with its simulated miners: processor', `${(((to.cpu - from.cpu) / 20) * 100).toFixed(0)} % of one core`);
  row('service with its simulated miners: memory', `${(to.memory / 1e6).toFixed(0)} MB`);
} finally {
  await end();
}
const table = [`| ${miners.toLocaleString('en')} miners, each read every 10 s where nothing else is said | |`, '|---|---|', ...rows.map(([what, value]) => `| ${what} | ${value} |`)];
writeFileSync(argument('into'), `${table.join('\n')}\n`);
process.exit(0);
