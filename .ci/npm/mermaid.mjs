// Reads Markdown from standard input and parses each Mermaid diagram in it with Mermaid's own parser. Fails on the first that it refuses.
import { JSDOM } from 'jsdom';

const dom = new JSDOM('<!doctype html><body></body>');
globalThis.window = dom.window;
globalThis.document = dom.window.document;
const { default: mermaid } = await import('mermaid');

let text = '';
for await (const chunk of process.stdin) text += chunk;
let n = 0;
for (const [, diagram] of text.matchAll(/```mermaid\n([\s\S]*?)\n```/g)) {
  await mermaid.parse(diagram);
  n++;
}
console.log(`${n} diagrams parse`);
