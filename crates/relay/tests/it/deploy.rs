//! What `deploy/` ships: the unit, the container file, and what Relay does for them.

use std::fs;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::process::Command;

use crate::process::{Home, PATIENCE};

/// 32 bytes from a random generator, once.
const STRONG: &str = "q3J0vN8sYk1hT5mXbR7eZcA2uLwPdF9gKiHoVtQnMyE=";
const CONTAINER: &str = include_str!("../../../../deploy/Containerfile");
const UNIT: &str = include_str!("../../../../deploy/relay.service");
const TOML: &str = include_str!("../../../../deploy/relay.toml");

/// Machines without systemd have nothing to judge a unit with.
#[linchpin_testing::test]
fn the_unit_verifies_and_is_rated_below_2() {
    let home = Home::new();
    let unit = home.path().join("relay.service");
    let here = UNIT.replace("/usr/local/bin/relay", env!("CARGO_BIN_EXE_relay"));
    fs::write(&unit, here).expect("write");
    let analyze = |args: &[&str]| Command::new("systemd-analyze").args(args).arg(&unit).output();
    let Ok(verified) = analyze(&["verify", "--man=no"]) else { return };
    let said = String::from_utf8_lossy(&verified.stderr);
    assert!(verified.status.success() && !said.contains("relay.service"), "{said}");

    let rated = analyze(&["security", "--offline=true", "--no-pager"]).expect("it ran before");
    let said = String::from_utf8_lossy(&rated.stdout);
    let (_, level) =
        said.split_once("Overall exposure level for relay.service: ").expect("a level");
    let level: f64 = level.split(' ').next().and_then(|text| text.parse().ok()).expect("a number");
    assert!(level < 2.0, "{said}");
}

#[linchpin_testing::test]
async fn the_settings_that_are_shipped_are_taken() {
    let home = Home::new();
    fs::write(home.path().join("jwt-secret"), format!("{STRONG}\n")).expect("write");
    let key = home.run(&["keys", "new"]).await;
    fs::write(home.path().join("encryption-keys"), key.stdout).expect("write");
    fs::write(home.path().join("unit.toml"), TOML).expect("write");
    let secrets = [
        ("RELAY_JWT_SECRET_FILE", "jwt-secret"),
        ("RELAY_ENCRYPTION_KEYS_FILE", "encryption-keys"),
    ];
    let unit = home.run_with(&["check-config", "--config", "unit.toml"], &secrets).await;
    assert_eq!(unit.status.code(), Some(0), "{unit:?}");
    for (variable, file) in secrets {
        assert!(UNIT.contains(&format!("{variable}=%d/{file}")), "{UNIT}");
        assert!(UNIT.contains(&format!("LoadCredential={file}:")), "{UNIT}");
    }

    let given = CONTAINER.lines().filter_map(|line| line.strip_prefix("ENV ")?.split_once('='));
    let variables: Vec<_> = given
        .map(|(name, value)| (name, value.strip_prefix("/run/secrets/").unwrap_or(value)))
        .collect();
    assert!(secrets.iter().all(|secret| variables.contains(secret)), "{variables:?}");
    let container = home.run_with(&["check-config"], &variables).await;
    let said = String::from_utf8_lossy(&container.stdout);
    assert_eq!(container.status.code(), Some(0), "{container:?}");
    assert!(said.contains("production") && said.contains("jwt-secret line 1"), "{said}");
    assert!(!said.contains(STRONG), "{said}");
}

#[linchpin_testing::test]
async fn a_secret_from_a_file() {
    let home = Home::new();
    fs::write(home.path().join("secret"), format!("{STRONG}\n")).expect("write");
    let file = ["token", "--jwt-secret-file", "secret"];
    let relay = home.serve(&["--jwt-secret", STRONG]).await;
    let token = home.run(&file).await;
    let bearer = format!("Bearer {}", String::from_utf8_lossy(&token.stdout).trim());
    relay.call_with("GET", "/app", &[("authorization", &bearer)], "").await.expect(200);

    for (args, variables, expected) in [
        (&file[..], &[("RELAY_JWT_SECRET", STRONG)][..], "given by RELAY_JWT_SECRET, too"),
        (&["token", "--jwt-secret-file", "nowhere"], &[], "nowhere cannot be read"),
    ] {
        let refused = home.run_with(args, variables).await;
        let said = String::from_utf8_lossy(&refused.stderr);
        assert_eq!(refused.status.code(), Some(2), "{said}");
        assert!(said.contains(expected) && !said.contains(STRONG), "{said}");
    }
    for setting in relay::config::SETTINGS.iter().filter(|setting| setting.is_secret()) {
        let file = format!("{}-file", setting.key());
        assert!(relay::config::SETTINGS.iter().any(|one| one.key() == file), "no {file}");
    }
}

#[linchpin_testing::test]
async fn notify_is_told_ready_and_stopping() {
    let home = Home::new();
    let path = home.path().join("notify");
    let manager = UnixDatagram::bind(&path).expect("a socket");
    manager.set_read_timeout(Some(PATIENCE)).expect("a time limit");
    let told = || {
        let mut bytes = [0; 256];
        let length = manager.recv(&mut bytes).expect("a datagram");
        String::from_utf8_lossy(&bytes[..length]).into_owned()
    };
    let mut relay = home.serve_under(&format!("NOTIFY_SOCKET='{}'", path.display()), &[]).await;
    assert_eq!(told(), "READY=1");
    relay.terminate().await;
    assert_eq!(told(), "STOPPING=1\nEXTEND_TIMEOUT_USEC=30000000");
    assert_eq!(relay.wait(PATIENCE).await.code(), Some(0), "{}", *relay);
}

#[linchpin_testing::test]
async fn a_container_is_checked_by_a_command_that_tells_ready_from_not() {
    let check = CONTAINER.lines().find(|line| line.starts_with("HEALTHCHECK")).expect("a check");
    assert!(check.ends_with(r#"CMD ["/usr/local/bin/relay", "healthcheck"]"#), "{check}");
    let home = Home::new();
    let mut relay = home.serve(&[]).await;
    let variables = [("RELAY_ADMIN_LISTEN", relay.admin.trim_start_matches("http://").to_owned())];
    let variables = variables.each_ref().map(|(name, value)| (*name, value.as_str()));
    let well = home.run_with(&["healthcheck"], &variables).await;
    assert_eq!(well.status.code(), Some(0), "{well:?}");
    relay.terminate().await;
    relay.wait(PATIENCE).await;
    let gone = home.run_with(&["healthcheck"], &variables).await;
    assert_eq!(gone.status.code(), Some(1), "{gone:?}");
}

#[linchpin_testing::test]
fn the_container_file_names_what_exists() {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..");
    let value = |word: &str| {
        let line = CONTAINER.lines().find_map(|line| line.strip_prefix(word));
        line.unwrap_or_else(|| panic!("no {word}")).trim()
    };
    assert_eq!(value("STOPSIGNAL "), "SIGTERM");
    assert_eq!(value("USER "), "65532:65532", "a number, which Kubernetes can judge");
    let data = value("VOLUME ");
    assert!(value("ENV RELAY_DATABASE=").starts_with(data), "{data}");
    assert!(CONTAINER.contains("cargo build --release --locked -p relay"));
    assert!(CONTAINER.contains("/src/target/release/relay /usr/local/bin/relay"));
    let ignored = fs::read_to_string(root.join(".dockerignore")).expect("what is not copied");
    assert!(["target", ".git"].iter().all(|one| ignored.lines().any(|line| line == *one)));
    for file in ["Cargo.lock", "deploy/Containerfile", "deploy/README.md"] {
        assert!(root.join(file).exists(), "{file}");
    }
}
