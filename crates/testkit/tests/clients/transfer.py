"""Sends deploys with pycspr and waits for them, by asking and by listening; then makes every call
that pycspr has for reading.

Arguments: RPC port, REST port, events port, network name, secret key file, receiver's public key,
motes, the folder of contracts, a stored token of the sender, the item of the receiver in the token's
dictionary `balances`, a validator's public key. Prints one JSON object.
"""

import json
import sys
import threading
import time

import pycspr
from pycspr import types


def main() -> None:
    rpc, rest, events, chain, key_file, receiver, motes, wasm, *stored = sys.argv[1:]
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

    told = calls(client, key, chain, wasm, deploy_hash, results[0]["block_hash"])
    told.update(contracts(client, key, chain, target, *stored[:2]))
    told.update(stakes(client, key, chain, wasm, stored[2]))
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
        "calls": told,
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

    with open(f"{wasm}/hello.wasm", "rb") as file:
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


def contracts(client, key, chain, receiver, token, item) -> dict:
    """Calls a stored contract by its hash, then reads its dictionary."""
    told = {}
    args = {
        "recipient": types.CL_Key(receiver.account_hash, types.CL_KeyType.ACCOUNT),
        "amount": types.CL_U256(5),
    }
    deploy = pycspr.create_deploy(
        params=pycspr.create_deploy_parameters(account=key, chain_name=chain),
        payment=pycspr.create_standard_payment(20_000_000_000),
        session=types.StoredContractByHash(
            args=args, entry_point="transfer", hash=bytes.fromhex(token)),
    )
    told["StoredContractByHash"] = execute(client, key, deploy)
    found = client.get_dictionary_item(types.DictionaryID_ContractNamedKey(
        contract_key=token, dictionary_item_key=item, dictionary_name="balances"))
    value = found["stored_value"]["CLValue"]["parsed"]
    told["get_dictionary_item"] = True if value == "5" else str(found)[:300]
    named = client.get_account_named_key(key.account_key, "token")
    told["get_account_named_key"] = True if named is not None else "it is not there"
    return told


def stakes(client, key, chain, wasm, validator) -> dict:
    """Stakes for a validator and for oneself, and takes both back."""
    own = key.as_public_key
    validator = pycspr.parse_public_key_bytes(
        bytes.fromhex(validator)[1:], pycspr.KeyAlgorithm.ED25519)
    purse = client.get_account_main_purse_uref(key.account_key)
    girro = 1_000_000_000
    makers = [
        (pycspr.create_validator_delegation, "delegate", (1_000 * girro, own, validator)),
        (pycspr.create_validator_delegation_withdrawal, "undelegate",
            (400 * girro, own, validator)),
        (pycspr.create_validator_auction_bid, "add_bid", (20_000 * girro, 7, own)),
        (pycspr.create_validator_auction_bid_withdrawal, "withdraw_bid", (5_000 * girro, own)),
    ]
    told = {}
    for make, name, args in makers:
        params = pycspr.create_deploy_parameters(account=key, chain_name=chain)
        path = f"{wasm}/{name}.wasm"
        tail = (purse,) if name == "withdraw_bid" else ()
        told[make.__name__] = execute(client, key, make(params, *args, path, *tail))
    bids = {bid["public_key"]: bid["bid"] for bid in client.get_auction_info()["auction_state"]["bids"]}
    mine = [one["staked_amount"] for one in bids[validator.account_key.hex()]["delegators"]
            if one["public_key"] == own.account_key.hex()]
    told["delegation"] = True if mine == [str(600 * girro)] else str(mine)
    staked = bids[own.account_key.hex()]["staked_amount"]
    told["bid"] = True if staked == str(15_000 * girro) else staked
    return told


def execute(client, key, deploy):
    """Sends a deploy and waits; `True` when it succeeds, else why not."""
    deploy.approve(key)
    client.send_deploy(deploy)
    results = wait(client, deploy.hash.hex(), lambda: True)
    result = results[0]["result"] if results else {"Failure": "not executed"}
    return True if "Success" in result else str(result["Failure"])[-300:]


def balance(client: pycspr.NodeClient, key: types.PublicKey) -> int:
    purse = client.get_account_main_purse_uref(key.account_key)
    return client.get_account_balance(purse)


def listen(client: pycspr.NodeClient, heard: list) -> None:
    channel, kind = pycspr.NodeEventChannel.main, pycspr.NodeEventType.DeployProcessed
    for event in client.yield_events(channel, kind):
        heard.append(event.payload["DeployProcessed"]["deploy_hash"])


main()
