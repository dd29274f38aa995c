//! The writer against a plain model: the table is exactly what was answered `Ok`.

use linchpin::{Error, Kind, Result, task};
use linchpin_data::sqlite::{Options, Sql, Tx};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::support::{conflict, fixture_with, insert_part, panic_quietly};

#[derive(Clone, Copy, Debug)]
enum Action {
    Conflict,
    ConflictIgnored,
    Control,
    Insert,
    Orphan,
    Panic,
    Refuse,
}

fn actions() -> impl Strategy<Value = Action> {
    prop_oneof![
        6 => Just(Action::Insert),
        1 => Just(Action::Conflict),
        1 => Just(Action::ConflictIgnored),
        1 => Just(Action::Control),
        1 => Just(Action::Orphan),
        1 => Just(Action::Panic),
        1 => Just(Action::Refuse),
    ]
}

/// Two rows, with the trouble between them: half an effect would show.
fn act(tx: &mut Tx<'_>, key: i64, action: Action) -> Result<()> {
    insert_part(tx, key, 1)?;
    match action {
        Action::Insert => {}
        Action::Conflict => drop(conflict(tx, 1_000 + key)?),
        // After it SQLite would commit each statement on its own.
        Action::ConflictIgnored => drop(conflict(tx, 1_000 + key)),
        Action::Control => drop(tx.execute_batch("ROLLBACK")),
        Action::Orphan => {
            tx.execute("INSERT INTO child VALUES (?1, 99)", [key]).sql("orphan")?;
        }
        Action::Panic => panic_quietly(),
        Action::Refuse => return Err(Error::new(Kind::Aborted, "refused")),
    }
    drop(insert_part(tx, key, 2));
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[linchpin_testing::test]
    fn the_table_holds_what_was_answered_ok(list in vec(actions(), 1..60), cap in 1usize..64) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
        runtime.block_on(async {
            let f = fixture_with(Options::default().group_count(cap).queue(16));
            let tasks: Vec<_> = (0..)
                .zip(&list)
                .map(|(key, &action)| {
                    let (writer, ctx) = (f.database.writer().clone(), f.ctx.clone());
                    let submit = async move { writer.submit(&ctx, move |tx| act(tx, key, action)).await };
                    (key, action, task::spawn("submitter", submit))
                })
                .collect();
            let mut acknowledged = Vec::new();
            for (key, action, submitter) in tasks {
                let sound = matches!(action, Action::Insert | Action::Control);
                let answer = submitter.join().await;
                assert_eq!(answer.is_ok(), sound, "{action:?}: {answer:?}");
                if sound {
                    acknowledged.push((key, 2));
                }
            }
            assert_eq!(f.keys(), acknowledged);
            assert_eq!(f.database.writer().stats().submissions, list.len() as u64);
            f.database.close(&f.ctx).await.unwrap();
        });
    }
}
