//! `relay listen` next to `relay serve`, as the quickstart has it.

use linchpin::time::Timestamp;
use linchpin_security::webhook::{Secret, Signer};
use linchpin_testing::server::{Answer, TestServer};
use serde_json::json;

use crate::process::http::Http;
use crate::process::{Home, PATIENCE, word};

#[linchpin_testing::test]
async fn listen_shows_a_failure_and_the_retry_that_heals_it() {
    let home = Home::new();
    let mut relay = home.serve(&["--retry-schedule", "100ms,100ms"]).await;
    let api = relay.api.clone();
    let mut listen = home.start(&[
        "listen",
        "--relay",
        &api,
        "--address",
        "127.0.0.1:0",
        "--answers",
        "fail,ok",
    ]);
    listen.printed("that it receives", |text| text.contains("receiving on").then_some(())).await;

    let Curl { url, headers, body } = relay.printed("a curl", curl).await;
    let path = url.strip_prefix(&format!("{api}/api/v1")).expect("a path of the API").to_owned();
    let headers: Vec<_> =
        headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let message = relay.call_with("POST", &path, &headers, &body).await.expect(202).text("id");

    let shown = listen
        .printed("two attempts", |text| {
            let lines: Vec<_> =
                text.lines().filter(|line| line.contains(&message)).map(str::to_owned).collect();
            (lines.len() >= 2).then_some(lines)
        })
        .await;
    assert!(
        shown[0].contains("verified")
            && shown[0].contains("attempt 1")
            && shown[0].ends_with("500"),
        "{shown:?}"
    );
    assert!(
        shown[1].contains("verified")
            && shown[1].contains("attempt 2")
            && shown[1].ends_with("200"),
        "{shown:?}"
    );
    assert_eq!(relay.attempts("demo", &message, 2).await, [500, 200]);

    listen.terminate().await;
    assert_eq!(listen.wait(PATIENCE).await.code(), Some(0), "{listen}");
}

#[linchpin_testing::test]
async fn listen_registers_with_the_relay_of_the_variables() {
    let home = Home::new();
    let relay = home.serve(&[]).await;
    let variables = [("RELAY_URL", relay.api.as_str()), ("RELAY_TOKEN", "of nobody")];
    let refused = home.run_with(&["listen", "--address", "127.0.0.1:0"], &variables).await;
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(refused.status.code() == Some(1) && said.contains("401"), "{said}");
    let variables = [("RELAY_URL", relay.api.as_str()), ("RELAY_TOKEN", relay.token.as_str())];
    let script = format!("exec {} listen --address 127.0.0.1:0", env!("CARGO_BIN_EXE_relay"));
    let mut listen = home.start_script(&script, &variables);
    listen.printed("that it receives", |text| text.contains("receiving on").then_some(())).await;
    listen.terminate().await;
    listen.wait(PATIENCE).await;
}

#[linchpin_testing::test]
async fn listen_waits_for_a_relay_that_is_not_up_yet_and_says_so() {
    let home = Home::new();
    let mut listen =
        home.start(&["listen", "--relay", "http://127.0.0.1:9", "--address", "127.0.0.1:0"]);
    listen
        .printed("what it waits for", |text| {
            text.contains("waiting for Relay at http://127.0.0.1:9").then_some(())
        })
        .await;
    listen.terminate().await;
    listen.wait(PATIENCE).await;
}

#[linchpin_testing::test]
async fn listen_with_a_token_of_nobody_says_what_to_give() {
    let home = Home::new();
    let relay = home.serve(&[]).await;
    let refused = home
        .run(&["listen", "--relay", &relay.api, "--address", "127.0.0.1:0", "--token", "nobody"])
        .await;
    let said = String::from_utf8_lossy(&refused.stderr);
    assert_eq!(refused.status.code(), Some(1), "{said}");
    assert!(said.contains("401") && said.contains("--token"), "{said}");
}

/// A server that gives every question the same answer stands in for a Relay whose endpoint has a key pair.
#[linchpin_testing::test]
async fn listen_verifies_what_a_key_pair_signed() {
    let pair = Secret::generate_pair();
    let public = pair.public_key().expect("the half of a pair").to_string();
    let relay = TestServer::spawn().await;
    relay.then(Answer::text(200, json!({ "key": public }).to_string()));
    let home = Home::new();
    let mut listen = home.start(&["listen", "--relay", &relay.url(), "--address", "127.0.0.1:0"]);
    let url = listen.printed("that it receives", |text| word(text, "receiving on ")).await;

    let http = Http::new();
    let now = Timestamp::now().as_seconds();
    let at = now.to_string();
    for (id, secret, status) in
        [("msg_good", &pair, 200), ("msg_forged", &Secret::generate_pair(), 401)]
    {
        let signature = Signer::new(secret).sign(id, now, b"{}").to_string();
        let headers = [
            ("svix-id", id),
            ("svix-timestamp", at.as_str()),
            ("svix-signature", signature.as_str()),
        ];
        http.send("POST", &url, &headers, "{}").await.expect("an answer").expect(status);
    }
    listen
        .printed("what it made of them", |text| {
            let lines = ["verified  msg_good  attempt 1", "NOT VERIFIED (no signature matches)"];
            lines.iter().all(|line| text.contains(line)).then_some(())
        })
        .await;

    listen.terminate().await;
    assert_eq!(listen.wait(PATIENCE).await.code(), Some(0), "{listen}");
}

/// What the command that `serve` prints would send.
struct Curl {
    url: String,
    headers: Vec<(String, String)>,
    body: String,
}

/// Reads the command as a shell would; `None` as long as its end is not printed.
fn curl(text: &str) -> Option<Curl> {
    let begin = text.find("curl ")?;
    let mut words = Vec::new();
    let mut word = String::new();
    let mut quote = None;
    let mut chars = text[begin..].chars().peekable();
    loop {
        match (chars.next(), quote) {
            (Some('\\'), None) if chars.peek() == Some(&'\n') => drop(chars.next()),
            (Some(mark @ ('\'' | '"')), None) => quote = Some(mark),
            (Some(mark), Some(open)) if mark == open => quote = None,
            (Some('\n'), None) => break,
            (Some(' '), None) if word.is_empty() => {}
            (Some(' '), None) => words.push(std::mem::take(&mut word)),
            (Some(other), _) => word.push(other),
            (None, _) => return None,
        }
    }
    words.push(word);
    let url = words.iter().find(|word| word.starts_with("http"))?.clone();
    let after = |flags: &[&str]| {
        let pairs = words.windows(2).filter(|pair| flags.contains(&pair[0].as_str()));
        pairs.map(|pair| pair[1].clone()).collect::<Vec<_>>()
    };
    let headers = after(&["-H", "--header"]);
    let headers = headers.iter().filter_map(|one| one.split_once(": "));
    let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    let body = after(&["-d", "--data", "--data-raw", "--json"]).pop()?;
    Some(Curl { url, headers, body })
}
