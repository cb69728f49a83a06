// An OpenID Connect issuer made of oidc-provider, which nobody of the project wrote: what a build platform runs. A job that proves itself with the
// platform's own means gets an ID token that says which repository and environment it belongs to. ISSUER_PORT says where it listens; each start
// has a new signing key. Prints "ready".
import { generateKeyPairSync, randomUUID } from 'node:crypto';
import Provider from 'oidc-provider';

const port = Number(process.env.ISSUER_PORT);
const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const jwk = { ...privateKey.export({ format: 'jwk' }), kid: randomUUID(), alg: 'ES256', use: 'sig' };
const client = (id) => ({
  client_id: id, client_secret: 'of-the-job', grant_types: ['urn:example:job'], redirect_uris: [], response_types: [], id_token_signed_response_alg: 'ES256',
});
const provider = new Provider(`http://127.0.0.1:${port}`, {
  clients: [client('bot.example.com'), client('elsewhere.example.com')],
  jwks: { keys: [jwk] },
  ttl: { IdToken: 300 },
});
const about = ['repository_id', 'environment'];
provider.registerGrantType('urn:example:job', async (ctx) => {
  const token = new provider.IdToken({ sub: ctx.oidc.params.subject }, { ctx });
  token.scope = 'openid';
  token.set('jti', randomUUID());
  for (const name of about) token.set(name, ctx.oidc.params[name]);
  ctx.body = { id_token: await token.issue({ use: 'idtoken' }) };
}, ['subject', ...about]);
provider.listen(port, '127.0.0.1', () => console.log('ready'));
