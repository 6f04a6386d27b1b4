/**
 * Lets other accounts act for one, or no longer:
 *
 *   ARENA_SURI=... npm run proxies -- --url URL --add Operator --who ADDRESS [--delay BLOCKS]
 *   ARENA_SURI=... npm run proxies -- --url URL --remove Operator --who ADDRESS [--delay BLOCKS]
 *   npm run proxies -- --url URL --of ADDRESS
 *
 * Types: Any, Voter, Operator, Delegator, Creator.
 */

import { Enum } from "polkadot-api";
import { type Api, connect, option, optional, person, there, tokens } from "./chain.js";

const TYPES = ["Any", "Voter", "Operator", "Delegator", "Creator"] as const;

/** What is to be sent for these arguments. */
function change(api: Api, role: string, adds: boolean) {
  const type = there(TYPES.find((type) => type === role), `proxy type ${role}: ${TYPES.join(", ")}`);
  const values = {
    delegate: Enum("Id", option("who")),
    proxy_type: Enum(type),
    delay: Number(optional("delay") ?? 0),
  };
  return adds ? api.tx.Proxy.add_proxy(values) : api.tx.Proxy.remove_proxy(values);
}

async function main(): Promise<void> {
  const { client, api } = connect(option("url"));
  const [added, removed] = [optional("add"), optional("remove")];
  let of = optional("of");
  if (of === undefined) {
    const signer = await person(there(process.env["ARENA_SURI"], "ARENA_SURI in the environment"));
    of = signer.address;
    const role = there(added ?? removed, "option --add, --remove or --of");
    const result = await change(api, role, added !== undefined).signAndSubmit(signer.signer);
    if (!result.ok) throw new Error(JSON.stringify(result.dispatchError));
  }
  const [proxies, deposit] = await api.query.Proxy.Proxies.getValue(of);
  console.table(proxies.map(({ delegate, proxy_type, delay }) =>
    ({ proxy: delegate, type: proxy_type.type, delay })));
  console.log(`deposit of ${of}: ${tokens(deposit)}`);
  client.destroy();
}

await main();
