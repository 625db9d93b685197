// Pictures of every page, dark and light, on a desk and on a phone: `cargo xtask shots`.

import { PAGES, argument, browser, client, demo, end, until, watched } from './lib.mjs';
import { mkdirSync, statSync } from 'node:fs';
import { join } from 'node:path';

const folder = argument('into');
mkdirSync(folder, { recursive: true });
let bytes = 0;
let made = 0;
try {
  const { base } = await demo(500);
  const api = client(base);
  const chrome = await browser();
  await until('everybody was read', async () => (await api.get('/overview')).coverage.live > 450);
  const [sick] = (await api.get('/miners?filter=status:warning&columns=id&limit=1')).rows;
  // Something was looked for and told before, and a plan waits to be run.
  const scan = await api.post('/scans', { targets: ['127.1.0.0/28'] });
  await until('the scan is done', async () => (await api.get(`/scans/${scan.id}`)).state !== 'running');
  const done = await api.post('/plans', { action: { kind: 'locate', on: true }, filter: 'status:active model:S19' });
  await api.post(`/plans/${done.id}/run`, { miners: done.targets });
  await until('the command has ended', async () => (await api.get(`/plans/${done.id}`)).state === 'ended');
  const waits = await api.post('/plans', { action: { kind: 'pause' }, filter: 'status:active site:North' });
  const pages = [...PAGES, [`/plans/${waits.id}`, 'plan', '#run'], [`/plans/${done.id}`, 'plan-ended', 'td .badge']];
  for (const [path, name, ready] of pages) {
    for (const [where, theme, width, height] of [['desk', 'dark', 1280, 800], ['desk', 'light', 1280, 800], ['phone', 'dark', 390, 844]]) {
      const context = await chrome.newContext({ viewport: { width, height }, colorScheme: theme });
      const { page } = await watched(context, base);
      await page.goto(base + path.replace(':id', sick?.[0] ?? ''));
      await page.waitForSelector(ready, { timeout: 20_000 }).catch(() => console.log(`${name}: ${ready} is not there`));
      await page.waitForTimeout(1500);
      const file = join(folder, `${name}-${where}-${theme}.png`);
      await page.screenshot({ path: file });
      bytes += statSync(file).size;
      made += 1;
      await context.close();
    }
  }
} finally {
  await end();
}
console.log(`${made} pictures, ${Math.round(bytes / 1000)} kB`);
process.exit(made ? 0 : 1);
