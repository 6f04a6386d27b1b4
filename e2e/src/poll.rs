//! Waiting: polls with a deadline, and work side by side.

use anyhow::{Result, anyhow, bail};
use std::{
    sync::Mutex,
    thread,
    time::{Duration, Instant},
};

const PAUSE: Duration = Duration::from_millis(50);

/// Asks until there is an answer. An error of `ask` ends the wait; what may pass is `Ok(None)`.
pub fn until<T>(what: &str, within: Duration, ask: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    every(PAUSE, what, within, ask)
}

/// As [`until`], with another pause between two questions.
pub fn every<T>(
    pause: Duration,
    what: &str,
    within: Duration,
    mut ask: impl FnMut() -> Result<Option<T>>,
) -> Result<T> {
    let deadline = Instant::now() + within;
    loop {
        match ask() {
            Ok(Some(answer)) => return Ok(answer),
            Ok(None) if Instant::now() < deadline => thread::sleep(pause),
            Ok(None) => bail!("waited {} s for {what}, in vain", within.as_secs()),
            Err(error) => return Err(error.context(format!("while waiting for {what}"))),
        }
    }
}

/// Does `work` for every item, `width` at a time; the answers come in the items' order, and
/// all items are done before an error is returned.
pub fn side_by_side<T: Send, R: Send>(
    width: usize,
    items: Vec<T>,
    work: impl Fn(T) -> Result<R> + Sync,
) -> Result<Vec<R>> {
    let mut answers: Vec<Option<Result<R>>> = items.iter().map(|_| None).collect();
    let queue = Mutex::new(items.into_iter().zip(answers.iter_mut()));
    thread::scope(|scope| {
        for _ in 0..width.max(1) {
            scope.spawn(|| {
                while let Some((item, answer)) = next(&queue) {
                    *answer = Some(work(item));
                }
            });
        }
    });
    drop(queue);
    answers
        .into_iter()
        .map(|answer| answer.unwrap_or_else(|| Err(anyhow!("not done"))))
        .collect()
}

fn next<I: Iterator>(queue: &Mutex<I>) -> Option<I::Item> {
    queue
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
        .next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn until_should_give_up_at_the_deadline_and_name_what_it_waited_for() {
        let error = until::<()>("rain", Duration::from_millis(1), || Ok(None)).unwrap_err();
        assert!(error.to_string().contains("rain"));
    }

    #[test]
    fn side_by_side_should_keep_the_order_and_do_everything_before_it_fails() {
        let doubled = side_by_side(3, (0..20).collect(), |n: i32| Ok(n * 2)).unwrap();
        assert_eq!(doubled, (0..20).map(|n| n * 2).collect::<Vec<_>>());

        let done = Mutex::new(0);
        let failed = side_by_side(2, vec![1, 2, 3], |n| {
            *done.lock().unwrap() += 1;
            if n == 1 { bail!("one") } else { Ok(()) }
        });
        assert_eq!((failed.is_err(), *done.lock().unwrap()), (true, 3));
    }
}
