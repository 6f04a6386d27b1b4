/** Starts a full node that warps to the head of the chain, waits until it follows, and ends it. */
const { connected, finalized, sleep } = require("./chain.js");
const { spawn } = require("node:child_process");
const { mkdirSync, openSync, readFileSync } = require("node:fs");
const { createServer } = require("node:net");

const freePort = () =>
  new Promise((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });

async function start(dir, boot) {
  mkdirSync(dir, { recursive: true });
  const [rpc, listen] = [await freePort(), await freePort()];
  const log = openSync(`${dir}/log`, "w");
  const node = spawn(process.env.ARENA_NODE, [
    "--chain", process.env.ARENA_SPEC, "--base-path", dir, "--sync", "warp", "--no-mdns",
    "--no-prometheus", "--no-telemetry", "--rpc-port", `${rpc}`, "--bootnodes", boot,
    "--listen-addr", `/ip4/127.0.0.1/tcp/${listen}/ws`, "--node-key", "9".repeat(64),
  ], { stdio: ["ignore", log, log] });
  return { node, url: `http://127.0.0.1:${rpc}` };
}

async function rpc(url, method, ...params) {
  const body = JSON.stringify({ jsonrpc: "2.0", id: 1, method, params });
  const headers = { "Content-Type": "application/json" };
  return (await (await fetch(url, { method: "POST", headers, body })).json()).result;
}

/** The finalized block, without metadata: states of old blocks are not there after a warp. */
const height = async (url) =>
  parseInt((await rpc(url, "chain_getHeader", await rpc(url, "chain_getFinalizedHead"))).number, 16);

async function run(first, network) {
  const { goal, boot } = await connected(network, first, async (api) => {
    const addresses = await api.rpc.system.localListenAddresses();
    const local = addresses.map((address) => `${address}`).find((a) => a.includes("127.0.0.1"));
    return { goal: await finalized(api), boot: local };
  });
  const dir = `${network.tmpDir}/warp`;
  const { node, url } = await start(dir, boot);
  const says = (text) =>
    readFileSync(`${dir}/log`, "utf8").split("\n").find((line) => line.includes(text));
  try {
    while (says("State sync is complete") === undefined) await sleep(500);
    while ((await height(url)) < goal) await sleep(1_000);
  } finally {
    node.kill("SIGTERM");
  }
  const done = says("Warp sync is complete");
  if (done === undefined) throw new Error(`it followed without warp sync: ${dir}/log`);
  console.log(`\t ${done}`);
}

module.exports = { run };
