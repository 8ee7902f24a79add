//! Receipts that agree, that do not, and that lie.

mod common;

use common::{MINUTE, NET, NOW, body, execution, executors, key, outcome, receipt, say, secret};
use girrona_assembly::{
    Permissions,
    message::{Envelope, Execution, Payload},
    run::{
        Agreement, Certificate, CertificateError, End, Evidence, EvidenceError, Outcome, Stopped,
        Tally,
    },
};
use girrona_types::NetworkId;

/// A request by 2, changed.
fn request(change: impl Fn(&mut Execution)) -> Envelope {
    let mut execution = execution(1);
    change(&mut execution);
    say(2, 1, Payload::Execute(execution))
}

/// The tally of these executors' outputs.
fn tally(request: &Envelope, outputs: &[(u8, u8)]) -> Tally {
    let mut tally = Tally::new(request.clone(), NET).unwrap();
    for (seed, output) in outputs {
        tally.add(receipt(*seed, request, outcome(*output), 100 + u64::from(*seed))).unwrap();
    }
    tally
}

fn certificate(request: &Envelope, outputs: &[(u8, u8)]) -> Certificate {
    match tally(request, outputs).agreement(0) {
        Agreement::Agreed(certificate) => certificate,
        other => panic!("{other:?}"),
    }
}

#[test]
fn three_of_four_agree_and_the_fourth_is_named() {
    let request = request(|_| {});
    let tally = tally(&request, &[(10, 1), (11, 1), (12, 9), (13, 1)]);
    let Agreement::Agreed(certificate) = tally.agreement(0) else { panic!() };
    // Offline: bytes and the network's id.
    let certificate = Certificate::from_bytes(&certificate.to_bytes()).unwrap();
    let proven = certificate.verify(&NET).unwrap();
    assert_eq!(proven.outcome, outcome(1));
    assert_eq!(proven.request, request.request().unwrap());
    assert_eq!(proven.fuel, 110);
    let mut agree = vec![key(10), key(11), key(13)];
    agree.sort();
    assert_eq!(proven.executors, agree);
    let [evidence] = &tally.evidence()[..] else { panic!() };
    let evidence = Evidence::from_bytes(&evidence.to_bytes()).unwrap();
    assert_eq!(evidence.verify(&NET), Ok(key(12)));
}

#[test]
fn two_against_two_is_a_failure_with_both_sides_named() {
    let request = request(|_| {});
    let two = tally(&request, &[(10, 1), (11, 1)]);
    assert_eq!(two.agreement(2), Agreement::Open);
    let split = tally(&request, &[(10, 1), (11, 1), (12, 9), (13, 9)]);
    let Agreement::Split(sides) = split.agreement(0) else { panic!() };
    assert_eq!(sides.iter().map(|(_, keys)| keys.len()).collect::<Vec<_>>(), [2, 2]);
    assert_eq!(split.evidence(), []);
    // Known as soon as nobody is left who could decide it.
    let early = tally(&request, &[(10, 1), (11, 2), (12, 3)]);
    assert!(matches!(early.agreement(1), Agreement::Split(_)));
    assert_eq!(early.agreement(2), Agreement::Open);
}

#[test]
fn with_a_small_k_two_sides_may_reach_it_and_that_is_a_failure_too() {
    let request = request(|e| e.k = 2);
    let two = tally(&request, &[(10, 1), (11, 1)]);
    assert_eq!(two.agreement(2), Agreement::Open);
    assert!(matches!(two.agreement(1), Agreement::Agreed(_)));
    let split = tally(&request, &[(10, 1), (11, 1), (12, 9), (13, 9)]);
    assert!(matches!(split.agreement(0), Agreement::Split(_)));
}

#[test]
fn what_was_stopped_is_no_result_and_no_lie() {
    let request = request(|_| {});
    let mut tally = tally(&request, &[(10, 1), (11, 1), (12, 1)]);
    let late = Outcome { end: End::Stopped(Stopped::Time), ..outcome(0) };
    tally.add(receipt(13, &request, late, 1)).unwrap();
    assert!(matches!(tally.agreement(0), Agreement::Agreed(_)));
    assert_eq!(tally.evidence(), []);
    let mut stopped = Tally::new(request.clone(), NET).unwrap();
    for seed in 10..14 {
        stopped.add(receipt(seed, &request, late, 1)).unwrap();
    }
    assert_eq!(stopped.agreement(0), Agreement::Split(Vec::new()));
    let receipts = (10..13).map(|seed| receipt(seed, &request, late, 1)).collect::<Vec<_>>();
    let mut all = Certificate { request, receipts };
    all.receipts.sort_by(|a, b| a.body.author.cmp(&b.body.author));
    assert_eq!(all.verify(&NET), Err(CertificateError::Different));
}

#[test]
fn a_certificate_holds_for_exactly_what_was_signed() {
    let request = request(|_| {});
    let good = certificate(&request, &[(10, 1), (11, 1), (13, 1)]);
    assert!(good.verify(&NET).is_ok());
    assert_eq!(good.verify(&NetworkId([8; 32])), Err(CertificateError::Request));
    let bad = |change: &dyn Fn(&mut Certificate)| {
        let mut changed = good.clone();
        change(&mut changed);
        changed.verify(&NET).unwrap_err()
    };
    let few = CertificateError::Few { have: 2, needed: 3 };
    assert_eq!(bad(&|c| drop(c.receipts.pop())), few);
    assert!(matches!(bad(&|c| c.receipts.reverse()), CertificateError::OutOfOrder(_)));
    assert!(matches!(
        bad(&|c| c.receipts[1] = c.receipts[0].clone()),
        CertificateError::OutOfOrder(_)
    ));
    assert!(matches!(
        bad(&|c| c.receipts[1].signature = c.receipts[0].signature),
        CertificateError::Receipt(_)
    ));
    assert!(matches!(
        bad(&|c| {
            let Payload::Receipt(receipt) = &mut c.receipts[0].body.payload else { panic!() };
            receipt.fuel = 1;
        }),
        CertificateError::Receipt(_)
    ));
    // Another request, asked by the same, answered by the same.
    let other = super_request();
    assert!(matches!(bad(&|c| c.request = other.clone()), CertificateError::Receipt(_)));
    assert_eq!(
        bad(&|c| {
            let Payload::Execute(execution) = &mut c.request.body.payload else { panic!() };
            execution.k = 1;
        }),
        CertificateError::Request
    );
    let mut different = good.receipts.clone();
    different[0] = match &different[0].body.author {
        author if *author == key(10) => receipt(10, &request, outcome(2), 1),
        author if *author == key(11) => receipt(11, &request, outcome(2), 1),
        _ => receipt(13, &request, outcome(2), 1),
    };
    let certificate = Certificate { request, receipts: different };
    assert_eq!(certificate.verify(&NET), Err(CertificateError::Different));
}

fn super_request() -> Envelope {
    request(|e| e.salt = [9; 32])
}

#[test]
fn a_receipt_after_the_deadline_or_from_one_who_was_not_asked_does_not_count() {
    let request = request(|e| e.executors = executors(&[10, 11, 12]));
    let mut tally = Tally::new(request.clone(), NET).unwrap();
    let stranger = receipt(13, &request, outcome(1), 1);
    assert_eq!(tally.add(stranger), Err(CertificateError::NotAsked(Box::new(key(13)))));
    let good = receipt(10, &request, outcome(1), 1);
    let mut late = body(10, 1, good.body.payload.clone());
    (late.created_ms, late.expires_ms) = (NOW + 2 * MINUTE, NOW + 3 * MINUTE);
    let late = late.sign(&secret(10));
    assert_eq!(tally.add(late), Err(CertificateError::Late(Box::new(key(10)))));
    tally.add(good).unwrap();
    assert_eq!(tally.count(), 1);
}

#[test]
fn one_who_signs_two_results_is_named_without_anybody_else() {
    let request = request(|_| {});
    let mut tally = tally(&request, &[(10, 1)]);
    tally.add(receipt(10, &request, outcome(1), 7)).unwrap();
    assert_eq!(tally.evidence(), []);
    tally.add(receipt(10, &request, outcome(2), 7)).unwrap();
    let evidence = tally.evidence();
    assert_eq!(evidence.len(), 1);
    assert_eq!(evidence[0].verify(&NET), Ok(key(10)));
    // The first counts.
    assert_eq!(tally.count(), 1);
    let Evidence::Contradiction { first, .. } = &evidence[0] else { panic!() };
    let same = Evidence::Contradiction { first: first.clone(), second: first.clone() };
    assert_eq!(same.verify(&NET), Err(EvidenceError::NoContradiction));
    let elsewhere = receipt(10, &super_request(), outcome(2), 7);
    let two = Evidence::Contradiction { first: first.clone(), second: elsewhere };
    assert_eq!(two.verify(&NET), Err(EvidenceError::NoContradiction));
    let other = receipt(11, &request, outcome(2), 7);
    let two = Evidence::Contradiction { first: first.clone(), second: other };
    assert_eq!(two.verify(&NET), Err(EvidenceError::NoContradiction));
}

#[test]
fn nobody_is_called_a_liar_where_honest_results_may_differ_or_few_agree() {
    let evidence = |request: &Envelope, seeds: &[u8]| {
        let outputs: Vec<_> = seeds.iter().map(|seed| (*seed, 1)).collect();
        let certificate = certificate(request, &outputs);
        let receipt = receipt(20, request, outcome(9), 1);
        Evidence::Outvoted { certificate, receipt }.verify(&NET)
    };
    assert_eq!(evidence(&request(|_| {}), &[10, 11, 12]), Ok(key(20)));
    let online = request(|e| {
        e.permissions = Permissions { network: vec!["https://a.org".parse().unwrap()] };
    });
    assert_eq!(evidence(&online, &[10, 11, 12]), Err(EvidenceError::NotDeterministic));
    let small = request(|e| e.k = 2);
    assert_eq!(evidence(&small, &[10, 11]), Err(EvidenceError::NoMajority));
    let alone = request(|e| (e.n, e.k) = (None, 1));
    assert_eq!(evidence(&alone, &[10]), Err(EvidenceError::NoMajority));
    // One who agrees is no liar.
    let request = request(|_| {});
    let certificate = certificate(&request, &[(10, 1), (11, 1), (12, 1)]);
    let receipt = receipt(20, &request, outcome(1), 1);
    let evidence = Evidence::Outvoted { certificate, receipt };
    assert_eq!(evidence.verify(&NET), Err(EvidenceError::NoContradiction));
}
