//! By hand: `compare`.

use crate::{directory, fault::describe, scoring};
use anyhow::{Result, anyhow};
use arena_models::Comparison;
use clap::Args;
use serde_json::json;
use std::path::PathBuf;

/// Arguments of `compare`.
#[derive(Debug, Args)]
pub(crate) struct Compare {
    /// Directory of a model or LoRA adapter.
    #[arg(long, value_name = "DIR")]
    model: PathBuf,
    /// Directory of the one that was first, which the distance is measured by.
    #[arg(long, value_name = "DIR")]
    earlier: PathBuf,
    /// Directory of the model that both were made from; none takes the weights themselves.
    #[arg(long, value_name = "DIR")]
    base: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// A distance of the wire, as people read it.
fn ratio(distance: u32) -> f64 {
    f64::from(distance) / 1e9
}

/// Prints how far two models are apart, tensor by tensor.
pub(crate) fn compare(args: &Compare) -> Result<()> {
    let base = args.base.as_deref();
    for dir in [args.model.as_path(), &args.earlier]
        .into_iter()
        .chain(base)
    {
        directory::check(dir)?;
    }
    let found = arena_models::compare(&args.model, &args.earlier, base)
        .map_err(|error| anyhow!("{}", describe(&scoring::fault(&error))))?;
    match args.json {
        true => println!("{}", to_json(&found)),
        false => print(&found),
    }
    Ok(())
}

fn to_json(found: &Comparison) -> serde_json::Value {
    let tensors = found.tensors.iter().map(|tensor| {
        json!({
            "name": tensor.name, "values": tensor.values, "distance": ratio(tensor.distance),
        })
    });
    json!({
        "distance": found.distance.map(ratio), "same": found.same,
        "tensors": tensors.collect::<Vec<_>>(),
    })
}

fn print(found: &Comparison) {
    let Some(distance) = found.distance else {
        println!("The models have other tensors: nothing can be said of a distance.");
        return;
    };
    let names = found.tensors.iter().map(|tensor| tensor.name.len());
    let width = names.max().unwrap_or_default();
    println!("{:width$}  {:>12}  {:>12}", "tensor", "numbers", "distance");
    for tensor in &found.tensors {
        println!(
            "{:width$}  {:>12}  {:>12.9}",
            tensor.name,
            tensor.values,
            ratio(tensor.distance)
        );
    }
    println!("\ndistance      {:.9}", ratio(distance));
    println!("same weights  {}", if found.same { "yes" } else { "no" });
}
