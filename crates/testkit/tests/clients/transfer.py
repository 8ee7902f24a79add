"""Sends a transfer with pycspr and waits for it, by asking and by listening.

Arguments: RPC port, REST port, events port, network name, secret key file, receiver's public key,
motes. Prints one JSON object.
"""

import json
import sys
import threading
import time

import pycspr
from pycspr import types


def main() -> None:
    rpc, rest, events, chain, key_file, receiver, motes = sys.argv[1:]
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

    deadline = time.monotonic() + 30
    results = []
    while time.monotonic() < deadline:
        results = client.get_deploy(deploy_hash)["execution_results"]
        if results and deploy_hash in heard:
            break
        time.sleep(0.1)

    status = client.get_node_status()
    print(json.dumps({
        "deploy_hash": deploy_hash,
        "succeeded": bool(results) and "Success" in results[0]["result"],
        "heard": deploy_hash in heard,
        "gained": balance(client, target) - before,
        "chain": status["chainspec_name"],
        "height": client.get_block_height(),
        "peers": len(client.get_node_peers()),
        "metrics": len(client.get_node_metrics()),
    }))


def balance(client: pycspr.NodeClient, key: types.PublicKey) -> int:
    purse = client.get_account_main_purse_uref(key.account_key)
    return client.get_account_balance(purse)


def listen(client: pycspr.NodeClient, heard: list) -> None:
    channel, kind = pycspr.NodeEventChannel.main, pycspr.NodeEventType.DeployProcessed
    for event in client.yield_events(channel, kind):
        heard.append(event.payload["DeployProcessed"]["deploy_hash"])


main()
