// SPDX-License-Identifier: Apache-2.0
// Runs docs/verify-draw.html as a browser would, with a document of three elements:
//
//     node page.mjs PAGE FILE [TICKET]
//
// First checks that the page's own policy lets its script and its style run and nothing else. Prints a line of JSON:
// what the page shows after FILE was chosen, the hash of the order that it computed, and the lines of its script.
import { createHash, webcrypto } from 'node:crypto';
import { readFileSync } from 'node:fs';
import vm from 'node:vm';

const [pagePath, filePath, ticket = ''] = process.argv.slice(2);
const html = readFileSync(pagePath, 'utf8');
const inner = (tag) => {
  const found = [...html.matchAll(new RegExp(`<${tag}\\b([^>]*)>([^]*?)</${tag}>`, 'g'))];
  if (found.length !== 1 || found[0][1] !== '') throw new Error(`one plain <${tag}> is expected`);
  return found[0][2];
};
const hash = (text) => `'sha256-${createHash('sha256').update(text).digest('base64')}'`;
const policy = html.match(/<meta http-equiv="Content-Security-Policy" content="([^"]*)">/)[1];
const expected = "default-src 'none'; base-uri 'none'; form-action 'none'; "
  + `style-src ${hash(inner('style'))}; script-src ${hash(inner('script'))}`;
if (policy !== expected) throw new Error(`the policy must be: ${expected}`);
if (/ on\w+=|style=|src=|href=/.test(html.replace(inner('script'), ''))) throw new Error('the policy forbids these');

const elements = {
  file: { files: [] }, ticket: { value: ticket }, result: { textContent: '' },
};
const document = { getElementById: (id) => elements[id] };
const context = vm.createContext({ document, crypto: webcrypto, TextEncoder });
vm.runInContext(inner('script'), context);
let order = '';
const verifyDraw = context.verifyDraw;
context.verifyDraw = async (...given) => {
  const done = await verifyDraw(...given);
  order = createHash('sha256').update(done.order.join('\n')).digest('hex');
  return done;
};
const text = readFileSync(filePath, 'utf8');
elements.file.files = [{ text: async () => text }];
const started = performance.now();
await elements.file.onchange();
const seconds = (performance.now() - started) / 1000;
const lines = inner('script').trim().split('\n').length;
console.log(JSON.stringify({ result: elements.result.textContent, order, lines, seconds }));
