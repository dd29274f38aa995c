//! A disk that really fails: writes beyond a file size limit are I/O errors to SQLite.
//!
//! A limit binds a whole process, so the test runs itself once more under a shell that sets it.
#![cfg(target_os = "linux")]

use std::process::Command;

use linchpin::{Error, Kind};
use linchpin_data::sqlite::{CommitUnknown, Sql, Tx};

use crate::support::{fixture, insert};

const INNER: &str = "LINCHPIN_DATA_UNDER_A_LIMIT";

#[linchpin_testing::test]
fn a_failed_commit_is_told_as_unknown_and_the_writer_heals_with_the_disk() {
    if std::env::var_os(INNER).is_some() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        return runtime.block_on(under_a_limit());
    }
    // 1 MiB a file, in the shell's units of 1 KiB; without the trap the signal would kill.
    let script = "trap '' XFSZ; ulimit -S -f 1024; exec \"$0\" --exact --nocapture \
                  failing_disk::a_failed_commit_is_told_as_unknown_and_the_writer_heals_with_the_disk";
    let output = Command::new("bash")
        .arg("-c")
        .arg(script)
        .arg(std::env::current_exe().unwrap())
        .env(INNER, "1")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("1 passed"), "{text}{output:?}");
}

async fn under_a_limit() {
    let f = fixture();
    let mut stored = Vec::new();
    let mut unknown = 0;
    for key in 0..40 {
        let big = f.submit(move |tx| {
            insert(tx, key)?;
            tx.execute("INSERT INTO entry VALUES (?1, 1, randomblob(90000))", [key]).sql("insert")
        });
        match big.await {
            Ok(_) => stored.push((key, 2)),
            Err(error) => {
                assert_eq!(error.kind(), Kind::Unavailable, "{}", error.report());
                assert!(error.public().contains("temporarily"));
                unknown += usize::from(error.find::<CommitUnknown>().is_some());
            }
        }
    }
    assert!(unknown > 0 && !stored.is_empty(), "{unknown} unknown, {} stored", stored.len());
    assert_eq!(f.keys(), stored);
    let trouble = f.database.writer().trouble().expect("the last write failed");
    assert!(trouble.why.contains("disk I/O error"), "{trouble:?}");
    // Neither changes anything on the disk.
    f.submit(|_| Ok(())).await.unwrap();
    let refusal =
        |tx: &mut Tx<'_>| insert(tx, 99).and(Err::<(), _>(Error::new(Kind::NotFound, "x")));
    f.submit(refusal).await.unwrap_err();
    assert_eq!(f.database.writer().trouble().expect("still").since, trouble.since);

    let raised = Command::new("prlimit")
        .args(["--fsize=unlimited:", "--pid", &std::process::id().to_string()])
        .status()
        .unwrap();
    assert!(raised.success());
    f.submit(|tx| insert(tx, 100)).await.unwrap();
    assert!(f.database.writer().trouble().is_none());
    stored.push((100, 1));
    assert_eq!(f.keys(), stored);
}
