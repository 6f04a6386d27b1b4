/** Connections to a node, and the accounts that sign. */

import { arena } from "../.papi/descriptors/dist/index.js";
import { Keyring } from "@polkadot/keyring";
import type { KeyringPair } from "@polkadot/keyring/types";
import { cryptoWaitReady } from "@polkadot/util-crypto";
import type { PolkadotClient, PolkadotSigner, TypedApi } from "polkadot-api";
import { getPolkadotSigner } from "polkadot-api/signer";
import { createWsClient } from "polkadot-api/ws";
import WebSocket from "ws";

/** The chain's typed interface, from `cli/metadata.scale`. */
export type Api = TypedApi<typeof arena>;

/** Base units of one token. */
export const TOKEN = 1_000_000_000_000n;

/** A connection by polkadot-api; Node 20 has no WebSocket of its own. */
export function connect(url: string): { client: PolkadotClient; api: Api } {
  const client = createWsClient(url, { websocketClass: WebSocket as never });
  return { client, api: client.getTypedApi(arena) };
}

/** An account that signs. */
export interface Person {
  suri: string;
  address: string;
  pair: KeyringPair;
  signer: PolkadotSigner;
}

/** The account of a secret, such as `//Alice`. */
export async function person(suri: string): Promise<Person> {
  await cryptoWaitReady();
  const pair = new Keyring({ type: "sr25519", ss58Format: 42 }).addFromUri(suri);
  const signer = getPolkadotSigner(pair.publicKey, "Sr25519", (bytes) => pair.sign(bytes));
  return { suri, address: pair.address, pair, signer };
}

/** An amount in tokens, for people. */
export function tokens(amount: bigint): string {
  const whole = amount / TOKEN;
  const part = (amount % TOKEN).toString().padStart(12, "0").slice(0, 4);
  return `${whole}.${part}`;
}

/** The value that must be there. */
export function there<T>(value: T | undefined | null, what: string): T {
  if (value === undefined || value === null) {
    throw new Error(`there is no ${what}`);
  }
  return value;
}

/** An option of the command line. */
export function optional(name: string): string | undefined {
  const at = process.argv.indexOf(`--${name}`);
  return at < 0 ? undefined : process.argv[at + 1];
}

/** An option of the command line that must be given. */
export function option(name: string): string {
  return there(optional(name), `option --${name} VALUE`);
}
