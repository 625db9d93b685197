// The cockpit from end to end, in a real browser: `cargo xtask e2e`. Ends with a line of counts, and with 1 if anything is not as it
// should be.

import { PAGES, atTheEnd, axe, browser, client, demo, directory, end, start, until, watched } from './lib.mjs';
import { gzipSync } from 'node:zlib';

const MOST_BYTES = 300_000;
const counts = { passed: 0, failed: 0, skipped: 0 };
const only = process.argv.includes('--only') ? process.argv[process.argv.indexOf('--only') + 1] : '';

async function check(name, work) {
  if (only && !name.includes(only)) return;
  const began = performance.now();
  let verdict = 'passed';
  let note = '';
  try {
    const said = await work();
    if (typeof said === 'string') { verdict = 'skipped'; note = said; }
  } catch (error) {
    verdict = 'failed';
    note = String(error.message).split('\n').slice(0, 12).join('\n    ');
  }
  counts[verdict] += 1;
  console.log(`${verdict === 'failed' ? 'FAILED' : verdict} ${name} (${((performance.now() - began) / 1000).toFixed(1)} s)${note ? `: ${note}` : ''}`);
}

function assert(is, text) { if (!is) throw new Error(text); }
function none(list, what) { assert(list.length === 0, `${what}:\n${list.join('\n')}`); }

async function scenarios() {
  const { base } = await demo(60, ['--demo-hostile']);
  const api = client(base);
  const chrome = await browser();
  const wide = await chrome.newContext({ viewport: { width: 1440, height: 900 }, colorScheme: 'dark' });
  const { page, badThings } = await watched(wide, base);

  await check('the first page shows the numbers of the interface', async () => {
    await page.goto(`${base}/`);
    await page.waitForSelector('[data-is=hashrate]');
    const now = await until('everybody was read', async () => { const told = await api.get('/overview'); return told.coverage.live > 40 && told; });
    assert(now.coverage.miners === 60, `${now.coverage.miners} miners`);
    await until('the page shows as many', async () => (await page.textContent('main')).includes(`of ${now.coverage.miners} miners`));
    none(await badThings(), 'the page');
  });

  await check('the page weighs less than 300 kB', async () => {
    const fresh = await chrome.newContext();
    const light = await fresh.newPage();
    const sizes = [];
    light.on('response', (response) => {
      if (new URL(response.url()).pathname.startsWith('/assets/') || response.url() === `${base}/`) sizes.push(response.body().then((body) => gzipSync(body).length, () => 0));
    });
    await light.goto(`${base}/`);
    await light.waitForSelector('[data-is=hashrate]');
    const bytes = (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0);
    await fresh.close();
    assert(bytes > 10_000 && bytes < MOST_BYTES, `${bytes} bytes`);
  });

  await check('the history of the day is there', async () => {
    const told = await api.get('/history?of=fleet&metric=hashrate,power&from=-86400000');
    assert(told.series.length === 2 && told.series.every((series) => series.points.length > 300), JSON.stringify(told.series.map((one) => one.points.length)));
    const log = await api.get('/log?limit=500');
    assert(log.entries.some((entry) => entry.kind === 'status'), 'no status in the log');
  });

  await check('a filter leaves those that pass, and a wrong one says where', async () => {
    await page.goto(`${base}/miners`);
    await page.waitForSelector('.grid .row .cell');
    const told = await api.get('/miners?filter=status:warning&limit=1');
    assert(told.matched > 0 && told.matched < 60, `${told.matched} pass`);
    await page.fill('#filter', 'status:warning');
    await until('the page counts them', async () => /^\d+ of 60 miners/.test(await page.textContent('#sum')));
    await page.fill('#filter', 'chip_temp>>>');
    await until('it says what is wrong', async () => page.isVisible('#wrong'));
    // That the interface refused it is told on the console too.
    const bad = (await badThings()).filter((one) => !one.includes('422'));
    none(bad, 'the page');
  });

  await check('a scan finds strangers, and they join the fleet and the grid', async () => {
    await page.goto(`${base}/scan`);
    await page.fill('#targets', '127.1.0.0/28');
    await page.click('button:has-text("Look for miners")');
    await page.waitForSelector('#adopt');
    assert(await page.locator('#found tbody tr').count() === 12, `${await page.locator('#found tbody tr').count()} found`);
    await page.click('#adopt');
    await until('the fleet has them', async () => (await api.get('/overview')).coverage.miners === 72);
    await page.click('nav a[href="/miners"]');
    await until('the grid has them', async () => (await page.textContent('#sum')).includes('72 miners'));
    none(await badThings(), 'the page');
  });

  await check('rows are chosen, told something, and prove it; the miner and the audit log show it', async () => {
    await page.goto(`${base}/miners`);
    await page.waitForSelector('.grid .row .cell');
    // Lights that can be read, of machines that let themselves be told; the first ones have names that attack, which is another scenario's matter.
    await page.fill('#filter', 'light:off status:active -firmware:whatsminer -script');
    await until('there are some', async () => /^\d+ of 72 miners/.test(await page.textContent('#sum')));
    await page.press('#filter', 'Enter');
    await page.focus('#grid');
    await page.keyboard.press('Home');
    await page.keyboard.press('Space');
    await page.keyboard.press('Shift+ArrowDown');
    await page.keyboard.press('Shift+ArrowDown');
    await until('three are chosen', async () => (await page.textContent('#foot')).startsWith('3 '));
    await page.click('button:has-text("Command 3")');
    await page.click('.choice:has-text("Locate")');
    await page.click('button:has-text("Show the plan")');
    await page.waitForSelector('#run');
    const id = new URL(page.url()).pathname.split('/').pop();
    const plan = await api.get(`/plans/${id}`);
    assert(plan.state === 'made' && plan.targets === 3, `${plan.state}, ${plan.targets} targets`);
    let refused = 0;
    await api.post(`/plans/${id}/run`, { miners: 4 }).catch((error) => { refused = error.status; });
    assert(refused === 409, `a run of another number was answered with ${refused}`);
    await page.click('#run');
    const ended = await until('it has ended', async () => { const told = await api.get(`/plans/${id}`); return told.state === 'ended' && told; });
    assert(ended.counts.verified === 3, JSON.stringify(ended.outcomes));
    await until('the page says so', async () => await page.locator('td .badge.verified').count() === 3);
    await page.click('td a[href^="/miners/"]');
    await page.waitForSelector('[role=switch]');
    await until('its light is on', async () => (await page.getAttribute('[role=switch]', 'aria-checked')) === 'true');
    // The switch alone takes it back.
    await page.click('[role=switch]');
    await until('its light is off', async () => (await page.getAttribute('[role=switch]', 'aria-checked')) === 'false');
    await page.click('nav a[href="/audit"]');
    await page.waitForSelector('#lines');
    assert((await page.textContent('#lines')).includes('demo@cockpit'), 'nobody wrote it down');
    await page.click('#verify');
    await until('the chain holds', async () => (await page.textContent('main')).includes('holds'));
    none(await badThings(), 'the page');
  });

  await check('a place is written, and the racks and a filter know it', async () => {
    const [[id]] = (await api.get('/miners?filter=status:active&sort=-address&columns=id&limit=1')).rows;
    await page.goto(`${base}/miners/${id}`);
    await page.click('button:has-text("Place and labels")');
    await page.fill('dialog [name=rack]', 'Z 9');
    await page.fill('dialog [name=add]', 'spare');
    await page.click('dialog button.primary');
    await until('the page shows it', async () => (await page.textContent('main')).includes('Z 9'));
    await until('a filter finds it', async () => (await api.get('/miners?filter=rack:"Z 9" label:spare&limit=1')).matched === 1);
    await page.goto(`${base}/racks`);
    await until('the racks have it', async () => (await page.textContent('main')).includes('Z 9'));
    await page.goto(`${base}/miners/${id}`);
    await page.click('button:has-text("Ask it now")');
    await page.waitForSelector('details pre', { state: 'attached' });
    none(await badThings(), 'the page');
  });

  await check('names that attack are text', async () => {
    for (const path of ['/miners?columns=id,status,hostname,worker,address', '/']) {
      await page.goto(base + path);
      await page.waitForSelector(path === '/' ? '[data-is=hashrate]' : '.grid .row .cell');
      await page.waitForTimeout(500);
      assert(!(await page.evaluate(() => window.hacked)), 'a name was run');
      assert(await page.evaluate(() => document.querySelectorAll('main script, main img[onerror], main b b').length) === 0, 'a name became markup');
    }
    await page.goto(`${base}/miners?columns=id,hostname,worker&filter=script`);
    await until('the name is shown as it is', async () => (await page.textContent('#grid')).includes('<script>'), 15_000);
    none(await badThings(), 'the page');
  });

  const [first] = (await api.get('/miners?filter=status:active&columns=id&limit=1')).rows;
  for (const [path, name, ready] of PAGES) {
    await check(`${name}: nothing bad in either theme, on a desk or a phone`, async () => {
      for (const [theme, width] of [['dark', 1440], ['light', 1440], ['dark', 360]]) {
        const context = await chrome.newContext({ viewport: { width, height: 800 }, colorScheme: theme });
        try {
          const one = await watched(context, base);
          await one.page.goto(base + path.replace(':id', first[0]));
          await one.page.waitForSelector(ready, { timeout: 15_000 });
          await one.page.waitForTimeout(300);
          none(await one.badThings(), `${theme}, ${width} px`);
          if (width === 360) {
            const over = await one.page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
            assert(over <= 0, `${over} px wider than the phone`);
          } else {
            none(await axe(one.page), `axe, ${theme}`);
          }
        } finally {
          await context.close();
        }
      }
      return undefined;
    });
  }
  await wide.close();
  await users(chrome);
}

/** Who may sign in, and what a role may do. */
async function users(chrome) {
  const place = directory();
  let base = '';
  let token = '';
  await check('the first user is made with the token that was printed, and roles hold', async () => {
    await start(['simulate', '--bind', '127.94.7.0/28', '--miners', '4', '--mix', 'antminer', '--http-port', 'off', '--https-port', 'off', '--sick', '0', '--format', 'json'], /ready/);
    const service = await start(['serve', '127.94.7.0/29', '--data', place, '--config', '/dev/null', '--listen', '127.0.0.1:0', '--log-format', 'json'], /"token":"([^"]+)"/);
    token = service.found[1];
    const shown = service.lines.map((line) => /"page":"(http:[^"]+?)\/?"/.exec(line)).find(Boolean);
    base = shown[1];
    const context = await chrome.newContext();
    atTheEnd(() => context.close());
    const { page, badThings } = await watched(context, base);
    await page.goto(`${base}/`);
    await page.fill('[name=token]', token);
    await page.fill('[name=name]', 'anna');
    await page.fill('[name=password]', 'correct horse battery');
    await page.fill('[name=again]', 'correct horse battery');
    none(await axe(page), 'axe at the door');
    await page.click('button.primary');
    await page.waitForSelector('nav .who');
    const csrf = await page.evaluate(async () => (await (await fetch('/api/v1/session')).json()).csrf);
    const status = (path, body, headers = {}) => page.evaluate(async ([path, body, headers]) => (await fetch(`/api/v1${path}`, { method: 'POST', headers: { 'Content-Type': 'application/json', ...headers }, body: JSON.stringify(body) })).status, [path, body, headers]);
    const made = await status('/users', { name: 'vera', role: 'viewer', password: 'another long password' }, { 'X-CSRF-Token': csrf });
    assert(made < 300, `making a user: ${made}`);
    assert(await status('/scans', { targets: ['127.94.7.0/29'] }) === 403, 'a write without the CSRF token passes');
    none((await badThings()).filter((one) => !/40[13]/.test(one)), 'the page');

    const other = await chrome.newContext();
    atTheEnd(() => other.close());
    const vera = await other.newPage();
    await vera.goto(`${base}/login`);
    await vera.fill('[name=name]', 'vera');
    await vera.fill('[name=password]', 'wrong password here');
    await vera.click('button.primary');
    await vera.waitForSelector('[role=alert]');
    await vera.fill('[name=password]', 'another long password');
    await vera.click('button.primary');
    await vera.waitForSelector('nav .who');
    const refused = await vera.evaluate(async () => {
      const session = await (await fetch('/api/v1/session')).json();
      const headers = { 'Content-Type': 'application/json', 'X-CSRF-Token': session.csrf };
      return (await fetch('/api/v1/scans', { method: 'POST', headers, body: '{"targets":["127.94.7.1"]}' })).status;
    });
    assert(refused === 403, `a viewer's scan is answered with ${refused}`);
  });
}

try {
  await scenarios();
} catch (error) {
  counts.failed += 1;
  console.log(`FAILED to go on: ${error.message}`);
} finally {
  await end();
}
console.log(`e2e: ${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`);
process.exit(counts.failed ? 1 : 0);
