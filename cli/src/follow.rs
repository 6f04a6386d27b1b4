//! Following best blocks past the end of a connection: a node that goes away is asked again.

use crate::{
    chain::{At, Chain},
    out::Out,
};
use anyhow::{Context, Error, Result, bail};
use std::{ops::ControlFlow, time::Duration};

/// First pause before a node that went away is asked again; each one after it is twice as long.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// Longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Shows each best block to `look`, with the connection that it was read from, until `look` breaks
/// off with what it found. Where the node goes away, or `look` can't read it, that is told, and
/// the node at `url` is asked again. Blocks in between are not shown.
pub(crate) async fn best_blocks<T>(
    out: Out,
    url: &str,
    chain: &Chain,
    mut look: impl AsyncFnMut(&Chain, &At) -> Result<ControlFlow<T>>,
) -> T {
    persist(
        chain,
        FIRST_PAUSE,
        async || Chain::connect(url).await,
        async |chain: &Chain, pause: &mut Duration| show(chain, pause, &mut look).await,
        |why| out.note(format!("{why:#}; going on as soon as the node answers")),
    )
    .await
}

/// Shows best blocks as long as one connection lasts; each that could be read makes the pauses
/// short again.
async fn show<T>(
    chain: &Chain,
    pause: &mut Duration,
    look: &mut impl AsyncFnMut(&Chain, &At) -> Result<ControlFlow<T>>,
) -> Result<T> {
    let mut blocks = chain.best_blocks().await?;
    while let Some(block) = blocks.next().await {
        let at = block
            .context("lost the stream of best blocks")?
            .at()
            .await
            .context("can't read a best block")?;
        let seen = look(chain, &at).await?;
        *pause = FIRST_PAUSE;
        if let ControlFlow::Break(found) = seen {
            return Ok(found);
        }
    }
    bail!("the node stopped telling of best blocks")
}

/// Makes `visit` with one connection after the other until it succeeds.
async fn persist<C, T>(
    first: &C,
    mut pause: Duration,
    connect: impl AsyncFn() -> Result<C>,
    mut visit: impl AsyncFnMut(&C, &mut Duration) -> Result<T>,
    tell: impl Fn(Error),
) -> T {
    let mut again = None;
    loop {
        match visit(again.as_ref().unwrap_or(first), &mut pause).await {
            Ok(found) => return found,
            Err(why) => tell(why),
        }
        again = loop {
            tokio::time::sleep(pause).await;
            pause = pause.saturating_mul(2).min(LONGEST_PAUSE);
            match connect().await {
                Ok(chain) => break Some(chain),
                Err(why) => tell(why),
            }
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::anyhow;
    use std::cell::{Cell, RefCell};

    #[tokio::test]
    async fn persist_should_go_on_with_a_new_connection_each_time_one_is_lost() {
        let (asked, told) = (Cell::new(0), RefCell::new(Vec::new()));
        let found = persist(
            &0,
            Duration::ZERO,
            async || {
                asked.set(asked.get() + 1);
                // Away twice when it is asked again first.
                let up = asked.get() > 2;
                up.then_some(asked.get()).ok_or_else(|| anyhow!("away"))
            },
            async |connection: &i32, _: &mut Duration| match connection {
                4 => Ok(*connection),
                lost => Err(anyhow!("lost {lost}")),
            },
            |why| told.borrow_mut().push(why.to_string()),
        );
        assert_eq!(found.await, 4);
        assert_eq!(*told.borrow(), ["lost 0", "away", "away", "lost 3"]);
    }

    #[tokio::test]
    async fn pauses_should_double_until_a_visit_makes_them_short_again() {
        let (mut seen, unit) = (Vec::new(), Duration::from_micros(1));
        persist(
            &(),
            unit,
            async || Ok(()),
            async |(): &(), pause: &mut Duration| {
                seen.push(*pause);
                if seen.len() == 3 {
                    *pause = unit;
                }
                (seen.len() == 5)
                    .then_some(())
                    .ok_or_else(|| anyhow!("lost"))
            },
            |_| (),
        )
        .await;
        assert_eq!(seen, [1, 2, 4, 2, 4].map(Duration::from_micros));
    }
}
