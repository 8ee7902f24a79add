//! The typed client against the door: both sides of the contract agree.

use futures::StreamExt;
use girrona_api::{
    AccountIdentifier, BlockIdentifier, Client, ClientError, DictionaryIdentifier, EventStreamPath,
    Frame, GlobalStateIdentifier, PurseIdentifier,
    methods::{
        chain::{GetBlock, GetBlockTransfers},
        girrona::DeployStatus,
        info::{GetDeploy, GetPeers, GetStatus, GetValidatorChanges},
        state::{GetAccountInfo, GetDictionaryItem, GetItem},
    },
};
use girrona_http::{EventsConfig, PutError, RpcConfig};
use girrona_types::Event;

use crate::{
    memory::{Memory, example_deploy, golden_result, seed},
    server::{events, rpc},
};

#[tokio::test]
async fn every_function_of_the_client_reads_what_the_door_writes() {
    let door = rpc(Memory::new(), RpcConfig::default()).await;
    let client = Client::new(&door.url()).unwrap();
    let deploy = example_deploy();
    let hash = *deploy.hash();
    assert_eq!(client.put_deploy(deploy.clone()).await.unwrap(), hash);
    assert_eq!(*door.backend.put.lock().unwrap(), [deploy]);
    assert_eq!(client.get_deploy(hash).await.unwrap(), golden_result::<GetDeploy>());
    let progress = golden_result::<DeployStatus>().progress;
    assert_eq!(client.deploy_status(hash).await.unwrap(), progress);
    assert_eq!(client.peers().await.unwrap(), golden_result::<GetPeers>());
    assert_eq!(client.status().await.unwrap(), golden_result::<GetStatus>());
    let changes = golden_result::<GetValidatorChanges>();
    assert_eq!(client.validator_changes().await.unwrap(), changes);

    let block = golden_result::<GetBlock>();
    let by_hash = Some(BlockIdentifier::Hash(block.block.as_ref().unwrap().hash));
    assert_eq!(client.block(by_hash).await.unwrap(), block);
    assert_eq!(client.block(None).await.unwrap(), block);
    let transfers = golden_result::<GetBlockTransfers>();
    assert_eq!(client.block_transfers(by_hash).await.unwrap(), transfers);
    let root = client.state_root_hash(Some(BlockIdentifier::Height(10))).await.unwrap().unwrap();
    assert_eq!(root.value(), [8; 32]);

    let item = golden_result::<GetItem>();
    let key = "deploy-af684263911154d26fa05be9963171802801a0b6aff8f199b7391eacb8edc9e1".to_owned();
    let path = vec!["inner".to_owned()];
    assert_eq!(client.state_item(root, key.clone(), path).await.unwrap(), item);
    let balance = client.balance(root, seed().to_formatted_string()).await.unwrap();
    assert_eq!(balance.as_u64(), 123_456);
    let account: AccountIdentifier =
        "013b6a27bcceb6a42d62a3a8d02a6f0d73653215771de243a63ac048a18b59da29".parse().unwrap();
    let found = client.account(account, by_hash).await.unwrap();
    assert_eq!(found, golden_result::<GetAccountInfo>());
    let item = DictionaryIdentifier::URef {
        seed_uref: seed().to_formatted_string(),
        dictionary_item_key: "a_unique_entry_identifier".to_owned(),
    };
    let found = client.dictionary_item(root, item).await.unwrap();
    assert_eq!(found, golden_result::<GetDictionaryItem>());
    let at = Some(GlobalStateIdentifier::BlockHeight(10));
    let found = client.query_global_state(at, key, vec![]).await.unwrap();
    assert_eq!(found.block_header.unwrap().height(), 10);
    let purse = casper_types::account::AccountHash::new([9; 32]);
    let purse = PurseIdentifier::MainPurseUnderAccountHash(purse);
    assert_eq!(client.query_balance(None, purse).await.unwrap().as_u64(), 123_456);
}

#[tokio::test]
async fn a_refusal_keeps_code_message_and_data() {
    let door = rpc(Memory::new(), RpcConfig::default()).await;
    door.backend.refusals.lock().unwrap().push_back(PutError::Invalid("no good".to_owned()));
    let client = Client::new(&door.url()).unwrap();
    let error = client.put_deploy(example_deploy()).await.unwrap_err();
    let refusal = error.rpc().unwrap();
    assert_eq!((refusal.code, refusal.detail()), (-32008, Some("no good")));
    assert_eq!(error.to_string(), "Invalid Deploy (-32008): no good");
    assert!(!error.may_pass());
}

#[tokio::test]
async fn a_node_that_is_not_there_is_told_from_one_that_refuses() {
    let door = rpc(Memory::new(), RpcConfig::default()).await;
    let url = door.url();
    door.stop().await;
    let error = Client::new(&url).unwrap().status().await.unwrap_err();
    assert!(matches!(error, ClientError::Transport { .. }) && error.may_pass());
    assert!(error.to_string().contains(&url), "{error}");

    let limited = RpcConfig { body_max: 10, ..RpcConfig::default() };
    let door = rpc(Memory::new(), limited).await;
    let error = Client::new(&format!("{}/rpc/", door.url())).unwrap().status().await.unwrap_err();
    assert!(matches!(error, ClientError::Http { status: 413, .. }), "{error}");
}

#[tokio::test]
async fn the_event_reader_comes_back_to_where_it_was_cut_off() {
    let door = events(Memory::new(), EventsConfig::default()).await;
    let hash = *example_deploy().hash();
    for _ in 0..3 {
        door.backend.publish(Event::DeployExpired(hash));
    }
    let mut stream = girrona_api::events(&door.url(), EventStreamPath::Main, Some(1));
    let version = |item: &(Option<u64>, Frame)| matches!(item, (None, Frame::ApiVersion(_)));
    assert!(version(&stream.next().await.unwrap().unwrap()));
    assert_eq!(stream.next().await.unwrap().unwrap().0, Some(1));
    assert_eq!(stream.next().await.unwrap().unwrap().0, Some(2));

    // The node restarts at the same address and with the same events.
    let (address, stored) = (door.address, door.backend.events.lock().unwrap().clone());
    let stopping = tokio::spawn(door.stop());
    assert_eq!(stream.next().await.unwrap().unwrap(), (None, Frame::Shutdown));
    assert!(stream.next().await.unwrap().is_err());
    stopping.await.unwrap();
    let backend = std::sync::Arc::new(Memory::new());
    *backend.events.lock().unwrap() = stored;
    let listener = tokio::net::TcpListener::bind(address).await.unwrap();
    let serving = girrona_http::serve_events(
        listener,
        backend.clone(),
        EventsConfig::default(),
        std::future::pending(),
    );
    let serving = tokio::spawn(serving);
    backend.publish(Event::DeployExpired(hash));
    let item = loop {
        match stream.next().await.unwrap() {
            Ok(item) => break item,
            Err(error) => assert!(error.may_pass(), "{error}"),
        }
    };
    assert!(version(&item));
    assert_eq!(stream.next().await.unwrap().unwrap().0, Some(3));
    serving.abort();

    let mut stream = girrona_api::events("http://127.0.0.1:1", EventStreamPath::All, None);
    assert!(stream.next().await.unwrap().is_err());
    assert!(stream.next().await.is_some(), "it goes on trying");
}
