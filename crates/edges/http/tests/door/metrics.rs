//! What the door counts.

use girrona_http::{Metrics, Outcome, RpcConfig};
use prometheus_client::{encoding::text::encode, registry::Registry};

use crate::{
    memory::Memory,
    raw::{ask, get},
    server::rpc,
};

#[tokio::test]
async fn requests_are_counted_by_method_and_code_and_names_from_outside_are_not_kept() {
    let metrics = Metrics::default();
    let mut registry = Registry::default();
    metrics.register(&mut registry);
    let config = RpcConfig { metrics: metrics.clone(), ..RpcConfig::default() };
    let door = rpc(Memory::new(), config).await;
    ask(door.address, "info_get_peers", "").await;
    ask(door.address, "info_get_peers", "[1]").await;
    ask(door.address, "made_up_name", "").await;
    get(door.address, "/").await;
    let count = |method, code| metrics.rpc_requests.get_or_create(&Outcome { method, code }).get();
    assert_eq!(count("info_get_peers", 0), 1);
    assert_eq!(count("info_get_peers", -32602), 1);
    assert_eq!(count("other", -32601), 1);
    let mut text = String::new();
    encode(&mut text, &registry).unwrap();
    assert!(text.contains("door_refusals_total{status=\"404\"} 1"), "{text}");
    assert!(!text.contains("made_up_name"));
}
