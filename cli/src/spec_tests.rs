use super::*;
use crate::template::{self, Kind, Preset};
use arena_primitives::LikenessRule;
use std::io::Write;

/// A template with data of its own.
fn template(preset: Preset, kind: Kind) -> SpecJson {
    let mut json = template::template(preset, kind);
    if let DataJson::Known(data) = &mut json.data {
        data.blake3 = "11".repeat(32);
    }
    json
}

fn base(root: &str, uri: &str) -> BaseJson {
    BaseJson {
        manifest_root: root.into(),
        uris: vec![uri.into()],
    }
}

fn here() -> &'static Path {
    Path::new(".")
}

#[test]
fn templates_should_pass_the_check_and_round_trip() {
    for preset in [Preset::Default, Preset::Paper] {
        for kind in [Kind::Digits, Kind::Language] {
            let json = template(preset, kind);
            let text = serde_json::to_string_pretty(&json).unwrap();
            let read: SpecJson = serde_json::from_str(&text).unwrap();
            assert_eq!(read, json);
            let spec = read.into_spec(here()).unwrap();
            check(&spec).unwrap();
            assert_eq!(SpecJson::from_spec(&spec), json);
        }
    }
}

#[test]
fn a_base_should_round_trip_and_need_at_least_one_mirror() {
    let mut json = template(Preset::Default, Kind::Language);
    let root = format!("0x{}", "1a".repeat(32));
    json.model.base = Some(base(&root, "hf://org/model@main"));
    let spec = json.clone().into_spec(here()).unwrap();
    check(&spec).unwrap();
    assert_eq!(SpecJson::from_spec(&spec), json);
    let found = spec.model.base.unwrap();
    assert_eq!(found.manifest_root.0, [0x1a; 32]);
    json.model.base = Some(BaseJson {
        uris: vec![],
        ..base(&root, "")
    });
    let refused = json.into_spec(here()).unwrap_err().to_string();
    assert!(refused.contains("model.base.uris"), "{refused}");
}

#[test]
fn likeness_should_be_the_default_where_it_is_absent_and_nothing_where_it_is_null() {
    let read = |likeness: Option<serde_json::Value>| {
        let json = template(Preset::Default, Kind::Digits);
        let mut value = serde_json::to_value(json).unwrap();
        let fields = value.as_object_mut().unwrap();
        fields.remove("likeness").unwrap();
        fields.remove("registered").unwrap();
        fields.extend(likeness.map(|rule| ("likeness".to_string(), rule)));
        let json: SpecJson = serde_json::from_value(value).unwrap();
        json.into_spec(here())
    };
    let absent = read(None).unwrap();
    assert_eq!(absent.likeness, Some(LikenessRule::DEFAULT));
    assert!(!absent.registered);
    let null = read(Some(serde_json::Value::Null)).unwrap();
    assert_eq!(null.likeness, None);
    let rule = |distance: &str| serde_json::json!({ "match_bits": 5, "flag_bits": 9, "copy_distance": distance });
    let own = read(Some(rule("0.1"))).unwrap().likeness.unwrap();
    assert_eq!((own.match_bits, own.flag_bits), (5, 9));
    assert_eq!(own.copy_distance, Perbill::from_percent(10));
    let refused = read(Some(rule("1.1"))).unwrap_err().to_string();
    assert!(refused.contains("likeness.copy_distance"), "{refused}");
}

#[test]
fn untouched_template_should_be_refused() {
    let spec = template::template(Preset::Default, Kind::Digits)
        .into_spec(here())
        .unwrap();
    assert!(check(&spec).unwrap_err().to_string().contains("template"));
}

#[test]
fn paper_preset_should_be_the_papers() {
    let rewards = template(Preset::Paper, Kind::Digits)
        .rewards
        .into_params()
        .unwrap();
    assert_eq!(rewards.gamma, Perbill::from_percent(70));
    assert_eq!(rewards.rank, RankRule::ByHead { alpha_milli: 1_000 });
    assert_eq!(rewards.aggregation, Aggregation::Mean);
    assert_eq!((rewards.cap, rewards.max_leverage), (WeightCap::None, 0));
    assert_eq!((rewards.min_scorers, rewards.min_trainers), (1, 1));
}

#[test]
fn file_data_should_be_hashed_relative_to_the_spec() {
    let folder = tempfile::tempdir().unwrap();
    fs::File::create(folder.path().join("x.bin"))
        .unwrap()
        .write_all(b"abc")
        .unwrap();
    let mut json = template(Preset::Default, Kind::Digits);
    json.data = DataJson::File(FileData {
        file: "x.bin".into(),
        uris: vec!["https://example.org/x.bin".into()],
        samples: 3,
    });
    let path = folder.path().join("spec.json");
    fs::write(&path, serde_json::to_vec(&json).unwrap()).unwrap();
    let spec = SpecJson::read(&path).unwrap();
    let DataSource::Public(data) = spec.data else {
        panic!("a file is public data");
    };
    assert_eq!((data.bytes, data.samples), (3, 3));
    assert_eq!(data.blake3, *blake3::hash(b"abc").as_bytes());
}

#[test]
fn unknown_and_missing_fields_should_be_refused() {
    let text = serde_json::to_string(&template(Preset::Default, Kind::Digits)).unwrap();
    let unknown = text.replacen('{', "{\"nmae\":\"x\",", 1);
    assert!(serde_json::from_str::<SpecJson>(&unknown).is_err());
    let missing = text.replacen("\"licence\"", "\"license\"", 1);
    assert!(serde_json::from_str::<SpecJson>(&missing).is_err());
}

#[test]
fn bad_values_should_be_refused_with_the_name_of_the_field() {
    type Change = fn(&mut SpecJson);
    let cases: [(&str, Change); 14] = [
        ("name", |s| s.name = " ".into()),
        ("licence", |s| s.licence = "x".repeat(65)),
        ("worst", |s| s.worst = Nano(PERBILL)),
        ("baseline", |s| s.baseline = Nano(PERBILL + 1)),
        ("architectures", |s| {
            s.model.architectures = vec![Architecture::Llama]
        }),
        ("more than 16", |s| {
            s.model.architectures = vec![Architecture::Mlp; 17]
        }),
        ("max_seconds", |s| s.model.max_seconds = 0),
        ("model.base.manifest_root", |s| {
            s.model.base = Some(base("x", "https://x"))
        }),
        ("model.base.manifest_root", |s| {
            s.model.base = Some(base(&"0".repeat(64), "https://x"))
        }),
        ("model.base.uris", |s| {
            s.model.base = Some(base(&"1".repeat(64), "ftp://x"))
        }),
        ("rounds", |s| s.rounds = 0),
        ("lambda_milli", |s| s.rewards.lambda_milli = 88_000),
        ("min_scorers", |s| s.rewards.min_scorers = 0),
        ("data.uris", |s| {
            if let DataJson::Known(data) = &mut s.data {
                data.uris = vec!["ftp://x".into()];
            }
        }),
    ];
    for (field, change) in cases {
        let mut json = template(Preset::Default, Kind::Digits);
        change(&mut json);
        let refused = json
            .into_spec(here())
            .and_then(|spec| check(&spec))
            .unwrap_err();
        assert!(
            format!("{refused:#}").contains(field),
            "{field}: {refused:#}"
        );
    }
}

#[test]
fn a_percentile_and_public_data_should_come_with_a_warning() {
    let mut json = template(Preset::Default, Kind::Digits);
    let fields = |json: &SpecJson| -> Vec<&str> {
        let spec = json.clone().into_spec(here()).unwrap();
        check(&spec).unwrap();
        let warnings = warnings(&spec).into_iter();
        warnings.map(|w| w.split(':').next().unwrap()).collect()
    };
    let public = FileData {
        file: "Cargo.toml".into(),
        uris: vec!["https://example.org/x".into()],
        samples: 0,
    };
    json.data = DataJson::File(public);
    assert_eq!(fields(&json), ["data"]);
    json.rewards.cap = WeightCap::Percentile(88);
    assert_eq!(fields(&json), ["data", "rewards.cap"]);
    json.data = DataJson::Sealed(SealedJson {
        root: "7".repeat(64),
        max_bytes: 1,
        samples: 0,
    });
    assert_eq!(fields(&json), ["rewards.cap"]);
}

#[test]
fn sealed_data_should_be_read_from_its_seal_and_fit_the_rounds() {
    let folder = tempfile::tempdir().unwrap();
    let shards: Vec<_> = ["a", "bb", "ccc"]
        .map(|text| {
            let path = folder.path().join(text);
            fs::write(&path, text).unwrap();
            path
        })
        .into();
    let args = crate::args::SealArgs {
        shard: shards,
        split: None,
        rounds: Some(2),
        out: folder.path().join("sealed"),
    };
    crate::seal::seal(crate::out::Out { json: true }, args).unwrap();
    let mut json = template(Preset::Default, Kind::Digits);
    json.data = DataJson::Seal(SealPath {
        seal: "sealed/seal.json".into(),
        samples: 5,
    });
    json.rounds = 3;
    let refused = json.clone().into_spec(folder.path()).unwrap_err();
    assert!(
        format!("{refused:#}").contains("needs 4 shards"),
        "{refused:#}"
    );
    json.rounds = 2;
    let spec = json.into_spec(folder.path()).unwrap();
    let sealed = spec.sealed().expect("is sealed");
    assert_eq!((sealed.max_bytes, sealed.samples), (3, 5));
    let again = SpecJson::from_spec(&spec);
    assert_eq!(again.into_spec(folder.path()).unwrap(), spec);
}
