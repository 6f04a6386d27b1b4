/** Every kind of call that somebody sends who is no governance: with made-up arguments. */

import { Enum, type Transaction } from "polkadot-api";
import { toHex } from "polkadot-api/utils";
import { type Api, type Person, TOKEN } from "./chain.js";
import { digits, serviceKeyMessage } from "./task.js";

/** A call and who sends it. */
export interface UserCall {
  name: string;
  call: Transaction;
  sender: Person;
}

/** A hash of one repeated byte. */
const hash = (byte: number): `0x${string}` =>
  `0x${byte.toString(16).padStart(2, "0").repeat(32)}`;
const uris = [new TextEncoder().encode("https://example.org/model")];
const amount = 5n * TOKEN;
/** A case, a round and a referendum that aren't there. */
const none = 999;

function tasks(api: Api, task: number, data: string): Transaction[] {
  const { ArenaTasks: pallet } = api.tx;
  const shard = { blake3: hash(1), bytes: 1n, salt: hash(2) };
  return [
    pallet.propose({ spec: digits(data) }),
    pallet.withdraw_proposal({ spec_hash: hash(3) }),
    pallet.submit({ task, commitment: hash(4) }),
    pallet.publish({ task, manifest_root: hash(5), uris, nonce: hash(6) }),
    pallet.top_up({ task, amount }),
    pallet.poke({ task }),
    pallet.remove_expired({ spec_hash: hash(7) }),
    pallet.open_shard({ task, round: 1, shard, proof: [hash(8)], uris }),
  ];
}

function staking(api: Api, sender: Person, key: Person): Transaction[] {
  const { ArenaStaking: pallet, Session: session } = api.tx;
  const venue = Enum("Network");
  const proof = toHex(key.pair.sign(serviceKeyMessage(sender.pair.publicKey))) as `0x${string}`;
  const keys = { grandpa: hash(1), babe: hash(2), authority_discovery: hash(3) };
  return [
    pallet.set_service_key({ key: key.address, proof }),
    pallet.stake({ venue, role: Enum("Validator"), amount: 100n * TOKEN }),
    pallet.set_commission({ venue, commission: 100_000_000 }),
    pallet.decrease({ venue, amount }),
    pallet.withdraw(),
    pallet.take_seat({ venue }),
    pallet.reap({ venue, operator: sender.address }),
    pallet.clear_service_key(),
    session.set_keys({ keys, proof: new Uint8Array() }),
    session.purge_keys(),
  ];
}

function delegation(api: Api, sender: Person, operator: string): Transaction[] {
  const { ArenaDelegation: pallet, ArenaRewards: rewards } = api.tx;
  const venue = Enum("Network");
  const who = sender.address;
  return [
    pallet.delegate({ venue, operator, amount }),
    pallet.undelegate({ venue, operator, amount: TOKEN }),
    pallet.withdraw(),
    pallet.claim({ venue, operator }),
    pallet.claim_for({ venue, operator, who }),
    pallet.apply_slash({ venue, operator, who }),
    rewards.claim({ venue }),
    rewards.claim_for({ venue, operator }),
  ];
}

function scoring(api: Api, task: number): Transaction[] {
  const { ArenaScoring: pallet } = api.tx;
  const scored = { manifest_root: hash(1), outcome: Enum("Scored", 5n), sketch: undefined };
  return [
    pallet.commit_scores({ task, round: 1, commitment: hash(2) }),
    pallet.reveal_scores({
      task, round: 1, entries: [scored], earlier: [], samples_root: hash(3), nonce: hash(4),
    }),
  ];
}

function challenges(api: Api, task: number, accused: string): Transaction[] {
  const { ArenaChallenges: pallet } = api.tx;
  const claim = Enum("Duplicate", { trainer: accused, model: hash(1), earlier: hash(2) });
  const leaf = { index: 0, nll: 1n, tokens: 1, bytes: 1, correct: true };
  return [
    pallet.commit_case({ task, commitment: hash(3) }),
    pallet.open_case({ task, claim, nonce: hash(4) }),
    pallet.join({ case: none }),
    pallet.respond_training({
      case: none,
      leaves: [{ step: 1n, weights: hash(5), optimizer: hash(6), update: 1n }],
      uris,
    }),
    pallet.respond_score({
      case: none, roots: [hash(7)], samples: 1, losses: [{ leaf, proof: [hash(8)] }],
    }),
    pallet.commit_vote({ case: none, commitment: hash(9) }),
    pallet.reveal_vote({ case: none, vote: Enum("Acquit"), nonce: hash(10) }),
    pallet.appeal({ case: none }),
    pallet.poke({ case: none }),
    pallet.register_run({
      task, recipe: hash(11), steps: 100n, every: 10n, checkpoint_bytes: 1_000n,
    }),
    pallet.heartbeat({ task, leaves: 1, root: hash(12) }),
    pallet.register_mark({ task, commitment: hash(13) }),
  ];
}

function accounts(api: Api, sender: Person, friend: string): Transaction[] {
  const dest = Enum("Id", friend);
  const transfer = api.tx.Balances.transfer_keep_alive({ dest, value: TOKEN });
  const remark = api.tx.System.remark({ remark: new Uint8Array([1]) }).decodedCall;
  const roles = ["Voter", "Operator", "Delegator", "Creator"] as const;
  return [
    transfer,
    api.tx.Utility.batch_all({ calls: [remark, transfer.decodedCall] }),
    api.tx.Proxy.add_proxy({ delegate: dest, proxy_type: Enum("Any"), delay: 0 }),
    api.tx.Utility.batch_all({
      calls: roles.map((role) =>
        api.tx.Proxy.add_proxy({ delegate: dest, proxy_type: Enum(role), delay: 0 }).decodedCall),
    }),
    api.tx.Proxy.proxy({
      real: Enum("Id", sender.address), force_proxy_type: undefined, call: remark,
    }),
    api.tx.Multisig.as_multi({
      threshold: 2,
      other_signatories: [friend],
      maybe_timepoint: undefined,
      call: remark,
      max_weight: { ref_time: 1_000_000_000n, proof_size: 10_000n },
    }),
    api.tx.Preimage.note_preimage({ bytes: sender.pair.publicKey }),
    api.tx.ConvictionVoting.vote({
      poll_index: none, vote: Enum("Standard", { vote: 0x81, balance: TOKEN }),
    }),
    api.tx.ConvictionVoting.unlock({ class: 1, target: Enum("Id", sender.address) }),
    api.tx.Referenda.place_decision_deposit({ index: none }),
  ];
}

/** All of them; calls of one group have one sender, and are sent in this order. */
export function userCalls(
  api: Api,
  task: number,
  data: string,
  [creator, operator, key, delegator, validator, challenger, holder]: Person[],
  author: string,
): UserCall[] {
  const groups: [Person, Transaction[]][] = [
    [creator!, tasks(api, task, data)],
    [operator!, staking(api, operator!, key!)],
    [delegator!, delegation(api, delegator!, author)],
    [validator!, scoring(api, task)],
    [challenger!, challenges(api, task, author)],
    [holder!, accounts(api, holder!, author)],
  ];
  return groups.flatMap(([sender, calls]) =>
    calls.map((call) => {
      const { type, value } = call.decodedCall as { type: string; value: { type: string } };
      return { name: `${type}.${value.type}`, call, sender };
    }));
}
