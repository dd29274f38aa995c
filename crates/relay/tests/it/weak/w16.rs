//! What it takes to run one.

use std::collections::BTreeSet;
use std::fs;

use crate::process::Home;
use crate::process::receiver::Receiver;

#[linchpin_testing::test]
async fn w16_one_process_and_one_file_are_all_there_is() {
    let (home, receiver) = (Home::new(), Receiver::start().await);
    let relay = home.serve(&[]).await;
    let (app, _) = relay.application(&[&receiver.url("/hook")]).await;
    let message = relay.message(&app, "{}").await;
    relay.attempts(&app, &message, 1).await;
    let folder = home.database();
    let folder = folder.parent().expect("a folder");
    let files: BTreeSet<String> = fs::read_dir(folder)
        .expect("a folder")
        .map(|file| file.expect("a file").file_name().to_string_lossy().into_owned())
        .collect();
    // The file, its log and the index of that, and what keeps a second process out.
    let expected = ["relay.db", "relay.db-lock", "relay.db-shm", "relay.db-wal"];
    assert_eq!(files, expected.map(str::to_owned).into());
}
