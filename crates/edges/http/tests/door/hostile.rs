//! Bad input of every kind: a clear answer, and the next caller notices nothing.

use std::time::Duration;

use girrona_http::RpcConfig;
use tokio::time::{Instant, timeout};

use crate::{
    memory::{Memory, golden},
    raw::{Connection, PATIENCE, ask, post, request, send},
    server::{Running, rpc},
};

async fn door() -> Running {
    rpc(Memory::new(), RpcConfig::default()).await
}

async fn still_answers(door: &Running) {
    assert!(ask(door.address, "info_get_peers", "").await.json()["result"].is_object());
}

#[tokio::test]
async fn only_post_of_json_to_the_path_is_served() {
    let door = door().await;
    let refused = async |head: &str, status: u16, message: &str| {
        let answer = send(door.address, format!("{head}\r\nhost: x\r\n\r\n").as_bytes()).await;
        assert_eq!(answer.status, status, "{head}");
        assert_eq!(answer.json()["message"], message, "{head}");
    };
    refused("POST / HTTP/1.1\r\ncontent-length: 0", 404, "Path not found").await;
    refused("POST /rpc/rpc HTTP/1.1\r\ncontent-length: 0", 404, "Path not found").await;
    for method in ["GET", "PUT", "DELETE", "OPTIONS", "PATCH"] {
        let head = format!("{method} /rpc HTTP/1.1\r\ncontent-length: 0");
        refused(&head, 405, "HTTP method not allowed").await;
    }
    let no_type = "POST /rpc HTTP/1.1\r\ncontent-length: 0";
    refused(no_type, 400, "The request's content-type is not set").await;
    for kind in ["text/html", "application/json; charset=utf-8", "a", ""] {
        let head = format!("POST /rpc HTTP/1.1\r\ncontent-length: 0\r\ncontent-type: {kind}");
        refused(&head, 415, "The request's content-type is not supported").await;
    }
    let loud = String::from_utf8(post(&request("info_get_peers", ""))).unwrap();
    let loud = loud.replace("content-type: application/json", "CONTENT-TYPE: Application/JSON");
    let loud = loud.replace("POST /rpc ", "POST /rpc/ ");
    assert_eq!(send(door.address, loud.as_bytes()).await.status, 200);
}

#[tokio::test]
async fn a_notification_is_refused_by_http() {
    let door = door().await;
    let answer = send(door.address, &post(r#"{"jsonrpc":"2.0","method":"info_get_peers"}"#)).await;
    assert_eq!(answer.status, 400);
    assert_eq!(answer.json()["message"], "The request is missing the 'id' field");
}

#[tokio::test]
async fn a_body_of_exactly_the_limit_is_read_and_one_byte_more_is_not() {
    let door = door().await;
    let body = request("info_get_peers", "");
    let fitting = format!("{body}{}", " ".repeat(2_621_440 - body.len()));
    assert_eq!(send(door.address, &post(&fitting)).await.status, 200);
    let answer = send(door.address, &post(&format!("{fitting} "))).await;
    assert_eq!(answer.status, 413);
    let text = "The request payload exceeds the maximum allowed of 2621440 bytes";
    assert_eq!(answer.json()["message"], text);

    // Without a length, in pieces, and far too much.
    let mut connection = Connection::open(door.address).await;
    let head = b"POST /rpc HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n";
    connection.send(head).await;
    let piece = format!("100000\r\n{}\r\n", " ".repeat(0x10_0000));
    for _ in 0..20 {
        connection.send(piece.as_bytes()).await;
    }
    assert_eq!(connection.answer().await.status, 413);
    still_answers(&door).await;
}

#[tokio::test]
async fn a_body_that_breaks_off_or_lies_about_its_length_is_forgotten() {
    let door = door().await;
    let whole = post(&request("info_get_peers", ""));
    let mut connection = Connection::open(door.address).await;
    connection.send(&whole[..whole.len() - 5]).await;
    drop(connection);
    let bad = b"POST /rpc HTTP/1.1\r\nhost: x\r\ncontent-length: minus one\r\n\r\n";
    assert_eq!(send(door.address, bad).await.status, 400);
    let both = b"POST /rpc HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nxx";
    assert_eq!(send(door.address, both).await.status, 400);
    still_answers(&door).await;
}

#[tokio::test]
async fn what_is_no_http_is_answered_or_closed_at_once() {
    let door = door().await;
    for bytes in [
        &b"\x16\x03\x01\x02\x00\x01\x00"[..],
        b"hello\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        &[0; 512],
    ] {
        let status = send(door.address, bytes).await.status;
        assert!(status == 400 || status == 0, "{status}");
    }
    let many = format!("GET /rpc HTTP/1.1\r\n{}\r\n", "x: y\r\n".repeat(1_000));
    assert_eq!(send(door.address, many.as_bytes()).await.status, 431);
    let long = format!("GET /rpc HTTP/1.1\r\nx: {}\r\n\r\n", "y".repeat(1_000_000));
    assert!([431, 0].contains(&send(door.address, long.as_bytes()).await.status));
    let long = format!("GET /{} HTTP/1.1\r\n\r\n", "y".repeat(1_000_000));
    assert!([414, 431, 0].contains(&send(door.address, long.as_bytes()).await.status));
    still_answers(&door).await;
}

#[tokio::test]
async fn wrong_types_bad_hex_and_deep_nesting_are_invalid_parameters() {
    let door = door().await;
    let deploy = golden("account_put_deploy")["params"].to_string();
    let hash = "5c9b3b099c1378aa8e4a5f07f59ff1fcdc69a83179427c7e67ae0377d94d93fa";
    let cases = [
        deploy.replace(&format!("\"{hash}\""), "7"),
        deploy.replace(hash, "zz"),
        deploy.replace(hash, &hash[2..]),
        deploy.replace("\"gas_price\":1", "\"gas_price\":-1"),
        deploy.replace("\"gas_price\":1", "\"gas_price\":1e99"),
        deploy.replace("\"ttl\":\"1h\"", "\"ttl\":\"forever\""),
        deploy.replace("\"cl_type\":\"I32\"", "\"cl_type\":\"I33\""),
        deploy.replace(
            "\"cl_type\":\"I32\"",
            &format!("\"cl_type\":{}\"I32\"{}", "{\"List\":".repeat(5_000), "}".repeat(5_000)),
        ),
        deploy.replace(
            "\"parsed\":1000",
            &format!("\"parsed\":{}{}", "[".repeat(5_000), "]".repeat(5_000)),
        ),
        deploy.replace("\"e8030000\"", "\"e803000\""),
        deploy.replace("\"signer\":\"01", "\"signer\":\"09"),
        deploy.replace("\"Transfer\":", "\"Teleport\":"),
        "[[[[[[[[]]]]]]]]".to_owned(),
        format!("{}{}", "[".repeat(100_000), "]".repeat(100_000)),
        format!("{}1{}", "{\"deploy\":".repeat(100_000), "}".repeat(100_000)),
        "{\"deploy\":null}".to_owned(),
        "[1,2,3]".to_owned(),
    ];
    for (index, params) in cases.iter().enumerate() {
        let answer = ask(door.address, "account_put_deploy", params).await.json();
        assert_eq!(answer["error"]["code"], -32602, "case {index}: {answer}");
        assert_eq!(answer["error"]["message"], "Invalid params");
    }
    assert!(door.backend.put.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_value_of_billions_of_units_does_not_eat_the_memory() {
    let door = door().await;
    let deploy = golden("account_put_deploy")["params"].to_string();
    let bomb = r#""cl_type":{"List":"Unit"},"bytes":"ffffffff""#;
    let params = deploy.replace(r#""cl_type":"I32","bytes":"e8030000""#, bomb);
    assert!(ask(door.address, "account_put_deploy", &params).await.json()["result"].is_object());
    let put = door.backend.put.lock().unwrap().pop().unwrap();
    let hash = *put.hash();
    door.backend.deploys.lock().unwrap().get_mut(&hash).unwrap().deploy = put;
    let params = golden("info_get_deploy")["params"].to_string();
    let answer = timeout(PATIENCE, ask(door.address, "info_get_deploy", &params)).await.unwrap();
    assert!(answer.text().contains(r#""bytes":"ffffffff","parsed":null"#));
}

#[tokio::test]
async fn a_connection_serves_many_requests_and_answers_them_in_order() {
    let door = door().await;
    let mut connection = Connection::open(door.address).await;
    let request = |id: u32| {
        post(&format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"info_get_peers","params":[]}}"#))
    };
    for id in 0..50 {
        connection.send(&request(id)).await;
        assert_eq!(connection.answer().await.json()["id"], id);
    }
    let three: Vec<u8> = (0..3).flat_map(request).collect();
    connection.send(&three).await;
    for id in 0..3 {
        assert_eq!(connection.answer().await.json()["id"], id);
    }
}

#[tokio::test]
async fn too_many_requests_are_told_to_wait_a_second() {
    let config = RpcConfig { qps_limit: 2, ..RpcConfig::default() };
    let door = rpc(Memory::new(), config).await;
    let mut statuses = Vec::new();
    for _ in 0..20 {
        let answer = send(door.address, &post(&request("info_get_peers", ""))).await;
        if answer.status == 429 {
            assert_eq!(answer.header("retry-after"), Some("1"));
        }
        statuses.push(answer.status);
    }
    assert!(statuses.contains(&200) && statuses.contains(&429), "{statuses:?}");
}

#[tokio::test]
async fn one_connection_too_many_is_told_so_and_a_freed_place_is_given_away() {
    let config = RpcConfig { connections_max: 2, ..RpcConfig::default() };
    let door = rpc(Memory::new(), config).await;
    let mut idle = Vec::new();
    for _ in 0..2 {
        let mut connection = Connection::open(door.address).await;
        connection.send(&post(&request("info_get_peers", ""))).await;
        assert_eq!(connection.answer().await.status, 200);
        idle.push(connection);
    }
    let mut refused = Connection::open(door.address).await;
    let answer = refused.answer().await;
    assert_eq!(answer.status, 503);
    assert_eq!(answer.json()["message"], "too many connections; try again shortly");
    assert!(refused.is_closed().await);

    drop(idle);
    let deadline = Instant::now() + PATIENCE;
    while send(door.address, &post(&request("info_get_peers", ""))).await.status != 200 {
        assert!(Instant::now() < deadline, "places are not given back");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_caller_who_sends_a_byte_now_and_then_is_shown_out() {
    let door = door().await;
    let mut head = Connection::open(door.address).await;
    let mut body = Connection::open(door.address).await;
    body.send(b"POST /rpc HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n").await;
    // Time is simulated: these minutes pass at once when nothing else is to do.
    for _ in 0..40 {
        head.send(b"P").await;
        body.send(b" ").await;
        tokio::time::sleep(Duration::from_secs(2)).await;
    }
    let (status, _) = head.head().await;
    assert!(status == 0 || status == 408, "{status}");
    assert_eq!(body.answer().await.status, 408);
}

#[tokio::test]
async fn a_request_under_way_is_finished_when_the_node_goes_down() {
    let door = door().await;
    let address = door.address;
    let mut connection = Connection::open(address).await;
    let whole = post(&request("info_get_peers", ""));
    let (first, rest) = whole.split_at(whole.len() - 3);
    connection.send(first).await;
    let mut idle = Connection::open(address).await;
    idle.send(&whole).await;
    assert_eq!(idle.answer().await.status, 200);
    // The server has the beginning of the request when it has answered a later one.
    let stopping = tokio::spawn(door.stop());
    tokio::time::sleep(Duration::from_millis(50)).await;
    connection.send(rest).await;
    assert_eq!(connection.answer().await.status, 200);
    assert!(idle.is_closed().await);
    timeout(PATIENCE, stopping).await.unwrap().unwrap();
    assert!(tokio::net::TcpStream::connect(address).await.is_err());
}
