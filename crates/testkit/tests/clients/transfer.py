"""Sends deploys with pycspr and waits for them, by asking and by listening; then makes every call
that pycspr has for reading.

Arguments: RPC port, REST port, events port, network name, secret key file, receiver's public key,
motes, a contract that takes `message` and stores it under the name `hello`. Prints one JSON object.
"""

import json
import sys
import threading
import time

import pycspr
from pycspr import types


def main() -> None:
    rpc, rest, events, chain, key_file, receiver, motes, wasm = sys.argv[1:]
    client = pycspr.NodeClient(
        pycspr.NodeConnection("127.0.0.1", int(rest), int(rpc), int(events))
    )
    key = pycspr.parse_private_key(key_file, pycspr.KeyAlgorithm.ED25519)
    target = pycspr.parse_public_key_bytes(bytes.fromhex(receiver)[1:], pycspr.KeyAlgorithm.ED25519)
    before = balance(client, target)

    heard = []
    listener = threading.Thread(target=listen, args=(client, heard), daemon=True)
    listener.start()

    deploy = pycspr.create_transfer(
        params=pycspr.create_deploy_parameters(account=key, chain_name=chain),
        amount=int(motes),
        target=target.account_key,
        correlation_id=7,
    )
    deploy.approve(key)
    client.send_deploy(deploy)
    deploy_hash = deploy.hash.hex()

    results = wait(client, deploy_hash, lambda: deploy_hash in heard)
    gained = balance(client, target) - before

    status = client.get_node_status()
    print(json.dumps({
        "deploy_hash": deploy_hash,
        "succeeded": bool(results) and "Success" in results[0]["result"],
        "heard": deploy_hash in heard,
        "gained": gained,
        "chain": status["chainspec_name"],
        "height": client.get_block_height(),
        "peers": len(client.get_node_peers()),
        "metrics": len(client.get_node_metrics()),
        "calls": calls(client, key, chain, wasm, deploy_hash, results[0]["block_hash"]),
    }))


def wait(client: pycspr.NodeClient, deploy_hash: str, heard) -> list:
    deadline = time.monotonic() + 30
    results = []
    while time.monotonic() < deadline:
        results = client.get_deploy(deploy_hash)["execution_results"]
        if results and heard():
            break
        time.sleep(0.1)
    return results


def calls(client, key, chain, wasm, transfer, block_hash) -> dict:
    """Each call by its name: `True` when it tells what it should, else what it told."""
    told = {}

    def call(function, good, *args):
        try:
            answer = function(*args)
            told[function.__name__] = True if good(answer) else str(answer)[:300]
        except Exception as error:
            told[function.__name__] = repr(error)

    with open(wasm, "rb") as file:
        session = types.ModuleBytes(
            args={"message": types.CL_String("hi")}, module_bytes=file.read()
        )
    deploy = pycspr.create_deploy(
        params=pycspr.create_deploy_parameters(account=key, chain_name=chain),
        payment=pycspr.create_standard_payment(5_000_000_000),
        session=session,
    )
    deploy.approve(key)
    call(client.send_deploy, lambda hash: hash.lower() == deploy.hash.hex(), deploy)
    results = wait(client, deploy.hash.hex(), lambda: True)
    call(client.get_deploy, lambda _: "Success" in results[0]["result"], deploy.hash.hex())

    account = key.account_key
    item = "account-hash-" + key.account_hash.hex()
    weights = "validator_weights"
    call(client.get_account_info, lambda a: a["account_hash"] == item, account)
    call(client.get_account_main_purse_uref, bool, account)
    purse = client.get_account_main_purse_uref(account)
    call(client.get_account_balance, lambda motes: motes > 0, purse)
    call(client.get_auction_info, lambda a: len(
        a["auction_state"]["era_validators"][0][weights]) == 4)
    call(client.get_block, lambda b: b["hash"] == block_hash, block_hash)
    call(client.get_block_height, lambda height: height > 0)
    call(client.get_block_transfers, lambda t: t[1][0]["deploy_hash"] == transfer, block_hash)
    call(client.get_chain_heights, lambda heights: len(heights) == 2)
    call(client.get_era_height, lambda era: era > 0)
    call(client.get_era_info, lambda era: era["era_id"] == 0, 0)
    call(client.get_era_info_by_switch_block, lambda era: era is None, 1)
    call(client.get_block_at_era_switch, lambda block: block["header"]["era_end"] is not None)
    call(client.get_node_metric, bool, "chain_height")
    call(client.get_node_metrics, bool)
    call(client.get_node_peers, lambda peers: len(peers) == 3)
    call(client.get_node_status, lambda status: status["chainspec_name"] == chain)
    call(client.get_rpc_endpoint, lambda m: m["params"][0]["name"] == "deploy", "account_put_deploy")
    call(client.get_rpc_endpoints, lambda names: "state_get_trie" in names)
    call(client.get_rpc_schema, lambda schema: schema["openrpc"] == "1.0.0-rc1")
    call(client.get_state_item, lambda v: v["CLValue"]["parsed"] == "hi", item, ["hello"])
    call(client.get_state_root_hash, lambda root: len(root) == 32)
    call(client.get_validator_changes, lambda changes: changes == [])
    return told


def balance(client: pycspr.NodeClient, key: types.PublicKey) -> int:
    purse = client.get_account_main_purse_uref(key.account_key)
    return client.get_account_balance(purse)


def listen(client: pycspr.NodeClient, heard: list) -> None:
    channel, kind = pycspr.NodeEventChannel.main, pycspr.NodeEventType.DeployProcessed
    for event in client.yield_events(channel, kind):
        heard.append(event.payload["DeployProcessed"]["deploy_hash"])


main()
