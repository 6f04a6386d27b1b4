/**
 * Makes new session keys in a node's keystore and gives them to an operator:
 *
 *   ARENA_SURI=... npm run session-keys -- --url ws://127.0.0.1:9944 [--real ADDRESS]
 *
 * ARENA_SURI is the operator's secret, or that of its proxy of type Operator or Any; then --real is
 * the operator. The node must take unsafe RPC calls, as it does on loopback by default, and be the
 * one that will author.
 */

import { Keyring } from "@polkadot/keyring";
import { Enum } from "polkadot-api";
import { toHex } from "polkadot-api/utils";
import { connect, option, optional, person, there } from "./chain.js";

async function main(): Promise<void> {
  const { client, api } = connect(option("url"));
  const signer = await person(there(process.env["ARENA_SURI"], "ARENA_SURI in the environment"));
  const real = optional("real");
  const owner = real === undefined ? signer.pair.publicKey : new Keyring().decodeAddress(real);
  const made = await client._request<{ keys: `0x${string}`; proof: `0x${string}` }>(
    "author_rotateKeysWithOwner", [toHex(owner)]);
  const key = (at: number) => `0x${made.keys.slice(2 + at * 64, 2 + (at + 1) * 64)}` as const;
  const call = api.tx.Session.set_keys({
    keys: { grandpa: key(0), babe: key(1), authority_discovery: key(2) },
    proof: Buffer.from(made.proof.slice(2), "hex"),
  });
  const sent = real === undefined ? call : api.tx.Proxy.proxy({
    real: Enum("Id", real), force_proxy_type: undefined, call: call.decodedCall,
  });
  const result = await sent.signAndSubmit(signer.signer);
  const [executed] = api.event.Proxy.ProxyExecuted.filter(result.events);
  if (!result.ok || executed?.payload.result.success === false) {
    throw new Error(JSON.stringify(result.ok ? executed?.payload : result.dispatchError));
  }
  console.log(`session keys ${made.keys} act from the session after the next on`);
  client.destroy();
}

await main();
