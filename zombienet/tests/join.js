/** Gives this node's new session keys to an account, stakes, and waits for a block by it. */
const { best, connected, send, sleep } = require("./chain.js");
const { Keyring } = require("@polkadot/api");

/** The address of a block's author, by the place that its seal names. */
async function author(api, number) {
  const hash = await api.rpc.chain.getBlockHash(number);
  const header = await api.rpc.chain.getHeader(hash);
  const [log] = header.digest.logs.filter((log) => log.isPreRuntime);
  const place = Buffer.from(log.asPreRuntime[1].toU8a(true)).readUInt32LE(1);
  const validators = await (await api.at(hash)).query.session.validators();
  return `${validators[place]}`;
}

async function run(node, network, [suri]) {
  return connected(network, node, async (api) => {
    const pair = new Keyring({ type: "sr25519" }).addFromUri(suri);
    const owner = `0x${Buffer.from(pair.publicKey).toString("hex")}`;
    const provider = api._rpcCore.provider;
    const { keys, proof } = await provider.send("author_rotateKeysWithOwner", [owner]);
    await send(api, api.tx.session.setKeys(keys, proof), pair);
    await send(api, api.tx.arenaStaking.stake("Network", "Validator", 1_000n * 10n ** 12n), pair);
    const from = await best(api);
    for (let number = from + 1; ; number += 1) {
      while ((await best(api)) < number) await sleep(300);
      if ((await author(api, number)) === pair.address) {
        console.log(`\t ${suri} authored block ${number}, ${number - from} after it staked`);
        return;
      }
    }
  });
}

module.exports = { run };
