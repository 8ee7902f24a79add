//! Messages: replayed, expired, early, foreign, forged, too long, malformed; and the board.

mod common;

use std::{env, fs, path::Path};

use casper_types::Signature;
use common::{MINUTE, NET, NOW, announcement, body, execution, executors, key, root, say};
use girrona_assembly::message::{
    Announcement, Board, Body, Cancellation, Change, Channel, Decline, DeclineReason, Envelope,
    Funds, Holdings, Inbox, Kind, Payload, Refusal, Source, Update, Verdict, Withdrawal,
    bucket::Rate,
    envelope::{AHEAD_MAX_MS, message_id, open},
    inbox::Config,
};
use girrona_assembly::{Permissions, RequestId};
use girrona_types::NetworkId;
use proptest::prelude::*;

fn announce(seed: u8, nonce: u64, byte: u8) -> Envelope {
    say(seed, nonce, Payload::Announce(announcement(byte)))
}

/// All steps at once.
fn judge(
    inbox: &mut Inbox<u8>,
    bytes: &[u8],
    channel: Channel,
    source: Source,
    now: u64,
) -> Result<Envelope, Refusal> {
    inbox.spend(&0, now)?;
    let opened = open(bytes, channel, &NET, now)?;
    inbox.admit(&opened, source)?;
    let verified = opened.verify()?;
    inbox.record(&verified, source, Funds::Enough, now)?;
    Ok(verified.envelope().clone())
}

fn fresh(bytes: &[u8]) -> Result<Envelope, Refusal> {
    let mut inbox = Inbox::new(Config::default());
    judge(&mut inbox, bytes, Channel::Announcements, Source::Fresh, NOW)
}

fn rejected(result: Result<Envelope, Refusal>) -> Refusal {
    let refusal = result.unwrap_err();
    assert_eq!(refusal.verdict(), Verdict::Reject, "{refusal}");
    refusal
}

fn ignored(result: Result<Envelope, Refusal>) -> Refusal {
    let refusal = result.unwrap_err();
    assert_eq!(refusal.verdict(), Verdict::Ignore, "{refusal}");
    refusal
}

#[test]
fn keys_of_both_kinds_sign_and_every_kind_of_message_travels() {
    let payloads = [
        Payload::Announce(announcement(1)),
        Payload::Update(Update { replaces: root(1), announcement: announcement(2) }),
        Payload::Withdraw(Withdrawal { root: root(1), reason: "old".to_owned() }),
        Payload::Holdings(Holdings { have: vec![root(1)], ..Holdings::default() }),
        Payload::Execute(execution(1)),
        Payload::Cancel(Cancellation { request: RequestId([1; 32]) }),
        Payload::Decline(Decline { request: RequestId([1; 32]), reason: DeclineReason::Busy }),
    ];
    for seed in [1, 2] {
        for payload in &payloads {
            let envelope = say(seed, 1, payload.clone());
            let kind = payload.kind();
            let channels =
                [Channel::Announcements, Channel::Holdings, Channel::Executions, Channel::Direct];
            let mut taken = 0;
            for channel in channels {
                let mut inbox = Inbox::new(Config::default());
                let bytes = envelope.to_bytes();
                match judge(&mut inbox, &bytes, channel, Source::Fresh, NOW) {
                    Ok(read) => {
                        assert_eq!(read, envelope);
                        taken += 1;
                    }
                    Err(refusal) => assert_eq!(refusal, Refusal::Channel(kind)),
                }
            }
            let both = matches!(kind, Kind::Execute | Kind::Cancel);
            assert_eq!(taken, if both { 2 } else { 1 }, "{kind:?}");
        }
    }
}

/// Domain, order of fields and encoding: a change here makes nodes of two versions strangers.
#[test]
fn golden_bytes() {
    let envelope = announce(2, 1, 1);
    let request = say(2, 1, Payload::Execute(execution(1)));
    let lines = [
        message_id(&envelope.to_bytes()).to_string(),
        request.request().unwrap().to_string(),
        message_id(&request.to_bytes()).to_string(),
    ];
    let found = lines.join("\n") + "\n";
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/message.txt");
    if env::var_os("BLESS").is_some() {
        fs::write(&path, &found).unwrap();
    }
    let expected = fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(found, expected, "`cargo xtask bless` takes over the new bytes");
}

#[test]
fn a_replay_is_ignored_whatever_wraps_it() {
    let mut inbox = Inbox::new(Config::default());
    let bytes = announce(2, 5, 1).to_bytes();
    let mut take =
        |bytes: &[u8], source, now| judge(&mut inbox, bytes, Channel::Announcements, source, now);
    take(&bytes, Source::Fresh, NOW).unwrap();
    assert_eq!(ignored(take(&bytes, Source::Fresh, NOW)), Refusal::Duplicate);
    assert_eq!(ignored(take(&bytes, Source::Pulled, NOW)), Refusal::Duplicate);
    // Something else under the same nonce.
    let other = announce(2, 5, 2).to_bytes();
    assert_eq!(ignored(take(&other, Source::Fresh, NOW)), Refusal::Nonce(5));
    // Another author has nonces of their own, and so do other kinds of messages.
    take(&announce(4, 5, 1).to_bytes(), Source::Fresh, NOW).unwrap();
    // A restart changes nothing.
    let snapshot = inbox.snapshot();
    let mut inbox: Inbox<u8> = Inbox::new(Config::default());
    inbox.restore(&snapshot, NOW + 1).unwrap();
    assert!(inbox.restore(&snapshot[1..], NOW + 1).is_err());
    let mut take =
        |bytes: &[u8], source, now| judge(&mut inbox, bytes, Channel::Announcements, source, now);
    assert_eq!(ignored(take(&bytes, Source::Fresh, NOW + 1)), Refusal::Nonce(5));
    // When it is forgotten, it has expired.
    let late = take(&bytes, Source::Fresh, NOW + 5 * MINUTE);
    assert_eq!(ignored(late), Refusal::Expired(0));
}

#[test]
fn what_was_missed_is_pulled_even_if_its_author_said_much_since() {
    let mut inbox = Inbox::new(Config::default());
    let mut take = |envelope: &Envelope, source| {
        judge(&mut inbox, &envelope.to_bytes(), Channel::Announcements, source, NOW)
    };
    take(&announce(2, 10_000, 2), Source::Fresh).unwrap();
    let old = announce(2, 1, 1);
    assert_eq!(ignored(take(&old, Source::Fresh)), Refusal::Nonce(1));
    take(&old, Source::Pulled).unwrap();
    assert_eq!(ignored(take(&old, Source::Pulled)), Refusal::Duplicate);
}

#[test]
fn times_are_checked_and_only_the_hopeless_is_rejected() {
    let with = |change: fn(&mut Body)| {
        let mut body = body(2, 1, Payload::Announce(announcement(1)));
        change(&mut body);
        fresh(&body.sign(&common::secret(2)).to_bytes())
    };
    assert!(with(|b| b.created_ms = NOW + AHEAD_MAX_MS).is_ok());
    assert_eq!(ignored(with(|b| b.created_ms = NOW + AHEAD_MAX_MS + 1)), Refusal::Future(1));
    assert!(matches!(
        rejected(with(|b| {
            b.created_ms = NOW + 10 * MINUTE;
            b.expires_ms = NOW + 11 * MINUTE;
        })),
        Refusal::Future(_)
    ));
    let ended = |by: u64| {
        let mut body = body(2, 1, Payload::Announce(announcement(1)));
        (body.created_ms, body.expires_ms) = (NOW - 60 * MINUTE, NOW - by);
        fresh(&body.sign(&common::secret(2)).to_bytes())
    };
    assert_eq!(ignored(ended(0)), Refusal::Expired(0));
    assert_eq!(ignored(ended(MINUTE)), Refusal::Expired(MINUTE));
    assert_eq!(rejected(ended(30 * MINUTE)), Refusal::Expired(30 * MINUTE));
    assert!(matches!(rejected(with(|b| b.expires_ms = b.created_ms)), Refusal::Lifetime(0)));
    let day = 24 * 60 * MINUTE;
    assert!(with(|b| b.expires_ms = NOW + 24 * 60 * MINUTE).is_ok());
    let long = rejected(with(|b| b.expires_ms = NOW + 24 * 60 * MINUTE + 1));
    assert_eq!(long, Refusal::Lifetime(day + 1));
    // Requests live ten minutes.
    let mut request = body(2, 1, Payload::Execute(execution(1)));
    request.expires_ms = NOW + 10 * MINUTE + 1;
    let bytes = request.sign(&common::secret(2)).to_bytes();
    assert!(matches!(open(&bytes, Channel::Executions, &NET, NOW), Err(Refusal::Lifetime(_))));
}

#[test]
fn forged_foreign_long_and_malformed_messages_are_rejected() {
    let good = announce(2, 1, 1);
    let mut forged = good.clone();
    forged.body.author = key(4);
    assert_eq!(rejected(fresh(&forged.to_bytes())), Refusal::Signature);
    let mut changed = good.clone();
    changed.body.nonce = 2;
    assert_eq!(rejected(fresh(&changed.to_bytes())), Refusal::Signature);
    let mut nobody = good.clone();
    nobody.body.author = casper_types::PublicKey::System;
    nobody.signature = Signature::System;
    assert_eq!(rejected(fresh(&nobody.to_bytes())), Refusal::Signature);
    let mut foreign = good.body.clone();
    foreign.network = NetworkId([8; 32]);
    let foreign = foreign.sign(&common::secret(2));
    assert_eq!(rejected(fresh(&foreign.to_bytes())), Refusal::Network(NetworkId([8; 32])));
    let max = Channel::Announcements.size_max();
    assert_eq!(rejected(fresh(&vec![1; max + 1])), Refusal::Long { size: max + 1, max });
    assert_eq!(rejected(fresh(&[2])), Refusal::Version(2));
    assert!(matches!(rejected(fresh(&[])), Refusal::Malformed(_)));
    let bytes = good.to_bytes();
    assert!(matches!(rejected(fresh(&bytes[..bytes.len() - 1])), Refusal::Malformed(_)));
    assert!(matches!(rejected(fresh(&[&bytes[..], &[0]].concat())), Refusal::Malformed(_)));
}

#[test]
fn a_forgery_uses_up_nothing_of_whom_it_names() {
    let config = Config { author: Rate { burst: 1, per_second: 0 }, ..Config::default() };
    let mut inbox = Inbox::new(config);
    let good = announce(2, 1, 1);
    for nonce in 1..50 {
        let mut forged = good.clone();
        forged.body.nonce = nonce;
        forged.body.created_ms = NOW - 1;
        let bytes = forged.to_bytes();
        let result = judge(&mut inbox, &bytes, Channel::Announcements, Source::Fresh, NOW);
        assert_eq!(rejected(result), Refusal::Signature);
    }
    let bytes = good.to_bytes();
    judge(&mut inbox, &bytes, Channel::Announcements, Source::Fresh, NOW).unwrap();
    let next = announce(2, 2, 1).to_bytes();
    let result = judge(&mut inbox, &next, Channel::Announcements, Source::Fresh, NOW);
    assert_eq!(ignored(result), Refusal::AuthorRate);
}

#[test]
fn ten_thousand_invalid_messages_a_second_cost_a_bounded_number_of_looks() {
    let mut inbox: Inbox<u8> = Inbox::new(Config::default());
    let mut looked = 0;
    for index in 0..10_000_u64 {
        let result = judge(
            &mut inbox,
            b"\x01nonsense",
            Channel::Announcements,
            Source::Fresh,
            NOW + index / 10,
        );
        match result.unwrap_err() {
            Refusal::PeerRate => {}
            Refusal::Malformed(_) => looked += 1,
            other => panic!("{other}"),
        }
    }
    assert!(looked <= 2_500, "{looked}");
}

#[test]
fn one_without_funds_is_ignored_and_may_come_again() {
    let mut inbox: Inbox<u8> = Inbox::new(Config::default());
    let verified = || {
        open(&announce(2, 1, 1).to_bytes(), Channel::Announcements, &NET, NOW)
            .unwrap()
            .verify()
            .unwrap()
    };
    let poor = inbox.record(&verified(), Source::Fresh, Funds::TooLittle, NOW).unwrap_err();
    assert_eq!((poor.verdict(), poor), (Verdict::Ignore, Refusal::Unfunded));
    inbox.record(&verified(), Source::Fresh, Funds::Enough, NOW).unwrap();
}

#[test]
fn every_part_of_an_announcement_is_bounded() {
    let bad = |change: &dyn Fn(&mut Announcement)| {
        let mut announcement = announcement(1);
        change(&mut announcement);
        match fresh(&say(2, 1, Payload::Announce(announcement)).to_bytes()) {
            Err(Refusal::Payload(invalid)) => invalid.to_string(),
            other => panic!("{other:?}"),
        }
    };
    let words = |count: usize| (0..count).map(|n| format!("{n:05}")).collect::<Vec<_>>();
    assert_eq!(bad(&|a| a.name.clear()), "a name is empty");
    assert_eq!(bad(&|a| a.name = "x".repeat(129)), "a name is too long");
    assert_eq!(bad(&|a| a.name = "a\u{1b}[31m".into()), "a name has a control character in it");
    assert_eq!(bad(&|a| a.tags = words(33)), "tags are too many");
    assert_eq!(bad(&|a| a.tags.reverse()), "tags are not in order or not unique");
    assert_eq!(bad(&|a| a.tags = vec!["a".into(); 2]), "tags are not in order or not unique");
    assert_eq!(bad(&|a| a.groups = words(33)), "groups are too many");
    assert_eq!(bad(&|a| a.entries.clear()), "entry points are missing");
    assert_eq!(bad(&|a| a.replication = 0), "the replication is none or too many");
    assert_eq!(bad(&|a| a.content.blocks = 0), "the content has no blocks");
    assert_eq!(bad(&|a| a.publishers = vec!["/x".into(); 9]), "addresses are too many");
    assert_eq!(bad(&|a| a.publishers = vec!["x".into()]), "an address does not begin with a slash");
    assert_eq!(
        bad(&|a| {
            let origin = |host: &str| format!("https://{host}.org").parse().unwrap();
            a.permissions = Permissions { network: vec![origin("b"), origin("a")] };
        }),
        "permissions are not in order or not unique"
    );
}

#[test]
fn every_part_of_a_request_is_bounded() {
    let bad = |change: &dyn Fn(&mut girrona_assembly::message::Execution)| {
        let mut execution = execution(1);
        change(&mut execution);
        execution.check(NOW).unwrap_err().to_string()
    };
    assert_eq!(bad(&|e| e.k = 0), "k is 0 or larger than n");
    assert_eq!(bad(&|e| e.k = 5), "k is 0 or larger than n");
    assert_eq!(bad(&|e| e.n = Some(257)), "n is 0 or too large");
    assert_eq!(bad(&|e| e.stdin = vec![0; 1024 * 1024 + 1]), "standard input is too long");
    assert_eq!(
        bad(&|e| e.args = vec!["x".repeat(65_537)]),
        "arguments or environment are too many or too long"
    );
    assert_eq!(bad(&|e| e.args = vec!["\0".into()]), "an argument has a NUL in it");
    assert_eq!(
        bad(&|e| e.env = vec![("A=B".into(), String::new())]),
        "the environment has a name or value that cannot be one"
    );
    let pair = |name: &str| (name.to_owned(), String::new());
    let twice = "the environment is not in order or names one twice";
    assert_eq!(bad(&|e| e.env = vec![pair("A"), pair("A")]), twice);
    let late = "the deadline is before the request or too far after it";
    assert_eq!(bad(&|e| e.deadline_ms = NOW - 1), late);
    assert_eq!(bad(&|e| e.deadline_ms = NOW + 61 * MINUTE), late);
    assert_eq!(bad(&|e| e.executors = executors(&[1, 2])), "executors are fewer than k");
    let same = executors(&[1, 1, 1]);
    assert_eq!(bad(&|e| e.executors = same.clone()), "executors are not in order or not unique");
}

#[test]
fn a_request_is_its_author_and_everything_it_asks() {
    let request = |seed: u8, salt: u8| say(seed, 1, Payload::Execute(execution(salt))).request();
    let again = say(2, 99, Payload::Execute(execution(1))).request();
    assert_eq!(request(2, 1), again);
    assert_ne!(request(2, 1), request(4, 1));
    assert_ne!(request(2, 1), request(2, 2));
    let mut other = execution(1);
    other.stdin.push(0);
    assert_ne!(request(2, 1), say(2, 1, Payload::Execute(other)).request());
}

fn post(board: &mut Board, envelope: &Envelope) -> Change {
    board.apply(envelope, message_id(&envelope.to_bytes()), NOW)
}

fn withdrawal(seed: u8, nonce: u64, byte: u8) -> Envelope {
    let reason = String::new();
    say(seed, nonce, Payload::Withdraw(Withdrawal { root: root(byte), reason }))
}

fn update(seed: u8, nonce: u64, from: u8, to: u8) -> Envelope {
    let update = Update { replaces: root(from), announcement: announcement(to) };
    say(seed, nonce, Payload::Update(update))
}

#[test]
fn the_board_shows_what_authors_said_last() {
    let mut board = Board::new();
    let first = announce(2, 1, 1);
    let stale = vec![message_id(&first.to_bytes())];
    assert!(matches!(post(&mut board, &first), Change::Announced { .. }));
    assert_eq!(post(&mut board, &first), Change::Nothing);
    // Nobody else's withdrawal counts.
    assert!(matches!(post(&mut board, &withdrawal(4, 9, 1)), Change::Withdrawn { .. }));
    assert_eq!(board.posts(&root(1)).count(), 1);
    assert_eq!(
        post(&mut board, &update(2, 2, 1, 2)),
        Change::Announced { root: root(2), replaces: Some(root(1)), stale }
    );
    assert_eq!(board.posts(&root(1)).count(), 0);
    // The old version, coming late, stays replaced.
    assert_eq!(post(&mut board, &first), Change::Nothing);
    assert!(matches!(post(&mut board, &withdrawal(2, 3, 2)), Change::Withdrawn { .. }));
    assert_eq!(board.all().count(), 0);
    // Announced again, later.
    assert!(matches!(post(&mut board, &announce(2, 4, 2)), Change::Announced { .. }));
    board.expire(NOW + 6 * MINUTE);
    assert_eq!(board.all().count(), 0);
}

#[test]
fn an_author_does_not_fill_the_board() {
    let mut board = Board::new();
    let mut full = 0;
    for nonce in 1..400_u64 {
        let mut announcement = announcement(1);
        announcement.content.root = girrona_assembly::Cid::of(
            girrona_assembly::content::Codec::DagPb,
            &nonce.to_le_bytes(),
        );
        let envelope = Envelope {
            body: body(2, nonce, Payload::Announce(announcement)),
            signature: Signature::System,
        };
        full += usize::from(post(&mut board, &envelope) == Change::Full);
    }
    assert_eq!(full, 399 - 256);
    assert!(matches!(post(&mut board, &announce(4, 1, 1)), Change::Announced { .. }));
}

proptest! {
    /// In whatever order messages come and however often, the board ends the same.
    #[test]
    fn the_order_of_arrival_does_not_matter(order in Just((0..6_usize).collect::<Vec<_>>()).prop_shuffle()) {
        let messages = [
            announce(2, 1, 1),
            update(2, 2, 1, 2),
            announce(2, 3, 3),
            withdrawal(2, 4, 3),
            announce(2, 5, 4),
            announce(4, 1, 1),
        ];
        let mut board = Board::new();
        for index in order.iter().chain(&order) {
            post(&mut board, &messages[*index]);
        }
        let mut shown: Vec<_> = board
            .all()
            .map(|post| (post.author.clone(), post.announcement.content.root))
            .collect();
        let mut expected = vec![(key(2), root(2)), (key(2), root(4)), (key(4), root(1))];
        shown.sort();
        expected.sort();
        prop_assert_eq!(shown, expected);
    }
}
