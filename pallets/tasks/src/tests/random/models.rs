//! Random models and shards, and what the second book says of them.

use super::*;

impl World {
    /// The task asks for no run, or the trainer registered one in an earlier block.
    fn has_run(&self, id: TaskId, who: u8) -> bool {
        let run = with(|n| n.runs.get(&(id, account(who))).copied());
        !self.book.tasks[&id].spec.registered || run.is_some_and(|at| at < now())
    }

    fn is_trainer(&self, id: TaskId, who: u8, round: Option<Round>) -> bool {
        let row = with(|n| n.positions.get(&(id, account(who))).copied());
        row.is_some_and(|(role, _, from)| {
            role == Role::Trainer && round.is_none_or(|round| from <= round)
        })
    }

    pub(super) fn submit(&mut self) -> bool {
        let id = self.task_in_submission();
        let who = if self.random.below(20) == 0 {
            VALIDATORS.start
        } else {
            self.random.in_range(TRAINERS)
        };
        let line = self.book.tasks.get(&id);
        let round = line.and_then(|line| line.submitting(now()));
        // Some come upon what was found in another round.
        let found_in = match self.random.below(6) {
            0 => 1,
            _ => round.unwrap_or(1) as u8,
        };
        let found = root(found_in * ROOTS + self.random.below(ROOTS.into()) as u8);
        let manifest_root = self.copied(id, round).unwrap_or(found);
        let nonce = H256::from_low_u64_be(self.random.below(1 << 40));
        let able = round
            .is_some_and(|round| self.is_trainer(id, who, Some(round)) && self.has_run(id, who));
        let commitment = hash(Domain::Submission, &(account(who), manifest_root, nonce));
        let done = self.sent(able, || Tasks::submit(signed(who), id, commitment));
        if let Some(round) = round.filter(|_| done) {
            let at = now();
            let row = Committed {
                manifest_root,
                nonce,
                at,
            };
            self.book.commitments.insert((id, round, who), row);
        }
        done
    }

    /// What somebody else committed to in this round, at times.
    fn copied(&mut self, id: TaskId, round: Option<Round>) -> Option<H256> {
        let round = round.filter(|_| self.random.below(3) == 0)?;
        let rows = self
            .book
            .commitments
            .range((id, round, 0)..=(id, round, u8::MAX));
        let roots: Vec<_> = rows.map(|(_, row)| row.manifest_root).collect();
        self.random.of(&roots)
    }

    /// Commitments that can be published now.
    pub(super) fn publishable_now(&self) -> Vec<(TaskId, u8, Committed)> {
        let rows = self.book.commitments.iter();
        let rows = rows.map(|((id, round, who), row)| (*round, (*id, *who, *row)));
        let fits = |(round, (id, who, row)): &(Round, (TaskId, u8, Committed))| {
            self.publishable(*id, *who, row.manifest_root, row.nonce) == Some(*round)
        };
        rows.filter(fits).map(|(_, row)| row).collect()
    }

    /// A commitment that can be published now, most times.
    fn commitment(&mut self) -> Option<(TaskId, u8, Committed)> {
        let fits = self.publishable_now();
        if self.random.below(8) > 0 {
            return self.random.of(&fits);
        }
        let rows = self.book.commitments.iter();
        let all: Vec<_> = rows.map(|((id, _, who), row)| (*id, *who, *row)).collect();
        self.random.of(&all)
    }

    pub(super) fn publish(&mut self) -> bool {
        let nothing = Committed {
            manifest_root: root(0xEE),
            nonce: root(1),
            at: now(),
        };
        let nothing = (self.task(), TRAINERS.start, nothing);
        let (mut id, mut who, mut row) = self.commitment().unwrap_or(nothing);
        let (mut signer, mut mirrors) = (None, uris());
        match self.random.below(24) {
            0 => who = self.random.in_range(TRAINERS),
            1 => row.nonce = root(1),
            2 => row.manifest_root = root(0xEE),
            3 => mirrors = Uris::default(),
            4 => signer = Some(account(who)),
            5 => id = self.task(),
            _ => {}
        }
        let Committed {
            manifest_root,
            nonce,
            ..
        } = row;
        let round = self.publishable(id, who, manifest_root, nonce);
        let round = round.filter(|_| signer.is_none() && !mirrors.is_empty());
        let signer = signer.unwrap_or_else(|| key(&account(who)));
        let call = crate::Call::publish {
            task: id,
            manifest_root,
            uris: mirrors.clone(),
            nonce,
        };
        let due = |signer| Tasks::check_duty(signer, &call).expect("a duty").is_ok();
        assert_eq!(due(&signer), round.is_some(), "the pool would err");
        let origin = RuntimeOrigin::signed(signer.clone());
        let done = self.sent(round.is_some(), || {
            Tasks::publish(origin, id, manifest_root, mirrors, nonce)
        });
        assert!(!done || !due(&signer), "due twice");
        if let Some(round) = round {
            self.book.publish(id, round, who);
        }
        done
    }

    /// In which round the book lets this be published.
    fn publishable(&self, id: TaskId, who: u8, manifest_root: H256, nonce: H256) -> Option<Round> {
        let round = self.book.tasks.get(&id)?.publishing(now())?;
        let row = self.book.commitments.get(&(id, round, who))?;
        let owner = self.book.owner(id, manifest_root);
        let free = owner.is_none_or(|(at, owner)| owner == who || (row.at, who) < (at, owner));
        let opens = (row.manifest_root, row.nonce) == (manifest_root, nonce);
        (free && opens && self.is_trainer(id, who, None)).then_some(round)
    }

    /// Rounds whose shard can be opened now.
    pub(super) fn openable(&self) -> Vec<(TaskId, Round)> {
        let alive = self.book.tasks.iter().flat_map(|(id, line)| {
            let rounds = line.rounds.keys();
            let opens = rounds.filter(|round| line.opens(**round, now()));
            opens.map(move |round| (*id, *round))
        });
        alive.collect()
    }

    /// Opens a shard that is due, most times.
    pub(super) fn open_shard(&mut self) -> bool {
        let due = self.random.of(&self.openable());
        let (mut id, mut round) = due.unwrap_or((self.task(), 1));
        let line = self.book.tasks.get(&id);
        let (mut who, rounds) = line.map_or((1, 1), |line| (line.creator, line.last()));
        let mut mirrors = uris();
        let (mut shard, mut proof) = sealed_part(rounds, round);
        match self.random.below(20) {
            0 => who = self.random.in_range(CREATORS),
            1 => shard.salt = root(7),
            2 => proof = sealed_part(rounds, round + 1).1,
            3 => mirrors = Uris::default(),
            4 => id = self.task(),
            5 => round += 1,
            6 => shard.bytes = 0,
            _ => {}
        }
        let able = self.book.tasks.get(&id).is_some_and(|line| {
            let fits = sealed_part(line.last(), round) == (shard.clone(), proof.clone());
            line.creator == who && line.opens(round, now()) && fits && !mirrors.is_empty()
        });
        let call = crate::Call::open_shard {
            task: id,
            round,
            shard: shard.clone(),
            proof: proof.clone(),
            uris: mirrors.clone(),
        };
        let signer = key(&account(who));
        let due = || Tasks::check_duty(&signer, &call).expect("a duty").is_ok();
        assert_eq!(due(), able, "the pool would err");
        let origin = RuntimeOrigin::signed(signer.clone());
        let done = self.sent(able, || {
            Tasks::open_shard(origin, id, round, shard, proof, mirrors)
        });
        assert!(!done || !due(), "due twice");
        if done {
            let line = self.book.tasks.get_mut(&id).expect("a task");
            line.shards.insert(round, true);
        }
        done
    }
}
