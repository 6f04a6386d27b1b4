/**
 * Sends every kind of user's call, by polkadot-api and by @polkadot/api, to a development chain:
 *
 *   npm run calls -- --url ws://127.0.0.1:9944 --data FILE
 *
 * Most are refused, since their arguments are made up. It fails if a call's bytes are others in
 * the other library, or if the libraries name other outcomes.
 */

import { ApiPromise, WsProvider } from "@polkadot/api";
import type { SubmittableExtrinsic } from "@polkadot/api/types";
import type { ISubmittableResult } from "@polkadot/types/types";
import { Enum, InvalidTxError } from "polkadot-api";
import { toHex } from "polkadot-api/utils";
import { type Api, connect, option, type Person, person, TOKEN } from "./chain.js";
import { type UserCall, userCalls } from "./user-calls.js";

const GROUPS = 7;

/** Accounts of their own for one library, with money. */
async function people(api: Api, library: string): Promise<Person[]> {
  const all = await Promise.all(
    Array.from({ length: GROUPS }, (_, i) => person(`//Calls//${library}${i}//${Date.now()}`)));
  const calls = all.map(({ address }) =>
    api.tx.Balances.transfer_keep_alive({
      dest: Enum("Id", address),
      value: 2_000n * TOKEN,
    }).decodedCall);
  await api.tx.Utility.batch_all({ calls }).signAndSubmit((await person("//Ferdie")).signer);
  return all;
}

/** What came of a call that polkadot-api sent. */
async function byPapi({ call, sender }: UserCall): Promise<string> {
  try {
    const result = await call.signAndSubmit(sender.signer);
    if (result.ok) return "ok";
    const { type, value } = result.dispatchError;
    const inner = value as { type: string; value: { type: string } } | undefined;
    return type === "Module" ? `${inner!.type}.${inner!.value.type}` : type;
  } catch (why) {
    if (why instanceof InvalidTxError) {
      const { value } = why.error as { value: { type: string; value: unknown } };
      return `refused: ${value.type}${value.value === undefined ? "" : ` ${value.value}`}`;
    }
    throw why;
  }
}

function outcome(api: ApiPromise, { dispatchError }: ISubmittableResult): string {
  if (dispatchError === undefined) return "ok";
  if (!dispatchError.isModule) return dispatchError.type;
  const { section, name } = api.registry.findMetaError(dispatchError.asModule);
  return `${section.charAt(0).toUpperCase()}${section.slice(1)}.${name}`;
}

/** What came of a call that @polkadot/api sent. */
function byPolkadotJs(api: ApiPromise, { call, sender }: UserCall, hex: string): Promise<string> {
  const decoded = api.createType("Call", hex);
  if (decoded.toHex() !== hex) {
    throw new Error(`@polkadot/api encodes ${call.decodedCall.type} to ${decoded.toHex()}`);
  }
  const extrinsic = api.tx(decoded) as SubmittableExtrinsic<"promise">;
  return new Promise((resolve, reject) => {
    extrinsic
      .signAndSend(sender.pair, { nonce: -1 }, (result) => {
        if (result.status.isInBlock) resolve(outcome(api, result));
        if (result.isError) reject(new Error(`${result.status}`));
      })
      .catch((why: Error) => {
        const custom = /Custom error: (\d+)/.exec(why.message);
        if (custom === null) reject(why);
        else resolve(`refused: Custom ${custom[1]}`);
      });
  });
}

/** Outcomes of calls: groups side by side, the calls of one sender in order. */
async function outcomes(calls: UserCall[], send: (call: UserCall) => Promise<string>) {
  const found = new Map<UserCall, string>();
  const senders = [...new Set(calls.map(({ sender }) => sender))];
  await Promise.all(senders.map(async (sender) => {
    for (const call of calls.filter((call) => call.sender === sender)) {
      found.set(call, await send(call));
    }
  }));
  return calls.map((call) => found.get(call));
}

async function main(): Promise<void> {
  const [url, data] = [option("url"), option("data")];
  const { client, api } = connect(url);
  const other = await ApiPromise.create({ provider: new WsProvider(url), noInitWarn: true });
  const author = (await person("//Alice")).address;
  const calls = userCalls(api, 0, data, await people(api, "papi"), author);
  const again = userCalls(api, 0, data, await people(api, "polkadotjs"), author);
  const papi = await outcomes(calls, byPapi);
  const polkadotJs = await outcomes(again, async (call) =>
    byPolkadotJs(other, call, toHex(await call.call.getEncodedData())));
  console.table(calls.map(({ name }, i) => ({ name, outcome: papi[i] })));
  const differ = calls.filter((_, i) => papi[i] !== polkadotJs[i]);
  differ.forEach(({ name }) => {
    const i = calls.findIndex((call) => call.name === name);
    console.error(`${name}: ${papi[i]} by polkadot-api, ${polkadotJs[i]} by @polkadot/api`);
  });
  console.log(`calls: ${calls.length} kinds sent by each library, ${differ.length} outcomes differ`);
  client.destroy();
  await other.disconnect();
  process.exitCode = differ.length === 0 ? 0 : 1;
}

await main();
