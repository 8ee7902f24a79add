//! Plain HTTP.

use girrona_http::RestConfig;

use crate::{
    memory::{Memory, golden},
    raw::get,
    server::rest,
};

#[tokio::test]
async fn status_is_that_of_the_rpc_method() {
    let door = rest(Memory::new(), RestConfig::default()).await;
    let answer = get(door.address, "/status").await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.text(), golden("info_get_status")["result"].to_string());
}

#[tokio::test]
async fn metrics_are_text_and_other_paths_are_told_where_to_look() {
    let door = rest(Memory::new(), RestConfig::default()).await;
    let answer = get(door.address, "/metrics").await;
    assert_eq!(answer.text(), "# EOF\n");
    assert!(answer.header("content-type").unwrap().starts_with("application/openmetrics-text"));
    let answer = get(door.address, "/").await;
    assert_eq!((answer.status, answer.text()), (404, "try /status or /metrics\n"));
}
