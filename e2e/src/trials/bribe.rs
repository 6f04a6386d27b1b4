//! A jury whose votes were bought.

use super::{
    cast::AUTHOR,
    chronicle::Chronicle,
    court::{Case, Court},
};
use crate::{demo::people::service_key, poll, process, process::Process};
use anyhow::{Result, bail, ensure};
use std::time::Duration;

const DRAWN_WITHIN: Duration = Duration::from_secs(30);
const COMMITTED_WITHIN: Duration = Duration::from_secs(30);
const REVEALED_WITHIN: Duration = Duration::from_secs(60);

/// Processes that stand still until this is dropped.
#[derive(Debug)]
struct Halted(Vec<u32>);

impl Halted {
    fn new(processes: Vec<u32>) -> Result<Self> {
        let mut halted = Self(Vec::new());
        for process in processes {
            process::signal(process, "STOP")?;
            halted.0.push(process);
        }
        Ok(halted)
    }
}

impl Drop for Halted {
    fn drop(&mut self) {
        for process in &self.0 {
            if let Err(error) = process::signal(*process, "CONT") {
                eprintln!("process {process} may still stand still: {error:#}");
            }
        }
    }
}

impl Court<'_> {
    /// Opens a case whose jurors sell their votes: each convicts by hand, with its service key,
    /// before its node can say what its executor finds. The nodes stand still meanwhile, all but
    /// the author's.
    pub fn open_bought(&self, case: &Case) -> Result<u32> {
        let stage = self.stage;
        let mut chronicle = Chronicle::new(&stage.cluster.arena, self.rpc.best_block()?);
        let halted = Halted::new(stage.followers())?;
        let number = self.open(case)?;
        let jurors = poll::until("a jury to be bought", DRAWN_WITHIN, || {
            chronicle.update()?;
            let drawn = chronicle.of_case(number, "JuryDrawn").next();
            Ok(drawn.map(|event| event.accounts("jurors")))
        })?;
        let bought: Vec<String> = jurors
            .into_iter()
            .filter(|account| stage.name(account) != AUTHOR)
            .collect();
        ensure!(
            bought.len() >= 2,
            "only {} of the jurors can be bought",
            bought.len()
        );
        let mut votes = bought
            .iter()
            .map(|account| self.vote_by_hand(number, &stage.name(account)))
            .collect::<Result<Vec<_>>>()?;
        poll::until("bought votes", COMMITTED_WITHIN, || {
            votes.iter_mut().try_for_each(expect_no_failure)?;
            chronicle.update()?;
            let has_committed = |account: &String| {
                let mut events = chronicle.of_case(number, "VoteCommitted");
                events.any(|event| event.text("juror").is_ok_and(|juror| juror == account))
            };
            Ok(bought.iter().all(has_committed).then_some(()))
        })?;
        drop(halted);
        self.say(format!("case {number}: {} votes were bought", votes.len()));
        votes
            .iter_mut()
            .try_for_each(|vote| vote.succeed(REVEALED_WITHIN))?;
        Ok(number)
    }

    fn vote_by_hand(&self, case: u32, juror: &str) -> Result<Process> {
        let name = juror.trim_start_matches('/');
        let keep = self
            .stage
            .cluster
            .base
            .join(format!("vote-{case}-{name}.json"));
        let args = format!(
            "challenge vote --case {case} --vote convict --watch --keep {} --service-suri {}",
            keep.display(),
            service_key(juror)
        );
        let args = args.split_whitespace().map(Into::into).collect();
        self.stage.cluster.arena.background(args)
    }
}

fn expect_no_failure(vote: &mut Process) -> Result<()> {
    match vote.ended()? {
        Some(status) if !status.success() => {
            bail!("a bought vote failed ({status}):\n{}", vote.log_tail())
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{fs, process::Command};

    fn state(pid: u32) -> String {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
        let (_, after) = stat.rsplit_once(") ").unwrap();
        after.split(' ').next().unwrap().to_owned()
    }

    fn wait_for(pid: u32, is_so: impl Fn(&str) -> bool) {
        poll::until("a signal", Duration::from_secs(5), || {
            Ok(is_so(&state(pid)).then_some(()))
        })
        .unwrap();
    }

    #[test]
    fn halted_should_stand_still_until_it_is_dropped() {
        let dir = tempfile::tempdir().unwrap();
        let mut command = Command::new("sleep");
        command.arg("600");
        let log = dir.path().join("log");
        let sleeper = Process::spawn("sleeper", &mut command, &log).unwrap();
        let halted = Halted::new(vec![sleeper.pid()]).unwrap();
        wait_for(sleeper.pid(), |state| state == "T");
        drop(halted);
        wait_for(sleeper.pid(), |state| state != "T");
    }
}
