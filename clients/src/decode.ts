/**
 * Decodes every finalized block of a chain by @polkadot/api, from genesis on:
 *
 *   npm run decode -- --url ws://127.0.0.1:9944
 *
 * The node must keep all blocks and states. Fails if an extrinsic doesn't encode to its own bytes
 * again, or an event doesn't decode.
 */

import { ApiPromise, WsProvider } from "@polkadot/api";
import { option } from "./chain.js";

type Counts = Map<string, number>;

const count = (counts: Counts, name: string) => counts.set(name, (counts.get(name) ?? 0) + 1);

/** Decodes one block into the counts. */
async function decode(api: ApiPromise, number: number, calls: Counts, events: Counts) {
  const hash = await api.rpc.chain.getBlockHash(number);
  const { block } = await api.rpc.chain.getBlock(hash);
  const raw = (await api.rpc.chain.getBlock.raw(hash)) as { block: { extrinsics: string[] } };
  block.extrinsics.forEach((extrinsic, i) => {
    if (extrinsic.toHex() !== raw.block.extrinsics[i]) {
      throw new Error(`block ${number}: extrinsic ${i} encodes to other bytes`);
    }
    count(calls, `${extrinsic.method.section}.${extrinsic.method.method}`);
  });
  for (const { event } of await (await api.at(hash)).query.system!.events!() as never as {
    event: { section: string; method: string };
  }[]) {
    count(events, `${event.section}.${event.method}`);
  }
}

async function main(): Promise<void> {
  const api = await ApiPromise.create({ provider: new WsProvider(option("url")), noInitWarn: true });
  const head = await api.rpc.chain.getHeader(await api.rpc.chain.getFinalizedHead());
  const last = head.number.toNumber();
  const [calls, events]: [Counts, Counts] = [new Map(), new Map()];
  for (let number = 1; number <= last; number += 1) {
    await decode(api, number, calls, events);
  }
  const sum = (counts: Counts) => [...counts.values()].reduce((all, one) => all + one, 0);
  console.table(Object.fromEntries([...calls].sort()));
  console.table({
    "@polkadot/api decoded": {
      blocks: last,
      extrinsics: sum(calls),
      "kinds of calls": calls.size,
      events: sum(events),
      "kinds of events": events.size,
    },
  });
  await api.disconnect();
}

await main();
