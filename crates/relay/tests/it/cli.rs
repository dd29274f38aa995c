//! The command line as people meet it.

use std::fs;
use std::process::Output;

use tokio::net::TcpListener;

use crate::process::Home;

/// 32 bytes from a random generator, once.
const STRONG: &str = "q3J0vN8sYk1hT5mXbR7eZcA2uLwPdF9gKiHoVtQnMyE=";
/// A key of another generator.
const SEALS: &str = "k1:Xd9DjKVT9CYK1cgHv8rXkQpu8dEK+Uc5rMZ4qSm2n7I=";

#[linchpin_testing::test]
async fn check_config_shows_each_setting_its_source_and_no_secret() {
    let home = Home::new();
    fs::write(home.path().join("relay.toml"), "request-timeout = \"7s\"\nlog-level = \"warn\"\n")
        .expect("write");
    let args = ["check-config", "--delivery-queue", "99"];
    let checked =
        home.run_with(&args, &[("RELAY_LOG_LEVEL", "debug"), ("RELAY_JWT_SECRET", STRONG)]).await;
    assert_eq!(checked.status.code(), Some(0), "{checked:?}");
    let said = text(&checked.stdout);
    let line = |key: &str| {
        let line = said.lines().find(|line| line.trim_start().starts_with(key));
        line.unwrap_or_else(|| panic!("no {key} in {said}"))
    };
    assert!(
        line("delivery-queue").contains("99")
            && line("delivery-queue").contains("--delivery-queue"),
        "{said}"
    );
    assert!(
        line("log-level").contains("debug") && line("log-level").contains("RELAY_LOG_LEVEL"),
        "{said}"
    );
    assert!(
        line("request-timeout").contains("7s") && line("request-timeout").contains("relay.toml"),
        "{said}"
    );
    assert!(line("mode").contains("default"), "{said}");
    assert!(line("jwt-secret").contains("RELAY_JWT_SECRET"), "{said}");
    assert!(!said.contains(STRONG) && !text(&checked.stderr).contains(STRONG), "{said}");
}

#[linchpin_testing::test]
async fn a_flag_wins_over_a_variable_and_a_variable_over_the_file() {
    let home = Home::new();
    fs::write(home.path().join("relay.toml"), "request-timeout = \"1s\"\n").expect("write");
    let variable = [("RELAY_REQUEST_TIMEOUT", "2s")];
    for (args, variables, expected) in [
        (&["check-config"][..], &[][..], "1s"),
        (&["check-config"][..], &variable[..], "2s"),
        (&["check-config", "--request-timeout", "3s"][..], &variable[..], "3s"),
    ] {
        let said = text(&home.run_with(args, variables).await.stdout);
        let line = said
            .lines()
            .find(|line| line.trim_start().starts_with("request-timeout"))
            .expect("a line");
        assert!(line.contains(expected), "{expected}: {line}");
    }
}

#[linchpin_testing::test]
async fn a_wrong_setting_is_named_with_its_source_and_what_would_be_right() {
    let home = Home::new();
    let file = home.path().join("settings.toml");
    fs::write(&file, "# a comment\nrequest-timeout = \"soon\"\n").expect("write");
    let file = file.display().to_string();
    for (args, variables, expected) in [
        (
            vec!["check-config", "--request-timeout", "soon"],
            vec![],
            vec!["request-timeout", "--request-timeout", "soon", "250ms"],
        ),
        (
            vec!["check-config"],
            vec![("RELAY_REQUEST_TIMEOUT", "soon")],
            vec!["request-timeout", "RELAY_REQUEST_TIMEOUT", "soon"],
        ),
        (
            vec!["check-config", "--config", &file],
            vec![],
            vec!["request-timeout", "settings.toml", "2", "soon"],
        ),
        (
            vec!["check-config"],
            vec![("RELAY_DELIVERY_QEUE", "5")],
            vec!["RELAY_DELIVERY_QEUE", "`RELAY_DELIVERY_QUEUE`"],
        ),
        (
            vec!["check-config", "--delivery-concurrency", "0"],
            vec![],
            vec!["delivery-concurrency", "1"],
        ),
        (vec!["check-config", "--config", "nowhere.toml"], vec![], vec!["nowhere.toml"]),
        (
            vec!["check-config", "--retry-schedule", "5s,later"],
            vec![],
            vec!["retry-schedule", "later"],
        ),
        (
            vec!["check-config", "--allowed-subnets", "10.0.0.0/99"],
            vec![],
            vec!["allowed-subnets", "10.0.0.0/99"],
        ),
        (
            vec!["check-config", "--egress-proxy", "http://relay:hidden@proxy/path"],
            vec![],
            vec!["egress-proxy", "after host and port", "socks5://"],
        ),
        (
            vec!["check-config", "--egress-proxy", "http://proxy", "--egress-no-proxy", "*.test"],
            vec![],
            vec!["egress-no-proxy", "`*.test`", ".example.com"],
        ),
        (vec!["check-config", "--ca-file", "nowhere.pem"], vec![], vec!["ca-file", "nowhere.pem"]),
        (vec!["check-config", "--ca-file", &file], vec![], vec!["ca-file", "no certificate"]),
        (vec!["check-config", "--ca-only", "true"], vec![], vec!["ca-only", "ca-file"]),
        (vec!["check-config", "--mode", "prod"], vec![], vec!["mode", "production"]),
    ] {
        let refused = home.run_with(&args, &variables).await;
        wrong(&refused, &expected);
    }
    let unknown = home.path().join("relay.toml");
    fs::write(&unknown, "\nlisten-addr = \"127.0.0.1:1\"\ndatabse = \"x.db\"\n").expect("write");
    let refused = home.run(&["check-config"]).await;
    wrong(&refused, &["databse", "database", "relay.toml", "3", "listen-addr", "2"]);
}

#[linchpin_testing::test]
async fn all_that_is_wrong_is_said_at_once() {
    let home = Home::new();
    let args = [
        "check-config",
        "--request-timeout",
        "soon",
        "--listen",
        "nowhere",
        "--delivery-queue",
        "-",
    ];
    wrong(&home.run(&args).await, &["request-timeout", "listen", "delivery-queue"]);
}

#[linchpin_testing::test]
async fn production_wants_a_key_of_its_own() {
    let home = Home::new();
    let production = ["check-config", "--mode", "production"];
    let secret = ("RELAY_JWT_SECRET", STRONG);
    wrong(&home.run_with(&production, &[secret]).await, &["encryption-keys", "relay keys new"]);
    let (_, known) = relay::config::DEVELOPMENT_KEY.split_once(':').expect("an id and a key");
    let weak = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    for (keys, shown) in [
        (format!("k1:{known}"), known),
        (format!("{SEALS},k2:{known}"), known),
        (format!("k1:{weak}"), weak),
        (format!("{SEALS},{SEALS}"), SEALS),
        (String::new(), "nothing"),
    ] {
        let variables = [secret, ("RELAY_ENCRYPTION_KEYS", keys.as_str())];
        let refused = home.run_with(&production, &variables).await;
        wrong(&refused, &["encryption-keys"]);
        assert!(!text(&refused.stderr).contains(shown), "{keys}");
    }
}

#[linchpin_testing::test]
async fn a_new_key_is_one_that_production_takes() {
    let home = Home::new();
    let (one, other) = (home.run(&["keys", "new"]).await, home.run(&["keys", "new"]).await);
    let (one, other) = (text(&one.stdout), text(&other.stdout));
    assert_ne!(one, other);
    let variables = [("RELAY_JWT_SECRET", STRONG), ("RELAY_ENCRYPTION_KEYS", one.trim())];
    let taken = home.run_with(&["check-config", "--mode", "production"], &variables).await;
    assert_eq!(taken.status.code(), Some(0), "{taken:?}");
    assert!(!text(&taken.stdout).contains(one.trim()), "{taken:?}");
    let named = text(&home.run(&["keys", "new", "--id", "mine"]).await.stdout);
    assert!(named.starts_with("mine:"), "{named}");
    wrong(&home.run(&["keys", "new", "--id", "Mine"]).await, &["--id", "a-z"]);
}

#[linchpin_testing::test]
async fn production_refuses_the_known_secret_and_weak_ones() {
    let home = Home::new();
    let production = ["check-config", "--mode", "production"];
    wrong(&home.run(&production).await, &["jwt-secret", "openssl rand", "encryption-keys"]);
    for weak in ["short", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"] {
        let refused = home.run_with(&production, &[("RELAY_JWT_SECRET", weak)]).await;
        wrong(&refused, &["jwt-secret", "RELAY_JWT_SECRET"]);
        assert!(
            !text(&refused.stderr).contains(weak),
            "a secret is never shown, not even a wrong one"
        );
    }
    let variables = [("RELAY_JWT_SECRET", STRONG), ("RELAY_ENCRYPTION_KEYS", SEALS)];
    let taken = home.run_with(&production, &variables).await;
    assert_eq!(taken.status.code(), Some(0), "{taken:?}");
}

#[linchpin_testing::test]
async fn development_does_not_listen_to_the_world() {
    let home = Home::new();
    let refused = home.run(&["check-config", "--listen", "0.0.0.0:8071"]).await;
    wrong(&refused, &["listen", "--listen", "127.0.0.1", "production"]);
    let args = ["check-config", "--mode", "production", "--listen", "0.0.0.0:8071"];
    let variables = [("RELAY_JWT_SECRET", STRONG), ("RELAY_ENCRYPTION_KEYS", SEALS)];
    let taken = home.run_with(&args, &variables).await;
    assert_eq!(taken.status.code(), Some(0), "{taken:?}");
}

#[linchpin_testing::test]
async fn help_names_every_command_and_setting() {
    let home = Home::new();
    let help = home.run(&["--help"]).await;
    assert_eq!(help.status.code(), Some(0));
    let help = text(&help.stdout);
    for command in [
        "serve",
        "listen",
        "keys",
        "backup",
        "restore",
        "migrate",
        "token",
        "check-config",
        "healthcheck",
        "completions",
        "app",
        "message",
    ] {
        assert!(
            help.lines().any(|line| line.trim_start().starts_with(command)),
            "{command} in {help}"
        );
    }
    let serve = text(&home.run(&["serve", "--help"]).await.stdout);
    for setting in relay::config::SETTINGS {
        assert!(serve.contains(&format!("--{}", setting.key())), "{} in {serve}", setting.key());
    }
    for secret in [relay::config::DEVELOPMENT_SECRET, relay::config::DEVELOPMENT_KEY] {
        assert!(!serve.contains(secret));
    }
    let unknown = home.run(&["sreve"]).await;
    assert_eq!(unknown.status.code(), Some(2), "{unknown:?}");
    assert!(text(&unknown.stderr).contains("serve"), "{unknown:?}");
}

#[linchpin_testing::test]
async fn short_help_is_of_the_command_and_long_help_of_all_settings() {
    let home = Home::new();
    for command in ["backup", "doctor", "token", "migrate"] {
        let [short, long] = ["-h", "--help"].map(|flag| [command, flag]);
        let short = text(&home.run(&short).await.stdout);
        assert!(
            short.contains("--database") && short.contains("see more with '--help'"),
            "{short}"
        );
        assert!(!short.contains("--breaker-open-for") && short.lines().count() < 40, "{short}");
        let long = text(&home.run(&long).await.stdout);
        assert!(long.contains("--breaker-open-for"), "{long}");
    }
    let serve = text(&home.run(&["serve", "-h"]).await.stdout);
    assert!(serve.contains("--breaker-open-for"), "{serve}");
}

#[linchpin_testing::test]
async fn a_port_that_is_taken_is_named() {
    let home = Home::new();
    let taken = TcpListener::bind("127.0.0.1:0").await.expect("bind");
    let address = taken.local_addr().expect("bound").to_string();
    for (listen, admin) in [(address.as_str(), "127.0.0.1:0"), ("127.0.0.1:0", address.as_str())] {
        let args = ["serve", "--listen", listen, "--admin-listen", admin, "--database", "relay.db"];
        let refused = home.run(&args).await;
        let said = text(&refused.stderr);
        assert_eq!(refused.status.code(), Some(1), "{said}");
        assert!(said.contains(&address) && said.contains("in use"), "{said}");
    }
}

#[linchpin_testing::test]
async fn a_token_is_printed_alone_and_accepted() {
    let home = Home::new();
    let relay = home.serve(&["--jwt-secret", STRONG]).await;
    let printed = home.run(&["token", "--jwt-secret", STRONG]).await;
    let printed = text(&printed.stdout);
    assert_eq!(printed.lines().count(), 1, "{printed}");
    let bearer = format!("Bearer {}", printed.trim());
    relay.call_with("GET", "/app", &[("authorization", &bearer)], "").await.expect(200);

    let (app, _) = relay.application(&[]).await;
    let (other, _) = relay.application(&[]).await;
    let narrow = text(&home.run(&["token", "--jwt-secret", STRONG, "--app", &app]).await.stdout);
    let bearer = format!("Bearer {}", narrow.trim());
    let headers = [("authorization", bearer.as_str())];
    relay.call_with("GET", &format!("/app/{app}"), &headers, "").await.expect(200);
    relay.call_with("GET", &format!("/app/{other}"), &headers, "").await.expect(404);
    relay.call_with("GET", "/app", &headers, "").await.expect(403);
    wrong(&home.run(&["token", "--org", "app_x"]).await, &["--org"]);
}

/// Exit code 2, and all of this in the message.
#[track_caller]
fn wrong(output: &Output, expected: &[&str]) {
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    for part in expected {
        assert!(said.contains(part), "`{part}` in {said}");
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
