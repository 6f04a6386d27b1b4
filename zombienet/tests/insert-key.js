/** Puts the BABE key of a secret into this node's keystore. */
const { connected } = require("./chain.js");
const { Keyring } = require("@polkadot/api");

async function run(node, network, [suri]) {
  const { publicKey } = new Keyring({ type: "sr25519" }).addFromUri(suri);
  const hex = `0x${Buffer.from(publicKey).toString("hex")}`;
  await connected(network, node, (api) => api.rpc.author.insertKey("babe", suri, hex));
}

module.exports = { run };
