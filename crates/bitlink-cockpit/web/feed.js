// What is new, live: rows of the fleet by id, the overview, what happens. One stream; it goes on where it stopped.

/**
 * @typedef {{id: string, values: any[], at: number}} Row
 */

export class Feed extends EventTarget {
  constructor() {
    super();
    /** @type {Map<string, any[]>} values in the order of `columns` */
    this.rows = new Map();
    /** @type {string[]} */
    this.columns = [];
    /** @type {any} */
    this.overview = null;
    /** @type {any[]} the newest first */
    this.happened = [];
    /** Whether the stream is there, and when it last told anything. */
    this.connected = false;
    this.heard = 0;
    /** Whether all rows have come. */
    this.complete = false;
    /** @type {Set<string>} ids that have changed since they were last looked at */
    this.dirty = new Set();
    /** @type {EventSource|null} */
    this.source = null;
    this.wanted = new Set(['id', 'status', 'live', 'address', 'model', 'last_seen_ms']);
    this.last = '';
    this.retry = 0;
  }

  /** Sees to it that rows have these fields. @param {Iterable<string>} fields */
  want(fields) {
    const before = this.wanted.size;
    for (const field of fields) this.wanted.add(field);
    if (this.wanted.size !== before && this.source) this.open();
  }

  /** Begins, or begins anew. */
  open() {
    this.close();
    const columns = [...this.wanted];
    // Rows with other columns are of no use: all are told again.
    if (columns.join() !== this.columns.join()) this.last = '';
    const query = new URLSearchParams({ columns: columns.join(',') });
    if (this.last) query.set('since', this.last);
    const source = new EventSource(`/api/v1/events?${query}`);
    this.source = source;
    const on = (/** @type {string} */ name, /** @type {(data: any) => void} */ then) =>
      source.addEventListener(name, (event) => {
        const message = /** @type {MessageEvent} */ (event);
        if (message.lastEventId) this.last = message.lastEventId;
        this.heard = Date.now();
        then(JSON.parse(message.data));
      });
    source.addEventListener('open', () => { this.connected = true; this.retry = 0; this.tell('connection'); });
    source.addEventListener('error', () => {
      const was = this.connected;
      this.connected = false;
      if (was) this.tell('connection');
      if (source.readyState === EventSource.CLOSED && this.source === source) {
        // Refused, as when nobody is signed in any more: looked at again, ever less often.
        this.retry = Math.min(30, this.retry * 2 || 2);
        setTimeout(() => { if (this.source === source) { this.tell('refused'); this.open(); } }, this.retry * 1000);
      }
    });
    on('fleet', (told) => this.take(told));
    on('overview', (told) => { this.overview = told; this.tell('overview'); });
    on('happened', (told) => {
      this.happened.unshift(told);
      this.happened.length = Math.min(this.happened.length, 500);
      this.dispatchEvent(new CustomEvent('happened', { detail: told }));
    });
    on('scan', (told) => this.dispatchEvent(new CustomEvent('scan', { detail: told })));
    on('plan', (told) => this.dispatchEvent(new CustomEvent('plan', { detail: told })));
  }

  close() {
    this.source?.close();
    this.source = null;
    this.connected = false;
  }

  /** @param {{columns: string[], rows: any[][], more: boolean, reset?: boolean, gone?: string[]}} told */
  take(told) {
    if (told.reset) {
      this.rows.clear();
      this.complete = false;
    }
    this.columns = told.columns;
    for (const id of told.gone ?? []) {
      this.rows.delete(id);
      this.dirty.add(id);
    }
    for (const row of told.rows) {
      this.rows.set(row[0], row);
      this.dirty.add(row[0]);
    }
    if (!told.more) this.complete = true;
    this.dispatchEvent(new CustomEvent('rows', { detail: { reset: Boolean(told.reset), gone: told.gone?.length ?? 0, rows: told.rows.length } }));
  }

  /** What a field says of a row. @param {string} id @param {string} field */
  value(id, field) {
    const at = this.columns.indexOf(field);
    return at < 0 ? undefined : this.rows.get(id)?.[at];
  }

  /** @param {string} name */
  tell(name) { this.dispatchEvent(new Event(name)); }

  /** Listens until it is told not to. @param {string} name @param {(event: any) => void} then @returns {() => void} */
  on(name, then) {
    this.addEventListener(name, then);
    return () => this.removeEventListener(name, then);
  }
}
