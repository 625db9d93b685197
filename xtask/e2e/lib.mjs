// What all runs have in common: starting bitlink, a browser, and pages that are watched for whatever must not happen.

import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { chromium } from 'playwright-core';

const require = createRequire(import.meta.url);
export const AXE = readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8');

/** What follows `--name` among the arguments. */
export function argument(name, otherwise) {
  const at = process.argv.indexOf(`--${name}`);
  return at < 0 ? otherwise : process.argv[at + 1];
}

const ends = [];
/** Does something at the end, whatever happens, the last first. */
export const atTheEnd = (work) => ends.push(work);
export async function end() {
  while (ends.length) {
    try { await ends.pop()(); } catch (error) { console.error(`at the end: ${error.message}`); }
  }
}
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, async () => { await end(); process.exit(130); });

/** A directory that is gone at the end. */
export function directory() {
  const made = mkdtempSync(join(tmpdir(), 'bitlink-e2e-'));
  atTheEnd(() => rmSync(made, { recursive: true, force: true }));
  return made;
}

/** Starts bitlink, and waits until one of its lines, on either stream, fits. */
export async function start(args, wanted, patience = 120_000) {
  const environment = { ...process.env };
  for (const name of ['BITLINK_DATA', 'BITLINK_CONFIG', 'BITLINK_PASSPHRASE', 'RUST_LOG']) delete environment[name];
  const child = spawn(argument('bitlink'), args, { env: environment, stdio: ['ignore', 'pipe', 'pipe'] });
  const ended = new Promise((resolve) => child.once('exit', resolve));
  atTheEnd(async () => {
    child.kill('SIGTERM');
    const late = setTimeout(() => child.kill('SIGKILL'), 15_000);
    await ended;
    clearTimeout(late);
  });
  const lines = [];
  const found = await new Promise((resolve, reject) => {
    const late = setTimeout(() => reject(new Error(`bitlink ${args.join(' ')}: not ready in time\n${lines.join('\n')}`)), patience);
    for (const stream of [child.stdout, child.stderr]) {
      createInterface({ input: stream }).on('line', (line) => {
        if (lines.length < 200) lines.push(line);
        const match = wanted.exec(line);
        if (match) { clearTimeout(late); resolve(match); }
      });
    }
    ended.then((code) => { clearTimeout(late); reject(new Error(`bitlink ${args.join(' ')} ended with ${code}\n${lines.join('\n')}`)); });
    child.once('error', reject);
  });
  return { child, found, lines };
}

/** The demonstration with so many miners; its address. */
export async function demo(miners, more = []) {
  const { found, child } = await start(['serve', '--demo', String(miners), '--listen', '127.0.0.1:0', ...more], /(http:\/\/127\.0\.0\.1:\d+)/);
  return { base: found[1], child };
}

const BROWSERS = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome-stable'];
export async function browser() {
  const executablePath = BROWSERS.find((path) => existsSync(path));
  const made = await chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-dev-shm-usage', '--disable-background-networking', '--disable-component-update'] });
  atTheEnd(() => made.close());
  return made;
}

/** A page of which is written down what must not happen. */
export async function watched(context, base) {
  const page = await context.newPage();
  const bad = [];
  await page.addInitScript(() => {
    window.violations = [];
    document.addEventListener('securitypolicyviolation', (event) => window.violations.push(`${event.violatedDirective} ${event.blockedURI} ${event.sourceFile}:${event.lineNumber}`));
  });
  page.on('console', (message) => {
    if (message.type() === 'error') bad.push(`console: ${message.text()} (${message.location().url})`);
  });
  page.on('pageerror', (error) => bad.push(`error: ${error.message}`));
  page.on('request', (request) => {
    const url = new URL(request.url());
    if (!['data:', 'blob:'].includes(url.protocol) && url.origin !== base) bad.push(`request to elsewhere: ${request.url()}`);
  });
  /** What happened since it was asked last. */
  const badThings = async () => {
    const violations = await page.evaluate(() => window.violations.splice(0)).catch(() => []);
    return [...bad.splice(0), ...violations.map((one) => `policy: ${one}`)];
  };
  return { page, badThings };
}

/** Serious and critical findings of axe. */
export async function axe(page) {
  // Playwright evaluates outside of the page's policy.
  await page.evaluate(AXE);
  return page.evaluate(async () => {
    const found = await window.axe.run(document, { resultTypes: ['violations'] });
    return found.violations.filter((one) => ['serious', 'critical'].includes(one.impact))
      .map((one) => `${one.id}: ${one.help}: ${one.nodes.slice(0, 3).map((node) => node.target.join(' ')).join(' | ')}${one.nodes.length > 3 ? ` and ${one.nodes.length - 3} more` : ''}`);
  });
}

/** All pages: a path, a name, and what is there when it is drawn. */
export const PAGES = [
  ['/', 'overview', '[data-is=hashrate]'], ['/miners', 'miners', '.grid .row'], ['/miners/:id', 'miner', 'h1'], ['/racks', 'racks', 'h1'],
  ['/scan', 'scan', 'h1'], ['/plans', 'plans', 'h1'], ['/alerts', 'alerts', 'h1'], ['/log', 'log', 'h1'], ['/audit', 'audit', 'h1'],
  ['/settings', 'settings', 'h1'],
];

/** The interface, as a program uses it in the demonstration. */
export function client(base) {
  let csrf = null;
  const ask = async (method, path, body) => {
    if (csrf === null) csrf = (await (await fetch(`${base}/api/v1/session`)).json()).csrf;
    const headers = { 'X-CSRF-Token': csrf ?? '' };
    if (body !== undefined) headers['Content-Type'] = 'application/json';
    const response = await fetch(`${base}/api/v1${path}`, { method, headers, body: body === undefined ? undefined : JSON.stringify(body) });
    const text = await response.text();
    const told = text.startsWith('{') || text.startsWith('[') ? JSON.parse(text) : text;
    if (!response.ok) throw Object.assign(new Error(`${method} ${path}: ${response.status} ${told.detail ?? text}`), { status: response.status });
    return told;
  };
  return { get: (path) => ask('GET', path), post: (path, body = {}) => ask('POST', path, body), delete: (path) => ask('DELETE', path) };
}

/** Waits until something is so. */
export async function until(what, test, patience = 60_000) {
  const deadline = Date.now() + patience;
  for (;;) {
    const found = await test();
    if (found) return found;
    if (Date.now() > deadline) throw new Error(`not so in ${patience / 1000} s: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}
