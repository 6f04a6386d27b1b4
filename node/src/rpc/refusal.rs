//! Refusals of the runtime and of this node as JSON-RPC errors: code, message, name.

use arena_runtime_api::Refusal;
pub(crate) use arena_runtime_api::reference::Problem;
use jsonrpsee::{core::RpcResult, types::ErrorObjectOwned};
use serde_json::json;

/// The error of a problem. Its data have the problem's name, and what is known beside.
pub(crate) fn problem(problem: Problem, detail: Option<String>) -> ErrorObjectOwned {
    let mut data = json!({"name": problem.name()});
    if let Some(detail) = detail {
        data["detail"] = json!(detail);
    }
    ErrorObjectOwned::owned(problem.code(), problem.message(), Some(data))
}

/// What the runtime answered, or its refusal as an error.
pub(crate) fn answered<T>(answer: Result<T, Refusal>) -> RpcResult<T> {
    answer.map_err(|refusal| problem(Problem::Refused(refusal), None))
}
