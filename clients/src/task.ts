/** A task to propose: classifiers of handwritten digits, scored on a public file. */

import { blake3 } from "@noble/hashes/blake3.js";
import { Enum } from "polkadot-api";
import { toHex } from "polkadot-api/utils";
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import type { Api } from "./chain.js";

/** What `propose` takes. */
export type TaskSpec = Parameters<Api["tx"]["ArenaTasks"]["propose"]>[0]["spec"];

const text = (value: string) => new TextEncoder().encode(value);
/** Parts of 10⁹, in which fractions are counted. */
const perbill = (fraction: number) => Math.round(fraction * 1_000_000_000);

/** One round of submissions on the samples in `file`. */
export function digits(file: string): TaskSpec {
  const samples = readFileSync(file);
  return {
    name: text("Digits from TypeScript"),
    licence: text("Apache-2.0"),
    metric: Enum("Accuracy"),
    worst: BigInt(perbill(0.1)),
    profile: Enum("F32"),
    data: Enum("Public", {
      blake3: toHex(blake3(samples)) as `0x${string}`,
      bytes: BigInt(samples.length),
      uris: [text(`file://${resolve(file)}`)],
      samples: 200,
    }),
    model: {
      architectures: [Enum("Mlp")],
      max_parameters: 1_000_000n,
      max_bytes: 10_000_000n,
      max_seconds: 30,
      context: 0,
    },
    rounds: 1,
    round_minutes: 1_440,
    final_days: 1,
    challenge_days: 1,
    rewards: {
      gamma: perbill(0.35),
      q: perbill(0.7),
      rank: Enum("ByStake", { depth: 20 }),
      lambda_milli: 50_000,
      band: perbill(0.001),
      alpha_v_milli: 1_000,
      aggregation: Enum("Median"),
      cap: Enum("Seats", 10),
      committee: 0,
      min_scorers: 2,
      min_trainers: 2,
      max_leverage: 20,
    },
    baseline: 0,
    likeness: undefined,
    registered: false,
  };
}

/** What a service key signs to accept its operator. */
export function serviceKeyMessage(operator: Uint8Array): Uint8Array {
  return new Uint8Array([...text("arena/service-key/1"), ...operator]);
}
