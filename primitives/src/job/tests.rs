//! The wire, as bytes.

use super::*;

fn artifact(n: u8) -> Artifact {
    Artifact {
        manifest_root: H256::repeat_byte(n),
        uris: alloc::vec!["https://example.org/x".into()],
    }
}

fn limits() -> Limits {
    Limits {
        architectures: alloc::vec![Architecture::Mlp],
        max_parameters: 6,
        max_bytes: 7,
        max_seconds: 8,
        context: 9,
        tokenizer: None,
    }
}

fn request_of(kind: JobKind) -> JobRequest {
    JobRequest {
        version: WIRE_VERSION,
        deadline_seconds: 60,
        kind,
        others: alloc::vec![],
    }
}

fn request() -> JobRequest {
    request_of(JobKind::Evaluate(Evaluate {
        model: artifact(1),
        base: None,
        data: Data {
            blake3: [2; 32],
            bytes: 3,
            uris: alloc::vec![],
            samples: 4,
            seed: [5; 32],
        },
        metric: Metric::Accuracy,
        profile: NumericProfile::F32,
        limits: limits(),
    }))
}

fn sketch(base: Option<Artifact>) -> JobRequest {
    request_of(JobKind::Sketch(Sketch {
        model: artifact(1),
        base,
        seed: [3; 32],
        limits: limits(),
    }))
}

#[test]
fn request_should_decode_to_itself_and_start_with_its_version() {
    let leaf = LogLeaf {
        step: 4,
        weights: [1; 32],
        optimizer: [2; 32],
        update: 5,
    };
    let JobKind::Evaluate(evaluate) = request().kind else {
        panic!("an evaluation")
    };
    let others = [
        JobKind::ReplaySegments(ReplaySegments {
            recipe: artifact(1),
            model: artifact(2),
            seed: [3; 32],
            steps: 128,
            uris: alloc::vec![],
            checkpoint_bytes: 9,
            leaves: alloc::vec![leaf],
            segments: alloc::vec![Segment {
                from: leaf,
                to: leaf,
            }],
            last: leaf,
            limits: limits(),
        }),
        JobKind::ExtractWatermark(ExtractWatermark {
            model: artifact(1),
            base: None,
            key: [3; 32],
            owner: [4; 32],
            limits: limits(),
        }),
        JobKind::Compare(Compare {
            model: artifact(1),
            earlier: artifact(2),
            base: Some(artifact(3)),
            limits: limits(),
        }),
        JobKind::Recompute(Recompute {
            evaluate,
            leaves: alloc::vec![LossLeaf {
                index: 1,
                nll: 2,
                tokens: 3,
                bytes: 4,
                correct: true,
            }],
        }),
    ];
    let requests = [request(), sketch(None), sketch(Some(artifact(2)))];
    let requests = requests.into_iter().chain(others.map(request_of));
    for (index, request) in requests.enumerate() {
        let kind = u8::try_from(index.saturating_sub(1)).unwrap();
        let kind = if index < 2 { index as u8 } else { kind };
        assert_eq!(request.encode()[5], kind);
        assert_eq!(request.kind.limits(), &limits());
        let bytes = request.encode();
        assert_eq!(bytes.first(), Some(&WIRE_VERSION));
        assert_eq!(JobRequest::decode(&mut &bytes[..]), Ok(request));
    }
}

#[test]
fn id_should_change_with_any_argument() {
    let changes: [fn(&mut Evaluate); 3] = [
        |e| e.data.samples += 1,
        |e| e.base = Some(artifact(2)),
        |e| e.profile = NumericProfile::Bf16,
    ];
    for change in changes {
        let mut other = request();
        if let JobKind::Evaluate(evaluate) = &mut other.kind {
            change(evaluate);
        }
        assert_ne!(other.id(), request().id());
    }
    assert_ne!(sketch(None).id(), sketch(Some(artifact(2))).id());
}

#[test]
fn fetching_should_be_given_a_minute_and_the_time_that_the_slowest_mirror_takes() {
    assert_eq!(fetch_seconds(0), 60);
    assert_eq!(fetch_seconds(1), 61);
    assert_eq!(fetch_seconds(8 << 30), 60 + 8 * 1024);
    assert!(fetch_seconds(u64::MAX) > u64::MAX / SLOWEST_MIRROR);
}

#[test]
fn unknown_kind_should_not_decode() {
    let mut bytes = request().encode();
    bytes[5] = 9;
    assert!(JobRequest::decode(&mut &bytes[..]).is_err());
}

#[test]
fn outcomes_should_decode_to_themselves_and_be_told_apart_by_their_index() {
    let evaluated = Evaluated {
        raw: 1,
        samples: 2,
        tokens: 3,
        bytes: 4,
        samples_root: H256::zero(),
        device: "cpu".into(),
        millis: 5,
    };
    let outcomes = [
        Outcome::Evaluated(evaluated.clone()),
        Outcome::Sketched(Sketched {
            sketch: [7; 32],
            canonical: [8; 32],
            device: "cpu".into(),
            millis: 8,
        }),
        Outcome::Replayed(Replayed {
            finding: ReplayFinding::Differs { from: 8 },
            same: 3,
            steps: 40,
            device: "cpu".into(),
            millis: 8,
        }),
        Outcome::Extracted(Extracted {
            matches: Some(205),
            device: "cpu".into(),
            millis: 8,
        }),
        Outcome::Compared(Compared {
            distance: None,
            same: false,
            device: "cpu".into(),
            millis: 8,
        }),
        Outcome::Recomputed(Recomputed {
            evaluated,
            wrong: 1,
        }),
    ];
    for (index, outcome) in (0u8..).zip(outcomes) {
        let bytes = outcome.encode();
        assert_eq!(bytes.first(), Some(&index));
        assert_eq!(Outcome::decode(&mut &bytes[..]), Ok(outcome));
    }
}

#[test]
fn families_should_be_encoded_by_their_place_among_all() {
    for (index, family) in Architecture::ALL.into_iter().enumerate() {
        assert_eq!(family.encode(), [index as u8]);
    }
    let unknown = [Architecture::ALL.len() as u8];
    assert!(Architecture::decode(&mut &unknown[..]).is_err());
}

#[test]
fn classifiers_should_be_measured_by_accuracy_and_only_plain_ones_read_no_text() {
    use Architecture::{Bert, Cnn, Mlp};
    for family in Architecture::ALL {
        let classifies = [Mlp, Cnn, Bert].contains(&family);
        assert_eq!(
            family.metric() == Metric::Accuracy,
            classifies,
            "{family:?}"
        );
        assert_eq!(
            family.reads_text(),
            ![Mlp, Cnn].contains(&family),
            "{family:?}"
        );
    }
}
