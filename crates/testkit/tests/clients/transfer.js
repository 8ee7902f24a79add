// Sends a transfer with casper-js-sdk and waits for it, by asking and by listening.
//
// Arguments: folder of the SDK, RPC URL, events URL, network name, secret key file, receiver's
// public key, motes. Prints one JSON object.
const { createRequire } = require("node:module");

const [sdkFolder, rpc, events, chain, keyFile, receiver, motes] = process.argv.slice(2);
const {
  CasperClient, CasperServiceByJsonRPC, CLPublicKey, DeployUtil, EventName, EventStream, Keys,
} = createRequire(`${sdkFolder}/`)("casper-js-sdk");

async function main() {
  const client = new CasperClient(rpc);
  const service = new CasperServiceByJsonRPC(rpc);
  const key = Keys.Ed25519.loadKeyPairFromPrivateFile(keyFile);
  const target = CLPublicKey.fromHex(receiver);
  const before = await client.balanceOfByPublicKey(target);

  const stream = new EventStream(`${events}/events/main`);
  const heard = new Set();
  stream.subscribe(EventName.DeployProcessed, (event) => {
    heard.add(event.body.DeployProcessed.deploy_hash);
  });
  stream.start();

  const deploy = client.signDeploy(
    DeployUtil.makeDeploy(
      new DeployUtil.DeployParams(key.publicKey, chain, 1, 1800000),
      DeployUtil.ExecutableDeployItem.newTransfer(motes, target, null, 7),
      DeployUtil.standardPayment(100000000),
    ),
    key,
  );
  const deployHash = await client.putDeploy(deploy);
  const result = await service.waitForDeploy(deployHash, 30000);
  for (let wait = 0; wait < 100 && !heard.has(deployHash); wait += 1) {
    await new Promise((done) => setTimeout(done, 100));
  }
  stream.stop();

  const [execution] = result.execution_results;
  const block = await service.getBlockInfo(execution.block_hash);
  const after = await client.balanceOfByPublicKey(target);
  console.log(JSON.stringify({
    deploy_hash: deployHash,
    succeeded: Boolean(execution.result.Success),
    heard: heard.has(deployHash),
    gained: after.sub(before).toNumber(),
    in_block: block.block.body.transfer_hashes.includes(deployHash),
    status: (await service.getStatus()).chainspec_name,
  }));
  process.exit(0);
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
