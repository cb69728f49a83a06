// An AI agent's hands: a client of the Model Context Protocol made of its official TypeScript SDK, which nobody of the project wrote. It opens a session
// with the token in AGENT_TOKEN, and calls the tools that the lines of its standard input name: {"tool": …, "args": {…}}. It answers each with a line.
import { createInterface } from 'node:readline';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';

const base = process.env.AGENT_URL;
const say = (x) => process.stdout.write(`${JSON.stringify(x)}\n`);
const answer = await fetch(`${base}/v1/session`, { method: 'POST', headers: { Authorization: `Bearer ${process.env.AGENT_TOKEN}` } });
const { session } = await answer.json();
const client = new Client({ name: 'agent', version: '1.0.0' });
await client.connect(new StreamableHTTPClientTransport(new URL(`${base}/mcp`), { requestInit: { headers: { Authorization: `Bearer ${session}` } } }));
const { tools } = await client.listTools();
say({ server: client.getServerVersion(), instructions: client.getInstructions(), tools: tools.map((t) => t.name).sort() });
for await (const line of createInterface({ input: process.stdin })) {
  const { tool, args } = JSON.parse(line);
  try {
    const r = await client.callTool({ name: tool, arguments: args });
    say({ error: Boolean(r.isError), text: r.content.map((c) => c.text).join(''), data: r.structuredContent });
  } catch (e) {
    say({ error: true, text: String(e.message) });
  }
}
await client.close();
