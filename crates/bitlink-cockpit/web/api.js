// Asking the server: JSON there and back, problems as errors with their words.

/** Something that the server refused, in its words. */
export class Problem extends Error {
  /** @param {{status: number, title?: string, detail?: string, field?: string, at?: number}} problem */
  constructor(problem) {
    super(problem.detail || problem.title || `the server answers ${problem.status}`);
    this.status = problem.status;
    this.field = problem.field;
    this.at = problem.at;
  }
}

let csrf = /** @type {string|null} */ (null);
let lost = /** @type {() => void} */ (() => {});

/** What must go with everything that changes something. @param {string|null} word */
export function setCsrf(word) { csrf = word; }
/** What happens when nobody is signed in any more. @param {() => void} then */
export function onLost(then) { lost = then; }

/**
 * @param {string} method @param {string} path below /api/v1
 * @param {any} [body] @param {{signal?: AbortSignal, text?: boolean, quiet?: boolean}} [how]
 */
async function ask(method, path, body, how = {}) {
  /** @type {Record<string, string>} */
  const headers = { accept: 'application/json' };
  if (csrf && method !== 'GET') headers['x-csrf-token'] = csrf;
  /** @type {RequestInit} */
  const request = { method, headers, signal: how.signal, credentials: 'same-origin' };
  if (body !== undefined) {
    headers['content-type'] = how.text ? 'text/csv' : 'application/json';
    request.body = how.text ? body : JSON.stringify(body);
  }
  let response;
  try {
    response = await fetch(`/api/v1${path}`, request);
  } catch (error) {
    if (how.signal?.aborted) throw error;
    throw new Problem({ status: 0, detail: 'the service cannot be reached' });
  }
  if (response.ok) return response.status === 204 || response.headers.get('content-length') === '0' ? null : body_of(response);
  const told = await response.json().catch(() => ({}));
  if (response.status === 401 && !how.quiet) lost();
  throw new Problem({ ...told, status: response.status });
}

/** @param {Response} response */
const body_of = (response) => (response.headers.get('content-type')?.includes('json') ? response.json() : response.text());

export const api = {
  /** @param {string} path @param {Record<string, any>} [params] @param {{signal?: AbortSignal, quiet?: boolean}} [how] */
  get(path, params, how) {
    const query = params ? `?${query_of(params)}` : '';
    return ask('GET', path + query, undefined, how);
  },
  /** @param {string} path @param {any} [body] @param {{quiet?: boolean, text?: boolean}} [how] */
  post: (path, body = {}, how) => ask('POST', path, body, how),
  /** @param {string} path @param {any} body */
  patch: (path, body) => ask('PATCH', path, body),
  /** @param {string} path @param {any} [body] */
  delete: (path, body) => ask('DELETE', path, body),
};

/** @param {Record<string, any>} params */
export function query_of(params) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(params)) {
    if (value !== undefined && value !== null && value !== '') query.set(name, String(value));
  }
  return query.toString();
}
