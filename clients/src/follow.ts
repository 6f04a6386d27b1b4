/** Follows finalized blocks by polkadot-api, and decodes everything in them. */

import { getExtrinsicDecoder } from "@polkadot-api/tx-utils";
import type { BlockInfo, HexString, PolkadotClient } from "polkadot-api";
import { ReplaySubject, type Subscription } from "rxjs";
import { type Api, there } from "./chain.js";

type SystemEvents = Awaited<ReturnType<Api["query"]["System"]["Events"]["getValue"]>>;

/** A kind of events, such as `api.event.ArenaTasks.Closed`. */
export interface Kind<T> {
  filter(events: never): { payload: T }[];
}

/** Finalized blocks, one after the other, and their events. */
export class Follower {
  /** How much was decoded. */
  readonly decoded = { blocks: 0, extrinsics: 0, events: 0 };
  private readonly seen = new ReplaySubject<SystemEvents>();
  private readonly subscription: Subscription;
  private queue: Promise<void> = Promise.resolve();
  private last: number | undefined;

  constructor(
    private readonly client: PolkadotClient,
    private readonly api: Api,
  ) {
    const decoder = client
      .getFinalizedBlock()
      .then((block) => client.getMetadata(block.hash))
      .then(getExtrinsicDecoder);
    this.subscription = client.finalizedBlock$.subscribe((block) => {
      const release = this.hold(block);
      const read = () => this.read(block, decoder).finally(release);
      this.queue = this.queue.then(read).catch((why: unknown) => this.seen.error(why));
    });
  }

  /** Keeps a block for reading; one that is gone already is read from the node's archive. */
  private hold(block: BlockInfo): () => void {
    try {
      return this.client.hodlBlock(block.hash);
    } catch {
      return () => {};
    }
  }

  private async read(
    { hash, number }: BlockInfo,
    decoder: Promise<(extrinsic: HexString | Uint8Array) => unknown>,
  ): Promise<void> {
    if (this.last !== undefined && number !== this.last + 1) {
      throw new Error(`block ${number} follows block ${this.last}`);
    }
    this.last = number;
    const body = await this.client.getBlockBody(hash);
    const decode = await decoder;
    body.forEach((extrinsic) => decode(extrinsic));
    const events = await this.api.query.System.Events.getValue({ at: hash });
    this.decoded.blocks += 1;
    this.decoded.extrinsics += body.length;
    this.decoded.events += events.length;
    this.seen.next(events);
  }

  /** Waits for the first event of this kind that `is` takes, among those seen already, too. */
  async until<T>(kind: Kind<T>, what: string, seconds: number, is: (event: T) => boolean) {
    let stop: Subscription | undefined;
    let timer: NodeJS.Timeout | undefined;
    const found = new Promise<T>((resolve, reject) => {
      const late = new Error(`${what}: not within ${seconds} s`);
      timer = setTimeout(() => reject(late), seconds * 1_000);
      const next = (events: SystemEvents) =>
        kind.filter(events as never).forEach(({ payload }) => is(payload) && resolve(payload));
      stop = this.seen.subscribe({ next, error: reject });
    });
    try {
      return await found;
    } finally {
      clearTimeout(timer);
      there(stop, "subscription").unsubscribe();
    }
  }

  /** Stops following, after what was begun is decoded. */
  async end(): Promise<void> {
    this.subscription.unsubscribe();
    await this.queue;
  }
}
