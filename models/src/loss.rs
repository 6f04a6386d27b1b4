//! Cross-entropy of large vocabularies.

use crate::fused::nll;
use candle_core::{Result, Tensor};

/// Most logits in memory at once where a vocabulary is large.
const CHUNK_LOGITS: usize = 1 << 22;

/// [`nll`] of `hidden · headᵀ` without ever holding all logits.
pub(crate) fn nll_in_chunks(hidden: &Tensor, head: &Tensor, targets: &Tensor) -> Result<Vec<f32>> {
    let rows = hidden.dim(0)?;
    let step = (CHUNK_LOGITS / head.dim(0)?.max(1)).max(1);
    let mut losses = Vec::with_capacity(rows);
    for start in (0..rows).step_by(step) {
        let length = step.min(rows - start);
        let logits = hidden.narrow(0, start, length)?.matmul(&head.t()?)?;
        losses.extend(nll(&logits, &targets.narrow(0, start, length)?)?.to_vec1::<f32>()?);
    }
    Ok(losses)
}
