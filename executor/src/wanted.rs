//! Which files of a manifest evaluation reads.
//!
//! The others count among the bytes that a task allows, and are never fetched: so none of them
//! can be missing or changed on one machine and not on another.

/// When a file is fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// Before anything is judged: it describes the model.
    Early,
    /// Weights: their header first, the rest once that is judged.
    Late,
    /// Not at all.
    Never,
}

/// When the file at this path of a manifest is fetched.
pub(crate) fn of(path: &str) -> Wanted {
    match path {
        "config.json"
        | "tokenizer.json"
        | "tokenizer_config.json"
        | "chat_template.jinja"
        | "adapter_config.json"
        | "model.safetensors.index.json" => Wanted::Early,
        // Weights lie beside the config: nothing in a folder is read.
        _ if path.ends_with(".safetensors") && !path.contains('/') => Wanted::Late,
        _ => Wanted::Never,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_evaluation_reads_should_be_wanted() {
        for early in ["config.json", "tokenizer.json", "adapter_config.json"] {
            assert_eq!(of(early), Wanted::Early, "{early}");
        }
        for late in ["model.safetensors", "adapter_model.safetensors"] {
            assert_eq!(of(late), Wanted::Late, "{late}");
        }
        for never in [
            "README.md",
            ".gitattributes",
            "vocab.json",
            "merges.txt",
            "generation_config.json",
            "special_tokens_map.json",
            "pytorch_model.bin",
            "original/model.safetensors",
            "onnx/config.json",
        ] {
            assert_eq!(of(never), Wanted::Never, "{never}");
        }
    }
}
