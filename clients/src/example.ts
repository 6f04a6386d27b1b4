/**
 * A small application: one task from its proposal to the last claim, by polkadot-api.
 *
 *   npm run example -- --url ws://127.0.0.1:9944 --data FILE --cli ARENA --models DIR,DIR
 *
 * FILE has samples of digits, each DIR is a model that `arena train` wrote, and ARENA is the
 * command line, which publishes them. The node must be one of a development chain: the accounts
 * are well-known ones, and the node takes the validators' service keys by RPC.
 */

import { Enum, type PolkadotClient, type Transaction } from "polkadot-api";
import { toHex } from "polkadot-api/utils";
import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  type Api, connect, option, type Person, person, there, TOKEN, tokens,
} from "./chain.js";
import { Follower, type Kind } from "./follow.js";
import { digits, serviceKeyMessage } from "./task.js";

/** Longest wait for one step, in seconds: several days of the development chain. */
const STEP = 180;
const VOTERS = ["//Charlie", "//Dave", "//Eve", "//Ferdie"];
/** The most that the task may draw of the emission, in parts of 10⁹. */
const MAX_SHARE = 500_000_000;

const say = (line: string) => console.log(`example: ${line}`);

/** Sends a call and waits until it is final; throws what the chain said against it. */
async function send(call: Transaction, who: Person): Promise<void> {
  const result = await call.signAndSubmit(who.signer);
  if (!result.ok) {
    throw new Error(`${who.suri}: ${JSON.stringify(result.dispatchError)}`);
  }
}

class Journey {
  readonly venue;
  constructor(
    readonly api: Api,
    readonly follower: Follower,
    readonly task: number,
  ) {
    this.venue = Enum("Task", task);
  }

  /** Waits for an event of this task, and of this round if one is given. */
  async until<T extends { task: number; round?: number }>(
    kind: Kind<T>,
    what: string,
    round?: number,
  ): Promise<T> {
    const is = (event: T) =>
      event.task === this.task && (round === undefined || event.round === round);
    const event = await this.follower.until(kind, what, STEP, is);
    say(what);
    return event;
  }
}

/** Proposes a task, votes it in, and says its number. */
async function approved(api: Api, follower: Follower, data: string): Promise<number> {
  const creator = await person("//Alice");
  await send(api.tx.ArenaTasks.propose({ spec: digits(data) }), creator);
  const proposed = await follower.until(api.event.ArenaTasks.Proposed, "proposal", STEP, () => true);
  const { spec_hash: hash } = proposed;
  const approve = api.tx.ArenaTasks.approve({ spec_hash: hash, max_share: MAX_SHARE });
  const referendum = await api.query.Referenda.ReferendumCount.getValue();
  await send(
    api.tx.Referenda.submit({
      proposal_origin: Enum("Origins", Enum("TaskApprover")),
      proposal: Enum("Inline", await approve.getEncodedData()),
      enactment_moment: Enum("After", 1),
    }),
    creator,
  );
  await send(api.tx.Referenda.place_decision_deposit({ index: referendum }), creator);
  // The highest bit says aye; the rest is the conviction.
  const vote = Enum("Standard", { vote: 0x81, balance: 4_000_000n * TOKEN });
  const voters = await Promise.all(VOTERS.map(person));
  await Promise.all(voters.map((voter) =>
    send(api.tx.ConvictionVoting.vote({ poll_index: referendum, vote }), voter)));
  say(`referendum ${referendum}: ${voters.length} votes`);
  const { task } = await follower.until(api.event.ArenaTasks.Approved, "approval", STEP,
    (event) => event.spec_hash === hash);
  return task;
}

/** Gives everybody a thousand tokens. */
async function fund(api: Api, people: Person[]): Promise<void> {
  const calls = people.map(({ address }) =>
    api.tx.Balances.transfer_keep_alive({
      dest: Enum("Id", address),
      value: 1_000n * TOKEN,
    }).decodedCall);
  await send(api.tx.Utility.batch_all({ calls }), await person("//Bob"));
}

/** Secret of an operator's service key: another one for each task, so that this runs twice. */
const serviceKey = (who: Person, task: number) => `${who.suri}//service//${task}`;

/** Registers an operator's service key; a validator's goes into the node, too. */
async function serve(client: PolkadotClient, { api, task }: Journey, who: Person, inNode: boolean) {
  const key = await person(serviceKey(who, task));
  if (inNode) {
    await client._request("author_insertKey", ["aren", key.suri, toHex(key.pair.publicKey)]);
  }
  const proof = toHex(key.pair.sign(serviceKeyMessage(who.pair.publicKey))) as `0x${string}`;
  await send(api.tx.ArenaStaking.set_service_key({ key: key.address, proof }), who);
}

/** Commits to a model and stays until it is published: `arena` hashes and encodes manifests. */
async function submit(url: string, task: number, who: Person, model: string): Promise<void> {
  const child = spawn(option("cli"), [
    "submit", "--url", url, "--task", `${task}`, "--model", model, "--uri", `file://${model}`,
    "--suri", who.suri, "--service-suri", serviceKey(who, task), "--watch",
    "--state", `${model}-submission-${task}.json`,
  ], { stdio: ["ignore", "ignore", "inherit"] });
  const [code] = await once(child, "exit");
  if (code !== 0) {
    throw new Error(`arena submit of ${who.suri} ended with ${code}`);
  }
}

async function claimed(journey: Journey, operators: Person[], delegator: Person, of: Person) {
  const { api, venue } = journey;
  const before = await balances(api, [...operators, delegator]);
  await Promise.all([
    ...operators.map((who) => send(api.tx.ArenaRewards.claim({ venue }), who)),
    send(api.tx.ArenaDelegation.claim({ venue, operator: of.address }), delegator),
  ]);
  const after = await balances(api, [...operators, delegator]);
  console.table([...operators, delegator].map(({ suri, address }, i) => ({
    who: suri,
    address,
    "claimed, less the fee": tokens(there(after[i], suri) - there(before[i], suri)),
  })));
}

const balances = (api: Api, people: Person[]) =>
  Promise.all(people.map(async ({ address }) =>
    (await api.query.System.Account.getValue(address)).data.free));

async function main(): Promise<void> {
  const url = option("url");
  const models = option("models").split(",");
  const { client, api } = connect(url);
  const follower = new Follower(client, api);
  const named = (role: string) => [1, 2].map((i) => person(`//Client//${role}${i}`));
  const trainers = await Promise.all(named("Trainer"));
  const validators = await Promise.all(named("Validator"));
  const delegator = await person("//Client//Delegator");
  const first = there(trainers[0], "trainer");

  await fund(api, [...trainers, ...validators, delegator]);
  const journey = new Journey(api, follower, await approved(api, follower, option("data")));
  const { task, venue } = journey;
  say(`task ${task} is approved`);
  const stake = (role: "Trainer" | "Validator", amount: bigint) =>
    api.tx.ArenaStaking.stake({ venue, role: Enum(role), amount: amount * TOKEN });
  await Promise.all([
    ...trainers.map((who) => serve(client, journey, who, false)),
    ...validators.map((who) => serve(client, journey, who, true)),
  ]);
  await Promise.all([
    ...trainers.map((who) => send(stake("Trainer", 50n), who)),
    ...validators.map((who) => send(stake("Validator", 100n), who)),
  ]);
  const behind = { venue, operator: first.address, amount: 60n * TOKEN };
  await send(api.tx.ArenaDelegation.delegate(behind), delegator);
  say("everybody has staked");

  const { ArenaScoring: scoring, ArenaTasks: tasks } = api.event;
  await journey.until(tasks.RoundOpened, "round 1 takes models", 1);
  await Promise.all(trainers.map((who, i) =>
    submit(url, task, who, there(models[i], "model for each trainer"))));
  await journey.until(tasks.ModelsFixed, "the models are public", 1);
  await journey.until(scoring.ScoresCommitted, "a validator committed to scores", 1);
  await journey.until(scoring.ScoresRevealed, "a validator revealed them", 1);
  const settled = await journey.until(scoring.RoundSettled, "round 1 is settled", 1);
  say(`it drew ${tokens(settled.drawn)} for ${settled.models} models`);
  await journey.until(scoring.RoundSettled, "final validation is settled", 2);
  const { winners } = await journey.until(tasks.Closed, "the task is closed");
  say(`best first: ${winners.join(", ")}`);
  await claimed(journey, [...trainers, ...validators], delegator, first);
  await follower.end();
  console.table({ "polkadot-api decoded": follower.decoded });
  client.destroy();
}

await main();
