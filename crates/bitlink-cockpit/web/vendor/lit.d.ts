// What of lit is used here, as far as types go.
export function html(strings: TemplateStringsArray, ...values: unknown[]): unknown;
export function render(what: unknown, into: HTMLElement): void;
export const nothing: unique symbol;
