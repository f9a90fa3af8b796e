// openid-client as an application: one request per line, what was found is kept between them.
import { createInterface } from "node:readline";
import * as oidc from "openid-client";

let config, verifier, state, nonce, handle, tokens, device;
const shown = (found) => ({ ...found, claims: found.claims?.() ?? null });
const proof = () => (handle ? { DPoP: handle } : undefined);

const operations = {
  async discover({ issuer, id, secret, key }) {
    let proven = secret ? oidc.ClientSecretBasic(secret) : oidc.None();
    if (key) {
      const algorithm = { name: "RSASSA-PKCS1-v1_5", hash: "SHA-256" };
      const imported = await crypto.subtle.importKey("jwk", key, algorithm, false, ["sign"]);
      proven = oidc.PrivateKeyJwt({ key: imported, kid: key.kid });
    }
    handle = undefined;
    config = await oidc.discovery(new URL(issuer), id, undefined, proven, { execute: [oidc.allowInsecureRequests] });
    return config.serverMetadata();
  },
  async dpop() {
    handle = oidc.getDPoPHandle(config, await oidc.randomDPoPKeyPair("ES256"));
    return null;
  },
  async authorize({ redirect, scope, par, more }) {
    verifier = oidc.randomPKCECodeVerifier();
    [state, nonce] = [oidc.randomState(), oidc.randomNonce()];
    const asked = {
      redirect_uri: redirect, scope, state, nonce, code_challenge_method: "S256",
      code_challenge: await oidc.calculatePKCECodeChallenge(verifier), ...more,
    };
    if (par) return (await oidc.buildAuthorizationUrlWithPAR(config, asked, proof())).href;
    return oidc.buildAuthorizationUrl(config, asked).href;
  },
  async callback({ url }) {
    const expected = { pkceCodeVerifier: verifier, expectedState: state, expectedNonce: nonce, idTokenExpected: true };
    tokens = await oidc.authorizationCodeGrant(config, new URL(url), expected, undefined, proof());
    return shown(tokens);
  },
  async refresh() {
    tokens = await oidc.refreshTokenGrant(config, tokens.refresh_token, undefined, proof());
    return shown(tokens);
  },
  async credentials({ scope }) {
    tokens = await oidc.clientCredentialsGrant(config, { scope }, proof());
    return shown(tokens);
  },
  userinfo: ({ sub }) => oidc.fetchUserInfo(config, tokens.access_token, sub, proof()),
  introspect: () => oidc.tokenIntrospection(config, tokens.access_token),
  async revoke() {
    await oidc.tokenRevocation(config, tokens.access_token);
    return null;
  },
  async resource({ url }) {
    const answer = await oidc.fetchProtectedResource(
      config, tokens.access_token, new URL(url), "GET", null, undefined, proof());
    return answer.status;
  },
  async device({ scope }) {
    device = await oidc.initiateDeviceAuthorization(config, { scope });
    return device;
  },
  async poll() {
    tokens = await oidc.pollDeviceAuthorizationGrant(config, device, undefined, proof());
    return shown(tokens);
  },
  async exchange({ subject, kind, scope }) {
    const asked = { subject_token: subject, subject_token_type: kind, scope };
    const grant = "urn:ietf:params:oauth:grant-type:token-exchange";
    return shown(await oidc.genericGrantRequest(config, grant, asked, proof()));
  },
  end: ({ after }) => oidc.buildEndSessionUrl(config, {
    post_logout_redirect_uri: after, id_token_hint: tokens.id_token }).href,
};

for await (const line of createInterface({ input: process.stdin })) {
  let reply;
  try {
    const { op, ...parameters } = JSON.parse(line);
    reply = { ok: await operations[op](parameters) };
  } catch (error) {
    const cause = error?.cause instanceof Error ? error.cause.message : JSON.stringify(error?.cause);
    reply = { error: `${error?.message ?? error} ${error?.error ?? ""} ${cause ?? ""}` };
  }
  process.stdout.write(JSON.stringify(reply) + "\n");
}
