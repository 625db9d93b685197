// A table of any length of which only what is in sight exists. Rows are made once and used again; nothing is made while scrolling.

/**
 * @typedef {{key: string, title: string, width: number, number: boolean, sort?: 'ascending'|'descending', hint?: string}} Column
 * @typedef {{
 *   columns: () => Column[], length: () => number, id: (row: number) => string|undefined,
 *   cell: (row: number, column: number, id: string) => string, tone: (row: number, column: number, id: string) => string,
 *   state: (row: number, id: string) => string, empty: () => string,
 *   sort: (key: string, more: boolean) => void, resize: (key: string, width: number, done: boolean) => void, reorder: (key: string, before: string) => void,
 *   press: (row: number, key: string, event: MouseEvent) => boolean, click: (row: number, event: MouseEvent) => void, open: (row: number) => void, key: (event: KeyboardEvent, row: number) => boolean, moved: (row: number, extend: boolean) => void,
 *   label: string,
 * }} Source
 */

/** Browsers cannot make elements higher than some 33 million pixels; far fewer rows than that are shown. */
const OVER = 6;

export class Table {
  /** @param {HTMLElement} root @param {Source} source */
  constructor(root, source) {
    this.source = source;
    this.root = root;
    root.classList.add('grid');
    root.tabIndex = 0;
    root.setAttribute('role', 'grid');
    root.setAttribute('aria-label', source.label);
    root.setAttribute('aria-multiselectable', 'true');
    this.head = element('div', 'cols', root);
    this.head.setAttribute('role', 'row');
    this.body = element('div', 'body', root);
    this.body.setAttribute('role', 'rowgroup');
    this.nothing = element('div', 'empty hidden', root);
    /** @type {{node: HTMLElement, cells: HTMLElement[], texts: string[], tones: string[], row: number, state: string}[]} */
    this.pool = [];
    /** @type {string[]} */
    this.keys = [];
    /** Where the keyboard is. */
    this.here = 0;
    this.rowHeight = 34;
    this.asked = 0;
    this.first = -1;
    this.all = true;
    this.observer = new ResizeObserver(() => this.redraw());
    this.observer.observe(root);
    root.addEventListener('scroll', () => this.ask(), { passive: true });
    root.addEventListener('keydown', (event) => this.keydown(event));
    this.body.addEventListener('click', (event) => {
      const row = this.rowAt(event);
      if (row === undefined) return;
      this.here = row;
      if (!source.press(row, this.columnAt(event), event)) source.click(row, event);
      this.redraw();
    });
    this.body.addEventListener('dblclick', (event) => { const row = this.rowAt(event); if (row !== undefined) source.open(row); });
    this.rebuild();
  }

  end() { this.observer.disconnect(); cancelAnimationFrame(this.asked); }

  /** @param {MouseEvent} event */
  rowAt(event) {
    const node = /** @type {Element} */ (event.target).closest('.row');
    return this.pool.find((one) => one.node === node)?.row;
  }

  /** @param {MouseEvent} event */
  columnAt(event) {
    const cell = /** @type {Element} */ (event.target).closest('.cell');
    const at = Number(cell?.getAttribute('aria-colindex') ?? 0) - 1;
    return this.keys[at] ?? '';
  }

  /** Other columns. */
  rebuild() {
    const columns = this.source.columns();
    this.head.replaceChildren();
    this.pool = [];
    this.body.replaceChildren();
    columns.forEach((column, at) => {
      const node = element('div', `col${column.number ? ' num' : ''}`, this.head);
      node.setAttribute('role', 'columnheader');
      node.setAttribute('aria-colindex', String(at + 1));
      if (column.sort) node.setAttribute('aria-sort', column.sort);
      node.style.width = `${column.width}px`;
      node.title = column.hint ?? column.title;
      node.append(`${column.title}${column.sort ? (column.sort === 'ascending' ? ' ▲' : ' ▼') : ''}`);
      node.addEventListener('click', (event) => { if (!(/** @type {Element} */ (event.target)).classList.contains('size')) this.source.sort(column.key, event.shiftKey); });
      node.draggable = true;
      node.addEventListener('dragstart', (event) => event.dataTransfer?.setData('text/x-column', column.key));
      node.addEventListener('dragover', (event) => { if (event.dataTransfer?.types.includes('text/x-column')) event.preventDefault(); });
      node.addEventListener('drop', (event) => { event.preventDefault(); this.source.reorder(event.dataTransfer?.getData('text/x-column') ?? '', column.key); });
      const size = element('span', 'size', node);
      size.addEventListener('pointerdown', (event) => this.drag(event, column));
    });
    this.wide = columns.reduce((sum, column) => sum + column.width, 0);
    this.keys = columns.map((column) => column.key);
    this.root.setAttribute('aria-colcount', String(columns.length));
    this.body.style.width = `${this.wide}px`;
    this.redraw();
  }

  /** @param {PointerEvent} event @param {Column} column */
  drag(event, column) {
    event.preventDefault();
    event.stopPropagation();
    const from = event.clientX;
    const handle = /** @type {HTMLElement} */ (event.target);
    handle.setPointerCapture(event.pointerId);
    const width = (/** @type {PointerEvent} */ now) => Math.max(50, Math.round(column.width + now.clientX - from));
    const move = (/** @type {PointerEvent} */ now) => { /** @type {HTMLElement} */ (handle.parentElement).style.width = `${width(now)}px`; };
    handle.addEventListener('pointermove', move);
    handle.addEventListener('pointerup', (now) => { handle.removeEventListener('pointermove', move); this.source.resize(column.key, width(now), true); }, { once: true });
  }

  /** Everything in sight is looked at again, once, with the next picture. */
  redraw() { this.all = true; this.ask(); }

  ask() { if (!this.asked) this.asked = requestAnimationFrame(() => { this.asked = 0; this.paint(); }); }

  paint() {
    const { root, source } = this;
    const length = source.length();
    if (this.all) {
      const styled = Number.parseInt(getComputedStyle(root).getPropertyValue('--row'), 10);
      if (styled) this.rowHeight = styled;
      this.high = root.clientHeight - 36;
      const high = `${length * this.rowHeight}px`;
      if (this.body.style.height !== high) this.body.style.height = high;
      root.setAttribute('aria-rowcount', String(length + 1));
      this.nothing.classList.toggle('hidden', length > 0);
      if (!length) this.nothing.textContent = source.empty();
    }
    const many = Math.min(length, Math.ceil((this.high ?? 600) / this.rowHeight) + 2 * OVER);
    const first = Math.max(0, Math.min(Math.floor(root.scrollTop / this.rowHeight) - OVER, length - many));
    if (first === this.first && !this.all) return;
    while (this.pool.length < many) this.make();
    for (let n = many; n < this.pool.length; n++) this.hide(this.pool[n]);
    const pool = Math.max(1, many);
    for (let row = first; row < first + many; row++) {
      const one = this.pool[row % pool];
      if (one.row !== row || this.all) this.fill(one, row);
    }
    this.first = first;
    this.all = false;
  }

  make() {
    const node = element('div', 'row', this.body);
    node.setAttribute('role', 'row');
    const columns = this.source.columns();
    const cells = columns.map((column, at) => {
      const cell = element('div', `cell${column.number ? ' num' : ''}`, node);
      cell.setAttribute('role', 'gridcell');
      cell.setAttribute('aria-colindex', String(at + 1));
      cell.style.width = `${column.width}px`;
      // A text that changes is cheaper than one that is made anew.
      cell.append(document.createTextNode(''));
      return cell;
    });
    this.pool.push({ node, cells, texts: cells.map(() => ''), tones: cells.map(() => ''), row: -1, state: '' });
  }

  /** @param {{node: HTMLElement, row: number}} one */
  hide(one) { if (one.row !== -1) { one.row = -1; one.node.style.transform = 'translateY(-9999px)'; } }

  /** @param {Table['pool'][0]} one @param {number} row */
  fill(one, row) {
    const { source } = this;
    const id = source.id(row);
    if (id === undefined) return this.hide(one);
    if (one.row !== row) {
      one.row = row;
      one.node.style.transform = `translateY(${row * this.rowHeight}px)`;
      one.node.setAttribute('aria-rowindex', String(row + 2));
    }
    const state = `row ${source.state(row, id)}${row === this.here ? ' here' : ''}`;
    if (one.state !== state) {
      one.state = state;
      one.node.className = state;
      one.node.setAttribute('aria-selected', state.includes(' on') ? 'true' : 'false');
    }
    for (let at = 0; at < one.cells.length; at++) {
      const text = source.cell(row, at, id);
      if (one.texts[at] !== text) {
        one.texts[at] = text;
        /** @type {Text} */ (one.cells[at].firstChild).data = text;
      }
      const tone = source.tone(row, at, id);
      if (one.tones[at] !== tone) {
        if (one.tones[at]) one.cells[at].classList.remove(one.tones[at]);
        if (tone) one.cells[at].classList.add(tone);
        one.tones[at] = tone;
      }
    }
    return undefined;
  }

  /** @param {number} row @param {boolean} [extend] */
  go(row, extend = false) {
    const last = this.source.length() - 1;
    this.here = Math.max(0, Math.min(row, last));
    const top = this.here * this.rowHeight;
    const high = this.root.clientHeight - 36;
    if (top < this.root.scrollTop) this.root.scrollTop = top;
    else if (top + this.rowHeight > this.root.scrollTop + high) this.root.scrollTop = top + this.rowHeight - high;
    this.source.moved(this.here, extend);
    this.redraw();
  }

  /** @param {KeyboardEvent} event */
  keydown(event) {
    const page = Math.max(1, Math.floor((this.root.clientHeight - 36) / this.rowHeight) - 1);
    /** @type {Record<string, number>} */
    const to = { ArrowDown: this.here + 1, ArrowUp: this.here - 1, PageDown: this.here + page, PageUp: this.here - page, Home: 0, End: this.source.length() - 1 };
    if (event.key in to && !event.altKey && !event.metaKey) {
      event.preventDefault();
      this.go(to[event.key], event.shiftKey);
    } else if (event.key === 'Enter') {
      event.preventDefault();
      this.source.open(this.here);
    } else if (this.source.key(event, this.here)) {
      event.preventDefault();
      this.redraw();
    }
  }
}

/** @param {string} name @param {string} cls @param {HTMLElement} parent */
function element(name, cls, parent) {
  const node = document.createElement(name);
  node.className = cls;
  parent.append(node);
  return node;
}
