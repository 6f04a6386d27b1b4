//! What a referendum asks for: a call, its origin, and whether it can take effect.

use super::{
    args::{AskerArgs, CallArgs, SubmitCommand, Track},
    parameters,
};
use crate::{
    amount::Amount,
    chain::{self, At, Config, api, fetch, id},
    fail,
};
use anyhow::{Context, Result};
use arena_primitives::{AccountId, Hash, TaskId};
use sp_runtime::{
    Perbill,
    traits::{BlakeTwo256, Hash as _},
};
use std::path::Path;
use subxt::{
    client::{ClientAtBlock, OfflineClientAtBlockT},
    dynamic::Value,
    ext::scale_value::{Composite, stringify},
    transactions::Payload,
    utils::H256,
};

/// What somebody asks for.
pub(super) struct Asked {
    /// Where it is decided.
    pub(super) track: Track,
    /// The call, as the chain reads it.
    pub(super) call: Vec<u8>,
}

fn encoded(at: &At, call: &impl Payload) -> Result<Vec<u8>> {
    at.transactions().call_data(call).map_err(fail::extrinsic)
}

/// Who asks.
pub(super) fn asker(command: &SubmitCommand) -> &AskerArgs {
    use SubmitCommand as C;
    match command {
        C::Task { asker, .. }
        | C::Parameters { asker, .. }
        | C::Spend { asker, .. }
        | C::CancelSlash { asker, .. }
        | C::Stop { asker, .. }
        | C::Upgrade { asker, .. } => asker,
        C::Pause(args) | C::Resume(args) | C::CancelTask(args) => &args.asker,
        C::Call(args) => &args.asker,
    }
}

/// What is asked for, after a look at whether it can take effect.
pub(super) async fn asked(at: &At, command: &SubmitCommand) -> Result<Asked> {
    use SubmitCommand as C;
    let (track, call) = match command {
        C::Task {
            spec_hash,
            max_share,
            ..
        } => {
            ensure_proposed(at, *spec_hash).await?;
            (Track::TaskApproval, approval(at, *spec_hash, *max_share)?)
        }
        C::Parameters { param, .. } => (Track::Parameters, parameters::set_call(at, param).await?),
        C::Spend {
            amount, to, root, ..
        } => {
            let track = if *root { Track::Root } else { Track::Treasury };
            (track, spend(at, *amount, to)?)
        }
        C::CancelSlash { slash, .. } => {
            ensure_pending(at, *slash).await?;
            let call = api::transactions().arena_staking().cancel_slash(*slash);
            (Track::CancelSlash, encoded(at, &call)?)
        }
        C::Pause(args) => (Track::TaskGuard, guard(at, command, args.task).await?),
        C::Resume(args) => (Track::TaskGuard, guard(at, command, args.task).await?),
        C::CancelTask(args) => (Track::TaskGuard, guard(at, command, args.task).await?),
        C::Stop {
            referendum, kill, ..
        } => stop(at, *referendum, *kill)?,
        C::Upgrade { wasm, .. } => (Track::Root, upgrade(at, wasm)?),
        C::Call(args) => (args.track, given(at, args)?),
    };
    Ok(Asked { track, call })
}

/// The call that approves a spec.
pub(super) fn approval(at: &At, spec_hash: Hash, share: u32) -> Result<Vec<u8>> {
    let call = api::transactions()
        .arena_tasks()
        .approve(H256(spec_hash.0), Perbill::from_parts(share).into());
    encoded(at, &call)
}

/// Refuses what was never proposed, or is proposed no longer.
pub(super) async fn ensure_proposed(at: &At, spec_hash: Hash) -> Result<()> {
    let key = (H256(spec_hash.0),);
    let proposals = api::storage().arena_tasks().proposals();
    let found = at.storage().try_fetch(proposals, key).await;
    match found.context("can't read the proposals of tasks")? {
        Some(_) => Ok(()),
        None => Err(fail::bad_input(format!(
            "no proposal has the spec hash {spec_hash:?}: its spec was changed or taken back, or \
             it is approved or expired; `arena proposals` lists those that wait"
        ))),
    }
}

async fn ensure_pending(at: &At, slash: u32) -> Result<()> {
    let pending = api::storage().arena_staking().pending_slashes();
    let found = at.storage().try_fetch(pending, (slash,)).await;
    match found.context("can't read the slashes that are pending")? {
        Some(_) => Ok(()),
        None => Err(fail::bad_input(format!(
            "no slash {slash} is pending: it was applied or taken back; \
             `arena events --pallet ArenaStaking` shows those that were deferred"
        ))),
    }
}

fn spend(at: &At, amount: Amount, to: &AccountId) -> Result<Vec<u8>> {
    let call = api::transactions()
        .treasury()
        .spend((), amount.0, id(to), None);
    encoded(at, &call)
}

async fn guard(at: &At, command: &SubmitCommand, task: TaskId) -> Result<Vec<u8>> {
    let paused = chain::task(at, task).await?.paused;
    let calls = api::transactions().arena_tasks();
    match command {
        SubmitCommand::Pause(_) if paused => {
            Err(fail::bad_input(format!("task {task} is paused already")))
        }
        SubmitCommand::Pause(_) => encoded(at, &calls.pause(task)),
        SubmitCommand::Resume(_) if !paused => {
            Err(fail::bad_input(format!("task {task} isn't paused")))
        }
        SubmitCommand::Resume(_) => encoded(at, &calls.resume(task)),
        _ => encoded(at, &calls.cancel(task)),
    }
}

fn stop(at: &At, referendum: u32, kill: bool) -> Result<(Track, Vec<u8>)> {
    let calls = api::transactions().referenda();
    Ok(if kill {
        let call = encoded(at, &calls.kill(referendum))?;
        (Track::ReferendumKiller, call)
    } else {
        let call = encoded(at, &calls.cancel(referendum))?;
        (Track::ReferendumCanceller, call)
    })
}

/// The bytes of a runtime.
pub(super) fn code(wasm: &Path) -> Result<Vec<u8>> {
    let shown = wasm.display();
    let code = std::fs::read(wasm).with_context(|| format!("can't read {shown}"))?;
    // Plain wasm, and what build tools write: zstd with a prefix of its own.
    let known: [&[u8]; 2] = [b"\0asm", &[0x52, 0xbc, 0x53, 0x76, 0x46, 0xdb, 0x8e, 0x05]];
    if known.iter().any(|magic| code.starts_with(magic)) {
        return Ok(code);
    }
    Err(fail::bad_input(format!(
        "{shown} is no runtime: it is neither wasm nor compressed wasm"
    )))
}

fn upgrade(at: &At, wasm: &Path) -> Result<Vec<u8>> {
    let hash = BlakeTwo256::hash(&code(wasm)?);
    let call = api::transactions().system().authorize_upgrade(H256(hash.0));
    encoded(at, &call)
}

fn given(at: &At, args: &CallArgs) -> Result<Vec<u8>> {
    let call = match (&args.call, &args.file) {
        (Some(text), _) => hex::decode(text.trim_start_matches("0x"))
            .map_err(|why| fail::bad_input(format!("--call is no hex: {why}")))?,
        (_, Some(file)) => {
            std::fs::read(file).with_context(|| format!("can't read {}", file.display()))?
        }
        (None, None) => Vec::new(),
    };
    match at.transactions().from_call_data_bytes(&call) {
        Ok(_) => Ok(call),
        Err(why) => Err(fail::bad_input(format!(
            "these bytes are no call of this chain: {why}"
        ))),
    }
}

/// A call as people read it.
pub(super) fn text<C: OfflineClientAtBlockT<Config>>(
    at: &ClientAtBlock<Config, C>,
    call: &[u8],
) -> String {
    let Ok(call) = at.transactions().from_call_data_bytes(call) else {
        return format!("0x{}, which is no call of this chain", hex::encode(call));
    };
    let name = format!("{}.{}", call.pallet_name(), call.call_name());
    format!("{name}{}", fields(call.call_data()))
}

fn fields(composite: &Composite<()>) -> String {
    let value = Value::from(composite.clone());
    let mut text = String::new();
    let written = stringify::to_writer_custom()
        .compact()
        .add_custom_formatter(|value, writer| {
            stringify::custom_formatters::format_hex(value, writer)
        })
        .write(&value, &mut text);
    match written {
        Ok(()) => text,
        Err(_) => String::from("(…)"),
    }
}

/// The spec that a call approves.
pub(super) fn approved_spec<C: OfflineClientAtBlockT<Config>>(
    at: &ClientAtBlock<Config, C>,
    call: &[u8],
) -> Option<Hash> {
    let named = at.transactions().from_call_data_bytes(call).ok()?;
    let is_approval = (named.pallet_name(), named.call_name()) == ("ArenaTasks", "approve");
    let hash = call.get(2..34).filter(|_| is_approval)?;
    <[u8; 32]>::try_from(hash).ok().map(Hash::from)
}

/// The bytes of a noted preimage.
pub(super) async fn preimage(at: &At, hash: H256, length: u32) -> Result<Option<Vec<u8>>> {
    let noted = api::storage().preimage().preimage_for();
    fetch(at, noted, ((hash, length),)).await
}

/// A call as a referendum names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Proposed {
    /// In a way that this release doesn't know.
    Unknown,
    /// In itself.
    Inline(Vec<u8>),
    /// By hash and length of a preimage.
    Lookup(H256, u32),
}

impl Proposed {
    /// The call, if its bytes are on chain.
    pub(super) async fn bytes(&self, at: &At) -> Result<Option<Vec<u8>>> {
        match self {
            Proposed::Inline(bytes) => Ok(Some(bytes.clone())),
            Proposed::Lookup(hash, length) => preimage(at, *hash, *length).await,
            Proposed::Unknown => Ok(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::offline, *};
    use codec::Encode;

    fn approve(hash: [u8; 32]) -> Vec<u8> {
        let call = api::transactions()
            .arena_tasks()
            .approve(H256(hash), Perbill::from_percent(20).into());
        offline::block().transactions().call_data(&call).unwrap()
    }

    #[test]
    fn calls_should_be_shown_with_their_arguments() {
        let block = offline::block();
        let shown = text(&block, &approve([7; 32]));
        assert!(shown.starts_with("ArenaTasks.approve"), "{shown}");
        assert!(shown.contains(&"07".repeat(32)), "{shown}");
        assert!(shown.contains("200000000"), "{shown}");
        let nonsense = text(&block, &[255, 255]);
        assert_eq!(nonsense, "0xffff, which is no call of this chain");
    }

    #[test]
    fn specs_should_be_read_from_approvals_alone() {
        let block = offline::block();
        let spec = approved_spec(&block, &approve([7; 32]));
        assert_eq!(spec, Some(Hash::repeat_byte(7)));
        let other = api::transactions().arena_tasks().pause(0);
        let other = block.transactions().call_data(&other).unwrap();
        assert_eq!(approved_spec(&block, &other), None);
        assert_eq!(approved_spec(&block, &().encode()), None);
    }

    #[test]
    fn what_is_no_runtime_should_be_refused() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), b"wasm").unwrap();
        let refused = code(file.path()).unwrap_err();
        assert!(refused.to_string().contains("is no runtime"), "{refused}");
        std::fs::write(file.path(), b"\0asm....").unwrap();
        assert!(code(file.path()).is_ok());
    }
}
