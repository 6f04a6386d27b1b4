//! Runs what the command line asks for.

use crate::{
    chain_spec,
    cli::{Cli, Subcommand},
    service,
};
use arena_runtime::opaque::Block;
use sc_cli::SubstrateCli;
use sc_service::PartialComponents;
use std::path::Path;

impl SubstrateCli for Cli {
    fn impl_name() -> String {
        "AIArena Node".into()
    }

    fn impl_version() -> String {
        env!("SUBSTRATE_CLI_IMPL_VERSION").into()
    }

    fn description() -> String {
        env!("CARGO_PKG_DESCRIPTION").into()
    }

    fn author() -> String {
        env!("CARGO_PKG_AUTHORS").into()
    }

    fn support_url() -> String {
        "the project's issue tracker".into()
    }

    fn copyright_start_year() -> i32 {
        2026
    }

    fn load_spec(&self, id: &str) -> Result<Box<dyn sc_service::ChainSpec>, String> {
        Ok(Box::new(chain_spec::load(id)?))
    }
}

/// Runs the node or one of its subcommands.
pub(crate) fn run() -> sc_cli::Result<()> {
    let cli = Cli::from_args();
    match &cli.subcommand {
        Some(Subcommand::Key(cmd)) => cmd.run(&cli),
        Some(Subcommand::ExportChainSpec(cmd)) => {
            let spec = cli.load_spec(&cmd.chain)?;
            cmd.run(spec)
        }
        Some(Subcommand::CheckBlock(cmd)) => cli.create_runner(cmd)?.async_run(|config| {
            let PartialComponents {
                client,
                task_manager,
                import_queue,
                ..
            } = service::new_partial(&config)?;
            Ok((cmd.run(client, import_queue), task_manager))
        }),
        Some(Subcommand::ExportBlocks(cmd)) => cli.create_runner(cmd)?.async_run(|config| {
            let PartialComponents {
                client,
                task_manager,
                ..
            } = service::new_partial(&config)?;
            Ok((cmd.run(client, config.database), task_manager))
        }),
        Some(Subcommand::ExportState(cmd)) => cli.create_runner(cmd)?.async_run(|config| {
            let PartialComponents {
                client,
                task_manager,
                ..
            } = service::new_partial(&config)?;
            Ok((cmd.run(client, config.chain_spec), task_manager))
        }),
        Some(Subcommand::ImportBlocks(cmd)) => cli.create_runner(cmd)?.async_run(|config| {
            let PartialComponents {
                client,
                task_manager,
                import_queue,
                ..
            } = service::new_partial(&config)?;
            Ok((cmd.run(client, import_queue), task_manager))
        }),
        Some(Subcommand::PurgeChain(cmd)) => cli
            .create_runner(cmd)?
            .sync_run(|config| cmd.run(config.database)),
        Some(Subcommand::Revert(cmd)) => cli.create_runner(cmd)?.async_run(|config| {
            let PartialComponents {
                client,
                task_manager,
                backend,
                ..
            } = service::new_partial(&config)?;
            let revert_more = Box::new(
                |client: std::sync::Arc<service::FullClient>, backend, blocks| {
                    sc_consensus_babe::revert(client.clone(), backend, blocks)?;
                    sc_consensus_grandpa::revert(client, blocks)?;
                    Ok(())
                },
            );
            Ok((cmd.run(client, backend, Some(revert_more)), task_manager))
        }),
        Some(Subcommand::ChainInfo(cmd)) => cli
            .create_runner(cmd)?
            .sync_run(|config| cmd.run::<Block>(&config)),
        None => {
            let executor = cli.executor.clone();
            cli.create_runner(&cli.run)?
                .run_node_until_exit(|config| async move {
                    probe(config.base_path.path())?;
                    service::new_full(config, executor).map_err(sc_cli::Error::Service)
                })
        }
    }
}

/// Refuses a base path that can't be written, by its name: the parts of a node that fail to
/// write there don't tell it.
fn probe(base: &Path) -> Result<(), String> {
    let file = base.join(".probe");
    let written = std::fs::create_dir_all(base).and_then(|()| std::fs::write(&file, b"probe"));
    // A full disk takes the file, but not its content.
    let removed = std::fs::remove_file(&file);
    written
        .and(removed)
        .map_err(|e| format!("can't write to the base path {}: {e}", base.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probe_should_make_a_base_path_and_leave_it_empty() {
        let base = std::env::temp_dir().join(format!("arena-base-{}", std::process::id()));
        probe(&base.join("base")).expect("can be written");
        probe(&base.join("base")).expect("can be written again");
        std::fs::remove_dir(base.join("base")).expect("is empty");
        std::fs::remove_dir(&base).expect("is empty");
    }

    #[test]
    fn probe_should_name_a_base_path_that_cannot_be_written() {
        let file = std::env::temp_dir().join(format!("arena-file-{}", std::process::id()));
        std::fs::write(&file, "").expect("writes");
        let base = file.join("base");
        let refusal = probe(&base).expect_err("lies below a file");
        std::fs::remove_file(&file).expect("removes");
        let wanted = format!("can't write to the base path {}: ", base.display());
        assert!(refusal.starts_with(&wanted), "{refusal}");
    }
}
