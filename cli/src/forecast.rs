//! What a proposer should know of a task before its vote, beyond what the chain checks.

use crate::{
    amount::Amount,
    chain::{At, time},
    fail::bad_input,
    ledger::{self, Rate},
};
use anyhow::Result;
use arena_math::wide::mul_div;
use arena_primitives::{
    Balance, MAX_EARLIER, TaskSpec, TimeParameters,
    time::{MINUTES_PER_DAY, blocks, scoring_blocks},
};
use sp_runtime::Perbill;

/// Seconds in a day of the chain's clock.
const DAY: u64 = 86_400;
/// Nanoseconds of computing that the sketch of one parameter takes, and that with a base, which
/// is read beside it (`docs/sketch.md`).
const SKETCH: [u64; 2] = [14, 21];

/// What to tell of a spec; refuses one that the chain would refuse by its clock. `share` of the
/// tasks' emission is what the referendum would let it draw, if one is submitted with it.
pub(crate) async fn notes(at: &At, spec: &TaskSpec, share: Option<u32>) -> Result<Vec<String>> {
    let clock = time(at).await?;
    check_challenge(spec, &clock)?;
    let seats = ledger::seats_of_trainers(at).await?;
    let load = Load::of(spec, &clock, seats);
    let mut notes: Vec<String> = load.warning(spec).into_iter().collect();
    if let Some(share) = share.filter(|_| spec.sealed().is_some()) {
        let rate = ledger::rate(at).await?;
        let draw = largest_draw(spec, &clock, &rate, Perbill::from_parts(share));
        notes.push(format!(
            "the data is sealed: approval holds a bond of {} tokens of the proposer at today's \
             emission, and no less than a proposal's deposit; each round whose shard isn't \
             opened in time costs it",
            Amount(draw)
        ));
    }
    Ok(notes)
}

/// Refuses a challenge phase that the chain would refuse.
fn check_challenge(spec: &TaskSpec, clock: &TimeParameters) -> Result<()> {
    let (days, least) = (spec.challenge_days, clock.challenge_days);
    if days >= least {
        return Ok(());
    }
    Err(bad_input(format!(
        "challenge_days: this chain takes {least} or more, so that a case fits in with its \
         appeal, and the spec has {days}"
    )))
}

/// What a round asks of a validator that is drawn for all models, one after the other.
#[derive(Debug, PartialEq, Eq)]
struct Load {
    /// Models of a full task.
    models: u32,
    /// For scoring all of them, at most.
    scoring: u64,
    /// For sketching them and the earlier ones that they are compared with.
    sketching: u64,
    /// That the commit window leaves for it.
    window: u64,
}

impl Load {
    /// In seconds of the chain's clock.
    fn of(spec: &TaskSpec, clock: &TimeParameters, models: u32) -> Self {
        let blocks = scoring_blocks(clock.windows.commit, spec.sealed().is_some());
        let window = u64::from(blocks)
            .saturating_mul(DAY)
            .checked_div(clock.blocks_per_day.into())
            .unwrap_or(0);
        Load {
            models,
            scoring: u64::from(spec.model.max_seconds).saturating_mul(models.into()),
            sketching: sketching(spec, models),
            window,
        }
    }

    fn needed(&self) -> u64 {
        self.scoring.saturating_add(self.sketching)
    }

    /// What to tell if not all of it fits.
    fn warning(&self, spec: &TaskSpec) -> Option<String> {
        if self.needed() <= self.window {
            return None;
        }
        let drawn = match spec.rewards.committee {
            0 => "each validator scores all models".into(),
            k => format!(
                "a validator whose stake is 1/{k} of all validators' or more is drawn for all \
                 models, a smaller one for fewer"
            ),
        };
        let sketches = match self.sketching {
            0 => String::new(),
            seconds => {
                format!(", and sketches of them and of {MAX_EARLIER} earlier ones {seconds} s")
            }
        };
        Some(format!(
            "warning: model.max_seconds: {drawn}; {} models, as many as a task has seats for \
             trainers, can take {} s{sketches}, and the commit window leaves {} s. {}. Lower \
             max_seconds, and with it max_parameters or the samples",
            self.models,
            self.scoring,
            self.window,
            self.outcome(spec.model.max_seconds)
        ))
    }

    /// What comes of it. Models are scored first.
    fn outcome(&self, seconds: u32) -> String {
        let models = u64::from(self.models);
        let scored = self.window.checked_div(seconds.into()).unwrap_or(models);
        if scored < models {
            return format!(
                "One that takes {seconds} s for each scores {scored} of them, one at a time, and \
                 reveals the other {} as Skipped(Timeout); a model that less than two thirds of \
                 the revealed weight have scored earns nothing",
                models.saturating_sub(scored)
            );
        }
        let missing = self.needed().saturating_sub(self.window);
        format!(
            "One that takes {seconds} s for each scores all of them, and lacks {missing} s for \
             sketches; a copy of which less than two thirds of the revealed weight have a sketch \
             ranks by its score"
        )
    }
}

/// Seconds for the sketches of so many models, as large as the task allows.
fn sketching(spec: &TaskSpec, models: u32) -> u64 {
    if spec.likeness.is_none() {
        return 0;
    }
    let [alone, with_base] = SKETCH;
    let each = if spec.model.base.is_some() {
        with_base
    } else {
        alone
    };
    let count = u64::from(models.saturating_add(MAX_EARLIER));
    let nanos = each.saturating_mul(spec.model.max_parameters);
    nanos.saturating_mul(count).div_ceil(1_000_000_000)
}

/// The most that one round of a task can draw of the emission. The first one draws from its
/// opening to its settlement.
fn largest_draw(spec: &TaskSpec, clock: &TimeParameters, rate: &Rate, share: Perbill) -> Balance {
    let count = |minutes: u32| blocks(minutes, clock.blocks_per_day);
    let first = count(spec.round_minutes).saturating_add(clock.windows.total());
    let last = count(spec.final_days.saturating_mul(MINUTES_PER_DAY));
    let day = count(MINUTES_PER_DAY).into();
    share.mul_ceil(mul_div(rate.tasks_per_day(), first.max(last).into(), day).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        spec::{DataJson, SealedJson},
        template::{self, Kind, Preset},
    };
    use arena_primitives::{BaseModel, LikenessRule, UNIT, time::Windows};
    use std::path::Path;

    /// A production chain's.
    fn clock() -> TimeParameters {
        TimeParameters {
            slot_millis: 6_000,
            epoch_slots: 600,
            blocks_per_day: 14_400,
            windows: Windows {
                gap: 100,
                publish: 1_200,
                seed: 16,
                commit: 7_200,
                reveal: 3_600,
            },
            unbonding_minutes: 7 * 1_440,
            commission_notice_minutes: 1_440,
            challenge_days: 5,
        }
    }

    fn spec(max_seconds: u32, committee: u16, sealed: bool) -> TaskSpec {
        let mut json = template::template(Preset::Default, Kind::Digits);
        json.model.max_seconds = max_seconds;
        json.rewards.committee = committee;
        json.likeness = None;
        if sealed {
            json.data = DataJson::Sealed(SealedJson {
                root: "7".repeat(64),
                max_bytes: 1,
                samples: 0,
            });
        }
        json.into_spec(Path::new(".")).unwrap()
    }

    #[test]
    fn a_full_task_that_does_not_fit_the_window_should_come_with_a_warning() {
        // 5,400 blocks of 6 s.
        let fitting = spec(126, 0, false);
        let load = Load::of(&fitting, &clock(), 256);
        assert_eq!((load.needed(), load.window), (32_256, 32_400));
        assert_eq!(load.warning(&fitting), None);
        let wide = spec(127, 0, false);
        let told = Load::of(&wide, &clock(), 256).warning(&wide).unwrap();
        for part in [
            "256 models",
            "32512 s",
            "32400 s",
            "scores 255",
            "other 1 as",
        ] {
            assert!(told.contains(part), "{part}: {told}");
        }
        assert!(told.contains("each validator scores all"), "{told}");
    }

    #[test]
    fn a_challenge_phase_should_be_refused_below_the_chains_least() {
        let mut spec = spec(60, 0, false);
        assert!(check_challenge(&spec, &clock()).is_ok(), "the template's");
        spec.challenge_days = 5;
        assert!(check_challenge(&spec, &clock()).is_ok());
        spec.challenge_days = 4;
        let told = check_challenge(&spec, &clock()).unwrap_err().to_string();
        assert!(
            told.contains("5 or more") && told.contains("has 4"),
            "{told}"
        );
    }

    #[test]
    fn sketches_should_count_beside_scores() {
        let mut tight = spec(126, 0, false);
        tight.model.max_parameters = 100_000_000;
        tight.likeness = Some(LikenessRule::DEFAULT);
        let load = Load::of(&tight, &clock(), 256);
        // 272 sketches of 1.4 s.
        assert_eq!((load.scoring, load.sketching), (32_256, 381));
        let told = load.warning(&tight).unwrap();
        for part in ["earlier ones 381 s", "scores all of them, and lacks 237 s"] {
            assert!(told.contains(part), "{part}: {told}");
        }
        tight.model.max_seconds = 125;
        assert_eq!(Load::of(&tight, &clock(), 256).warning(&tight), None);
        tight.model.base = Some(BaseModel {
            manifest_root: Default::default(),
            uris: Default::default(),
        });
        assert_eq!(Load::of(&tight, &clock(), 256).sketching, 572);
    }

    #[test]
    fn a_shard_should_leave_less_time_and_a_committee_none_more_for_large_stakes() {
        let sealed = spec(126, 9, true);
        let load = Load::of(&sealed, &clock(), 256);
        assert_eq!(load.window, 21_600);
        let told = load.warning(&sealed).unwrap();
        for part in ["1/9 of all", "scores 171", "other 85 as"] {
            assert!(told.contains(part), "{part}: {told}");
        }
        assert_eq!(Load::of(&sealed, &clock(), 171).warning(&sealed), None);
    }

    #[test]
    fn the_largest_draw_should_be_the_longer_rounds_part_of_what_tasks_get() {
        let rate = Rate {
            per_day: 1_000 * UNIT,
            network_share: Perbill::from_percent(20),
        };
        let mut spec = spec(60, 0, true);
        let half = Perbill::from_percent(50);
        // 1,440 minutes and 12,116 blocks of windows.
        let blocks = 14_400 + 12_116;
        let draw = largest_draw(&spec, &clock(), &rate, half);
        assert_eq!(draw, (800 * UNIT * blocks / 14_400).div_ceil(2));
        spec.final_days = 3;
        assert_eq!(largest_draw(&spec, &clock(), &rate, half), 1_200 * UNIT);
    }
}
