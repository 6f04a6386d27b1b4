use super::*;

#[test]
fn place_should_count_those_that_are_better() {
    assert_eq!(place(5, &[]), None);
    assert_eq!(place(5, &[9, 5, 1]), Some((2, 4)));
    assert_eq!(place(9, &[9, 5, 1]), Some((1, 4)));
    assert_eq!(place(0, &[9, 5, 1]), Some((4, 4)));
}

#[test]
fn families_profiles_and_metrics_should_be_those_of_the_models() {
    for family in Architecture::ALL {
        let theirs = architecture(family);
        assert_eq!(theirs.metric(), metric(family.metric()), "{family:?}");
        assert_eq!(theirs.reads_text(), family.reads_text(), "{family:?}");
    }
    let all = Architecture::ALL.map(architecture);
    assert_eq!(all, arena_models::Architecture::ALL);
    use NumericProfile::{Bf16, ExactCpuF32, F32};
    for wire in [ExactCpuF32, F32, Bf16] {
        assert_eq!(profile(wire).to_string(), names::profile(wire));
    }
}

fn base_at(dir: &Path, uri: String) -> BaseModel {
    let uri = uri.into_bytes().try_into().unwrap();
    BaseModel {
        manifest_root: Manifest::of_dir(dir).unwrap().root().into(),
        uris: Uris::truncate_from(vec![uri]),
    }
}

#[test]
fn a_base_should_be_the_tasks_and_asked_for_only_by_adapters() {
    let folder = tempfile::tempdir().unwrap();
    let [dir, whole, adapter] = ["base", "whole", "adapter"].map(|name| {
        let dir = folder.path().join(name);
        std::fs::create_dir(&dir).unwrap();
        let config = match name {
            "adapter" => ADAPTER_CONFIG,
            _ => MODEL_CONFIG,
        };
        std::fs::write(dir.join(config), name).unwrap();
        dir
    });
    let far = base_at(&dir, "https://example.org/base".into());
    let near = base_at(&dir, format!("file://{}", dir.display()));
    let found = |base, given: Option<&PathBuf>, model: &Path| {
        base_of(base, given.cloned(), model).map_err(|why| why.to_string())
    };
    assert_eq!(found(None, None, &adapter), Ok(None));
    assert_eq!(found(Some(&far), None, &whole), Ok(None));
    for base in [&far, &near] {
        assert_eq!(
            found(Some(base), Some(&dir), &adapter),
            Ok(Some(dir.clone()))
        );
    }
    assert_eq!(found(Some(&near), None, &adapter), Ok(Some(dir.clone())));
    let refusals = [
        (found(None, Some(&dir), &whole), "names no base model"),
        (
            found(Some(&far), None, &adapter),
            "https://example.org/base",
        ),
        (
            found(Some(&far), Some(&whole), &adapter),
            "not the task's base",
        ),
        (found(Some(&far), Some(&dir.join("x")), &adapter), "--base"),
    ];
    for (refused, words) in refusals {
        let why = refused.unwrap_err();
        assert!(why.contains(words), "{words}: {why}");
    }
}

#[test]
fn a_round_should_take_the_time_of_the_samples_that_it_draws() {
    assert_eq!(of_round(8.0, 1_000, 0), 8.0);
    assert_eq!(of_round(8.0, 1_000, 1_000), 8.0);
    assert_eq!(of_round(8.0, 1_000, 250), 2.0);
    assert_eq!(of_round(8.0, 100, 250), 8.0);
}

#[test]
fn a_model_that_is_too_slow_should_come_with_a_warning() {
    let found = |seconds: f64, in_time: bool| Checked {
        architecture: "mlp".into(),
        parameters: 1,
        bytes: 1,
        profile: "f32",
        raw: 0,
        score: 0,
        baseline: 0,
        samples: 1,
        seconds: 90.0,
        round_seconds: seconds,
        sketch_seconds: in_time.then_some(0.25),
        max_seconds: 60,
        in_time,
        own_data: true,
        place: None,
        metric: Metric::Accuracy,
    };
    let (slow, quick) = (found(90.0, false), found(9.0, true));
    assert!(human(&slow).contains("warning"), "{}", human(&slow));
    assert!(human(&slow).contains("Skipped(Timeout)"));
    assert!(!human(&quick).contains("warning"));
    assert_eq!(
        time(&quick),
        "90.0 s here, 9.0 s for what a round draws, and 0.2 s for its sketch; a validator stops \
         scoring after 60 s"
    );
    let json = serde_json::to_value(&slow).unwrap();
    assert_eq!(json["inTime"], false);
}
