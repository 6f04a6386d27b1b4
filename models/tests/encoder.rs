//! Hidden states of a real encoder against PyTorch's; `scripts/encoder.sh` has both.

use safetensors::SafeTensors;
use serde::Deserialize;
use std::{fs, path::PathBuf};

/// Of the largest state of a text.
const TOLERANCE: f32 = 1e-5;

#[derive(Deserialize)]
struct Line {
    text: String,
}

fn directory(name: &str) -> PathBuf {
    std::env::var_os(name)
        .unwrap_or_else(|| panic!("{name} is not set; run scripts/encoder.sh"))
        .into()
}

#[test]
#[ignore = "needs PyTorch and a download; scripts/encoder.sh runs it"]
fn hidden_states_should_be_those_of_pytorch() {
    let expected = directory("ARENA_ENCODER_EXPECTED");
    let texts: Vec<String> = fs::read_to_string(expected.join("texts.jsonl"))
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str::<Line>(line).unwrap().text)
        .collect();
    // One `[tokens, width]` per text, flat.
    let found: Vec<Vec<f32>> =
        arena_models::hidden_states(&directory("ARENA_ENCODER_MODEL"), &texts).unwrap();
    let bytes = fs::read(expected.join("hidden.safetensors")).unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    let mut worst = 0f32;
    for (i, found) in found.iter().enumerate() {
        let tensor = tensors.tensor(&format!("hidden.{i}")).unwrap();
        let states: Vec<f32> = tensor
            .data()
            .chunks_exact(4)
            .map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]))
            .collect();
        assert_eq!(found.len(), states.len(), "text {i}: {:?}", tensor.shape());
        let largest = states.iter().fold(0f32, |most, v| most.max(v.abs()));
        let apart = found
            .iter()
            .zip(&states)
            .fold(0f32, |most, (a, b)| most.max((a - b).abs()));
        assert!(
            apart <= TOLERANCE * largest,
            "text {i}: {apart} of {largest}"
        );
        worst = worst.max(apart / largest);
    }
    assert_eq!(found.len(), texts.len());
    println!("{} texts, largest relative error {worst:.1e}", texts.len());
}
