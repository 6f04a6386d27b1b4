/** Waits until this node has finalized the block that is the best of the first node now. */
const { connected, finalized, best, sleep } = require("./chain.js");

async function run(node, network) {
  const goal = await connected(network, network.relay[0].name, best);
  await connected(network, node, async (api) => {
    while ((await finalized(api)) < goal) await sleep(1_000);
  });
}

module.exports = { run };
