// Sends deploys with casper-js-sdk and waits for them, by asking and by listening; then makes every
// call that the SDK has for reading.
//
// Arguments: folder of the SDK, RPC URL, events URL, network name, secret key file, receiver's
// public key, motes, RPC URL for trying deploys out, a contract that counts `points` of a `player`
// in the dictionary `scores`, a stored token of the sender, its package, the item of the receiver in
// the token's dictionary `balances`, the auction, a validator's public key. Prints one JSON object.
const { readFileSync } = require("node:fs");
const { createRequire } = require("node:module");

const [
  sdkFolder, rpc, events, chain, keyFile, receiver, motes, speculative, wasm, token, tokenPackage,
  balanceItem, auction, validator,
] = process.argv.slice(2);
const {
  CasperClient, CasperServiceByJsonRPC, CLAccountHash, CLPublicKey, CLValueBuilder, DeployUtil,
  EventName, EventStream, Keys, PurseIdentifier, RuntimeArgs,
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
    calls: await calls(client, service, key, deployHash, block.block),
  }));
  process.exit(0);
}

// Each call by its name: true when it tells what it should, else what it told.
async function calls(client, service, key, transferHash, block) {
  const told = {};
  const call = async (of, name, good, ...args) => {
    const shown = `${of instanceof CasperClient ? "client" : "service"}.${name}`;
    try {
      const answer = await of[name](...args);
      told[shown] = good(answer) ? true : JSON.stringify(answer).slice(0, 300);
    } catch (error) {
      told[shown] = `${error} ${JSON.stringify(error.data)}`;
    }
  };
  const make = (session, gas) => client.signDeploy(
    DeployUtil.makeDeploy(
      new DeployUtil.DeployParams(key.publicKey, chain, 1, 1800000),
      session,
      DeployUtil.standardPayment(gas),
    ),
    key,
  );
  const counter = make(
    DeployUtil.ExecutableDeployItem.newModuleBytes(
      readFileSync(wasm),
      RuntimeArgs.fromMap({
        player: CLValueBuilder.string("eve"), points: CLValueBuilder.u64(5),
      }),
    ),
    5000000000,
  );

  const trial = new CasperServiceByJsonRPC(speculative);
  const good = (result) => Boolean(result.execution_result.Success);
  await call(trial, "speculativeDeploy", good, counter);
  await call(new CasperClient(speculative), "speculativeDeploy", good, counter, { Height: 0 });
  await call(service, "deploy", (sent) => sent.deploy_hash.length === 64, counter);
  await call(service, "waitForDeploy", (result) => Boolean(
    result.execution_results[0].result.Success), counter, 30000);
  await call(service, "getDeployInfo", (info) => info.deploy.hash === transferHash, transferHash);
  await call(client, "getDeploy", ([deploy]) => Boolean(deploy), transferHash);

  const isBlock = (shown) => shown.block.hash === block.hash;
  const { height } = block.header;
  await call(service, "getBlockInfo", isBlock, block.hash);
  await call(service, "getBlockInfoByHeight", isBlock, height);
  await call(service, "getLatestBlockInfo", (shown) => shown.block.header.height >= height);
  await call(service, "getBlockTransfers", (shown) => (
    shown.transfers[0].deployHash || shown.transfers[0].deploy_hash) === transferHash, block.hash);
  await call(service, "getPeers", (shown) => shown.peers.length === 3);
  await call(service, "getStatus", (shown) => shown.chainspec_name === chain);

  const validates = (shown) => {
    const state = shown.auction_state;
    return state.bids.length === 4 && state.era_validators[0].validator_weights.length === 4;
  };
  await call(service, "getValidatorsInfo", validates);
  await call(service, "getValidatorsInfoByBlockHeight", validates, height);
  const genesis = (await service.getBlockInfoByHeight(0)).block.hash;
  // The SDK reads the stored value under a wrong name, from any node.
  const isEra = (era) => (shown) => shown.eraId === era && shown.stateRootHash.length === 64;
  await call(service, "getEraInfoBySwitchBlock", isEra(0), genesis);
  await call(service, "getEraInfoBySwitchBlockHeight", isEra(0), 0);
  await call(service, "getEraSummary", isEra(block.header.era_id), block.hash);
  await call(service, "getEraSummaryByBlockHeight", isEra(block.header.era_id), height);

  const isRoot = (root) => root.length === 64;
  await call(service, "getStateRootHash", isRoot);
  await call(service, "getStateRootHashByHeight", isRoot, height);
  const root = await service.getStateRootHash();
  const account = key.publicKey.toAccountHashStr();
  const item = (await service.getBlockState(root, account, [])).Account;
  await call(service, "getBlockState", (value) => value.Account.accountHash() === account, root,
    account, []);
  const isPurse = (purse) => purse === item.mainPurse;
  await call(service, "getAccountBalanceUrefByPublicKey", isPurse, root, key.publicKey);
  await call(service, "getAccountBalanceUrefByPublicKeyHash", isPurse, root, account.slice(13));
  await call(client, "getAccountMainPurseUref", isPurse, key.publicKey);
  const isRich = (balance) => balance.gt(0);
  await call(service, "getAccountBalance", isRich, root, item.mainPurse);
  await call(service, "queryBalance", isRich, PurseIdentifier.MainPurseUnderPublicKey,
    key.publicKey.toHex());
  await call(client, "balanceOfByAccountHash", isRich, account.slice(13));
  const scores = item.namedKeys.find((named) => named.name === "scores").key;
  await call(service, "getDictionaryItemByURef", (value) => value.CLValue.data.toNumber() === 5,
    root, "eve", scores);
  await contracts(service, key, make, told);
  await call(service, "getDictionaryItemByName", (value) => value.CLValue.data.toNumber() === 20,
    await service.getStateRootHash(), `hash-${token}`, "balances", balanceItem);
  await call(service, "getChainSpec", (shown) => Buffer.from(
    shown.chainspec_bytes.chainspec_bytes, "hex").includes("[protocol]"));
  return told;
}

// Calls the token in the four ways of the SDK, then stakes through the auction itself.
async function contracts(service, key, make, told) {
  const { ExecutableDeployItem: Item } = DeployUtil;
  const bytes = (text) => Uint8Array.from(Buffer.from(text, "hex"));
  const give = RuntimeArgs.fromMap({
    recipient: CLValueBuilder.key(new CLAccountHash(
      CLPublicKey.fromHex(receiver).toAccountHash())),
    amount: CLValueBuilder.u256(5),
  });
  const delegation = (amount) => RuntimeArgs.fromMap({
    delegator: key.publicKey,
    validator: CLPublicKey.fromHex(validator),
    amount: CLValueBuilder.u512(amount),
  });
  const sessions = {
    newStoredContractByHash: Item.newStoredContractByHash(bytes(token), "transfer", give),
    newStoredContractByName: Item.newStoredContractByName("token", "transfer", give),
    newStoredVersionContractByHash: Item.newStoredVersionContractByHash(
      bytes(tokenPackage), 1, "transfer", give),
    newStoredVersionContractByName: Item.newStoredVersionContractByName(
      "token_package", null, "transfer", give),
    delegate: Item.newStoredContractByHash(
      bytes(auction), "delegate", delegation("1000000000000")),
    undelegate: Item.newStoredContractByHash(
      bytes(auction), "undelegate", delegation("400000000000")),
  };
  for (const [name, session] of Object.entries(sessions)) {
    try {
      const deploy = make(session, 20000000000);
      await service.deploy(deploy);
      const { result } = (await service.waitForDeploy(deploy, 30000)).execution_results[0];
      told[name] = result.Success ? true : result.Failure.error_message;
    } catch (error) {
      told[name] = String(error);
    }
  }
  const { bids } = (await service.getValidatorsInfo()).auction_state;
  const { bid } = bids.find((one) => one.public_key === validator);
  const mine = bid.delegators.find((one) => one.public_key === key.publicKey.toHex(false));
  const staked = mine && mine.staked_amount;
  told.delegation = staked === "600000000000" ? true : String(staked);
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
