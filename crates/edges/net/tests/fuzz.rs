//! Fuzz targets for every decoder that meets bytes of strangers; under `cargo test` each runs
//! briefly on random input. For longer: `cargo xtask fuzz SECONDS`.

use bytes::Bytes;
use futures::{executor::block_on, io::Cursor};
use girrona_net::{MAX_FRAME, MAX_REQUEST, MAX_RESPONSE, wire};
use libp2p::{StreamProtocol, request_response::Codec as _};

#[test]
fn a_batch_of_any_bytes_is_refused_or_encodes_to_itself() {
    bolero::check!().for_each(|input: &[u8]| {
        let bytes = Bytes::copy_from_slice(input);
        if let Ok(items) = wire::decode_batch(bytes.clone()) {
            assert!(!items.is_empty() && items.len() <= wire::MAX_ITEMS);
            assert_eq!(wire::encode_batch(&items), bytes);
        }
    });
}

#[test]
fn any_items_come_back_from_a_batch() {
    bolero::check!().with_type::<Vec<Vec<u8>>>().for_each(|items| {
        let items: Vec<_> = items.iter().filter(|item| !item.is_empty()).collect();
        match wire::decode_batch(wire::encode_batch(&items)) {
            Ok(decoded) => assert_eq!(decoded, items),
            Err(error) => assert!(items.is_empty() || items.len() > wire::MAX_ITEMS, "{error}"),
        }
    });
}

#[test]
fn direct_frames_of_any_bytes_end_without_harm() {
    bolero::check!().for_each(|input: &[u8]| {
        let budget = wire::Budget::new(1 << 20);
        let mut stream = Cursor::new(input);
        let mut read = 0;
        while let Ok(Some(frame)) =
            block_on(wire::read_frame(&mut stream, MAX_FRAME, Some(&budget)))
        {
            read += 4 + frame.len();
            assert!(frame.len() <= MAX_FRAME);
            let mut again = Vec::new();
            block_on(wire::write_frame(&mut again, &frame, MAX_FRAME)).unwrap();
            assert_eq!(again, input[read - again.len()..read]);
        }
        assert!(read <= input.len());
    });
}

#[test]
fn requests_and_responses_of_any_bytes_are_read_within_their_size_or_refused() {
    let protocol = StreamProtocol::new("/fuzz/sync/1");
    bolero::check!().for_each(|input: &[u8]| {
        let mut codec = wire::SyncCodec::default();
        if let Ok(request) = block_on(codec.read_request(&protocol, &mut Cursor::new(input))) {
            assert!(request.len() <= MAX_REQUEST);
            assert_eq!(request, input[4..4 + request.len()]);
        }
        if let Ok(response) = block_on(codec.read_response(&protocol, &mut Cursor::new(input))) {
            assert!(response.len() <= MAX_RESPONSE);
            let mut wire = Vec::new();
            let written = codec.write_response(&protocol, &mut wire, response.clone());
            block_on(written).unwrap();
            assert_eq!(wire, input[..4 + response.len()]);
        }
    });
}

#[test]
fn a_peer_book_of_any_bytes_is_read_and_written_back_the_same() {
    bolero::check!().for_each(|input: &[u8]| {
        let records = wire::decode_book(input);
        let text = wire::encode_book(&records);
        assert_eq!(wire::decode_book(text.as_bytes()), records);
    });
}
