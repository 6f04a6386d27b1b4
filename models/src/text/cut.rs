//! The tokens of a sample that fit the context.

use super::Sequence;

/// Tokens of a part of a sample.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) ids: Vec<u32>,
    /// Whether they are predicted, or only given.
    pub(super) target: bool,
}

/// Inputs and targets of which neither are more than `context`, with no bytes yet, and how many
/// tokens of each part are kept.
///
/// The first targets are kept, and of what is given before the last of them the newest tokens
/// that fit beside. A given text that begins with the start token has it once.
pub(super) fn fit(mut parts: Vec<Part>, start: u32, context: usize) -> (Sequence, Vec<usize>) {
    if let Some(first) = parts.first_mut()
        && !first.target
        && first.ids.first() == Some(&start)
    {
        first.ids.remove(0);
    }
    let mut room = context;
    let mut kept: Vec<usize> = Vec::with_capacity(parts.len());
    for part in &parts {
        let count = if part.target {
            part.ids.len().min(room)
        } else {
            0
        };
        room -= count;
        kept.push(count);
    }
    let needed = kept
        .iter()
        .rposition(|count| *count > 0)
        .map_or(0, |at| at + 1);
    for (part, count) in parts.iter().zip(&mut kept).take(needed).rev() {
        if !part.target {
            *count = part.ids.len().min(room);
            room -= *count;
        }
    }
    let mut all = vec![start];
    let mut targets = Vec::new();
    for (part, count) in parts.iter().zip(&kept) {
        if part.target {
            for id in part.ids.iter().take(*count) {
                targets.push((all.len() as u32 - 1, *id));
                all.push(*id);
            }
        } else {
            all.extend_from_slice(&part.ids[part.ids.len() - count..]);
        }
    }
    all.pop();
    let sequence = Sequence {
        ids: all,
        targets,
        bytes: 0,
    };
    (sequence, kept)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn part(ids: &[u32], target: bool) -> Part {
        Part {
            ids: ids.to_vec(),
            target,
        }
    }

    #[test]
    fn fit_should_give_each_target_the_row_before_it() {
        let parts = vec![
            part(&[9, 1, 2], false),
            part(&[3, 4], true),
            part(&[5], false),
        ];
        let (found, kept) = fit(parts.clone(), 9, 8);
        assert_eq!((found.ids, kept), (vec![9, 1, 2, 3], vec![2, 2, 0]));
        assert_eq!(found.targets, [(2, 3), (3, 4)]);
        let (found, _) = fit(parts.clone(), 7, 8);
        assert_eq!(found.ids, [7, 9, 1, 2, 3]);
        let (found, _) = fit(parts.clone(), 9, 3);
        assert_eq!(found.ids, [9, 2, 3], "the oldest given tokens go first");
        let (found, kept) = fit(parts, 9, 1);
        assert_eq!((found.ids, kept), (vec![9], vec![0, 1, 0]));
        assert_eq!(found.targets, [(0, 3)]);
    }

    fn parts() -> impl Strategy<Value = Vec<Part>> {
        let part = (proptest::collection::vec(0u32..50, 0..6), any::<bool>());
        let part = part.prop_map(|(ids, target)| Part { ids, target });
        proptest::collection::vec(part, 1..6)
    }

    proptest! {
        #[test]
        fn fit_should_keep_the_first_targets_whatever_is_given(
            parts in parts(), context in 1usize..20,
        ) {
            let all: Vec<u32> = parts.iter().filter(|p| p.target).flat_map(|p| p.ids.clone()).collect();
            prop_assume!(!all.is_empty());
            let (found, _) = fit(parts, 99, context);
            let tokens: Vec<u32> = found.targets.iter().map(|t| t.1).collect();
            prop_assert_eq!(&tokens, &all[..all.len().min(context)]);
            prop_assert!(found.ids.len() <= context && found.ids[0] == 99);
            prop_assert!(found.targets.windows(2).all(|w| w[0].0 < w[1].0));
            prop_assert_eq!(found.targets.last().unwrap().0 as usize, found.ids.len() - 1);
            for (row, token) in &found.targets {
                let next = found.ids.get(*row as usize + 1).copied();
                prop_assert!(next.is_none_or(|next| next == *token));
            }
        }
    }
}
