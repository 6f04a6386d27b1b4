/** Gives this node's new session keys to an account, stakes, and waits for a block by it. */
const { connected, send, sleep } = require("./chain.js");
const { Keyring } = require("@polkadot/api");

async function run(node, network, [suri]) {
  return connected(network, node, async (api) => {
    const pair = new Keyring({ type: "sr25519" }).addFromUri(suri);
    const owner = `0x${Buffer.from(pair.publicKey).toString("hex")}`;
    const provider = api._rpcCore.provider;
    const { keys, proof } = await provider.send("author_rotateKeysWithOwner", [owner]);
    await send(api, api.tx.session.setKeys(keys, proof), pair);
    await send(api, api.tx.arenaStaking.stake("Network", "Validator", 1_000n * 10n ** 12n), pair);
    const from = (await api.rpc.chain.getHeader()).number.toNumber();
    for (let seen = from; ; ) {
      const { author, number } = await api.derive.chain.getHeader();
      if (author?.eq(pair.address)) {
        console.log(`\t ${suri} authored block ${number}, ${number - from} after it staked`);
        return;
      }
      seen = number.toNumber();
      while ((await api.rpc.chain.getHeader()).number.toNumber() === seen) await sleep(300);
    }
  });
}

module.exports = { run };
