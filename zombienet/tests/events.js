/** Waits for an event of this name, in blocks from genesis on; says where it was. */
const { connected, best, sleep } = require("./chain.js");

async function run(node, network, [name]) {
  return connected(network, node, async (api) => {
    for (let number = 1; ; number += 1) {
      while ((await best(api)) < number) await sleep(500);
      const at = await api.at(await api.rpc.chain.getBlockHash(number));
      for (const { event } of await at.query.system.events()) {
        if (`${event.section}.${event.method}` === name) {
          console.log(`\t block ${number}: ${name} ${JSON.stringify(event.data.toHuman())}`);
          return 1;
        }
      }
    }
  });
}

module.exports = { run };
