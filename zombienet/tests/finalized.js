/** Whether finality grows by ten blocks, or stands still while blocks come; 1 if it does so. */
const { connected, finalized, best, sleep } = require("./chain.js");

/** Blocks that may still be finalized by votes that were on their way. */
const ON_THEIR_WAY = 3;

async function run(node, network, [what]) {
  return connected(network, node, async (api) => {
    const from = { finalized: await finalized(api), best: await best(api) };
    if (what === "grows") {
      while ((await finalized(api)) < from.finalized + 10) await sleep(1_000);
      return 1;
    }
    while ((await best(api)) < from.best + 10) await sleep(1_000);
    const grown = (await finalized(api)) - from.finalized;
    console.log(`\t ${grown} blocks were finalized while ten were made`);
    return grown <= ON_THEIR_WAY ? 1 : 0;
  });
}

module.exports = { run };
