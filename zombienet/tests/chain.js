/** What the scripts of tests ask of a node. */
const { ApiPromise, WsProvider } = require("@polkadot/api");

/** Does something with a connection to a node of the network. */
async function connected(network, node, act) {
  const provider = new WsProvider(network.nodesByName[node].wsUri);
  const api = await ApiPromise.create({ provider, noInitWarn: true });
  try {
    return await act(api);
  } finally {
    await api.disconnect();
  }
}

const finalized = async (api) =>
  (await api.rpc.chain.getHeader(await api.rpc.chain.getFinalizedHead())).number.toNumber();

const best = async (api) => (await api.rpc.chain.getHeader()).number.toNumber();

const sleep = (millis) => new Promise((resolve) => setTimeout(resolve, millis));

/** Sends a call and waits for its block; throws what the chain said against it. */
function send(api, call, pair) {
  return new Promise((resolve, reject) => {
    call
      .signAndSend(pair, { nonce: -1 }, ({ status, dispatchError, isError }) => {
        if (isError) reject(new Error(`${status}`));
        if (!status.isInBlock) return;
        if (dispatchError?.isModule) {
          const { section, name } = api.registry.findMetaError(dispatchError.asModule);
          reject(new Error(`${section}.${name}`));
        } else if (dispatchError) {
          reject(new Error(dispatchError.type));
        } else {
          resolve();
        }
      })
      .catch(reject);
  });
}

module.exports = { connected, finalized, best, sleep, send };
