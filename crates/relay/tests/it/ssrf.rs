//! What is not public is never dialled, however it is spelled and whoever comes to name it.

use std::net::TcpListener;

use serde_json::json;

use crate::api::Api;
use crate::process::{Home, eventually};

/// Ways to write 127.0.0.1.
const LOOPBACK: [&str; 12] = [
    "127.0.0.1",
    "127.0.0.1.",
    "2130706433",
    "0177.0.0.1",
    "0x7f000001",
    "0x7f.1",
    "127.1",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[64:ff9b::7f00:1]",
    "[2002:7f00:1::]",
    "[::7f00:1]",
];

/// An address of each range that is not public.
const RANGES: [&str; 28] = [
    "0.0.0.0",
    "10.1.2.3",
    "100.100.100.200",
    "168.63.129.16",
    "169.254.169.254",
    "172.31.255.255",
    "192.0.0.192",
    "192.0.2.1",
    "192.31.196.1",
    "192.52.193.1",
    "192.88.99.1",
    "192.168.0.1",
    "192.175.48.1",
    "198.19.0.1",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "255.255.255.255",
    "::",
    "100::1",
    "2001::1",
    "2001:db8::1",
    "2620:4f:8000::1",
    "3fff::1",
    "5f00::1",
    "fd00:ec2::254",
    "fe80::1",
    "ff02::1",
];

/// Every host as a URL may spell it.
fn spellings(address: &str) -> Vec<String> {
    let Ok(v4) = address.parse::<std::net::Ipv4Addr>() else {
        return vec![format!("[{address}]")];
    };
    let ([a, b, c, d], number) = (v4.octets(), u32::from(v4));
    let wide = address.chars().map(|c| match c {
        '0'..='9' => char::from_u32(c as u32 - '0' as u32 + '０' as u32).unwrap(),
        other => other,
    });
    vec![
        address.to_owned(),
        format!("{address}."),
        number.to_string(),
        format!("{number:#x}"),
        format!("{a:#o}.{b}.{c:#x}.{d}").replace("0o", "0"),
        format!("{a}.{}", number & 0xff_ffff),
        wide.collect(),
        format!("[::ffff:{address}]"),
        format!("[::{address}]"),
        format!("[64:ff9b::{address}]"),
        format!("[2002:{a:02x}{b:02x}:{c:02x}{d:02x}::1]"),
    ]
}

#[linchpin_testing::test]
async fn an_endpoint_may_not_name_what_is_not_public() {
    let api = Api::new();
    api.post("/app", json!({ "name": "Shop", "uid": "shop" })).await.ok(201);
    let url = "https://hooks.example.com/";
    api.post("/app/shop/endpoint", json!({ "url": url, "uid": "hook" })).await.ok(201);
    let loopback = LOOPBACK.map(str::to_owned);
    for host in RANGES.iter().flat_map(|range| spellings(range)).chain(loopback) {
        let body = json!({ "url": format!("http://{host}/") });
        for reply in [
            api.post("/app/shop/endpoint", body.clone()).await,
            api.put("/app/shop/endpoint/hook", body.clone()).await,
            api.patch("/app/shop/endpoint/hook", body).await,
        ] {
            assert_eq!(reply.faults("value_error"), ["body.url"], "{host}");
        }
    }
    assert_eq!(api.get("/app/shop/endpoint/hook").await.ok(200)["url"], url);
}

#[linchpin_testing::test]
async fn an_endpoint_may_not_name_the_port_of_another_service() {
    let api = Api::new();
    api.post("/app", json!({ "name": "Shop", "uid": "shop" })).await.ok(201);
    for (port, is_taken) in [
        (0, false),
        (22, false),
        (25, false),
        (80, true),
        (81, false),
        (443, true),
        (1023, false),
        (1024, true),
        (6379, false),
        (8443, true),
        (11211, false),
        (65535, true),
    ] {
        let body = json!({ "url": format!("https://hooks.example.com:{port}/") });
        let reply = api.post("/app/shop/endpoint", body).await;
        if is_taken {
            reply.ok(201);
        } else {
            assert_eq!(reply.faults("value_error"), ["body.url"], "{port}");
        }
    }
}

/// The rules may have changed since an endpoint was made, and what its name stands for.
#[linchpin_testing::test]
async fn a_delivery_dials_nothing_that_is_not_public_and_no_retry_does() {
    let home = Home::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let port = listener.local_addr().unwrap().port();
    let production = "export RELAY_MODE=production \
        RELAY_ENCRYPTION_KEYS=k1:Xd9DjKVT9CYK1cgHv8rXkQpu8dEK+Uc5rMZ4qSm2n7I= \
        RELAY_JWT_SECRET=q3J0vN8sYk1hT5mXbR7eZcA2uLwPdF9gKiHoVtQnMyE=; echo token $(\"$0\" token);";
    let relay = home.serve_under(production, &["--retry-schedule", "10ms"]).await;
    let hosts = LOOPBACK.iter().copied().chain(["localhost", "localhost.", "[::1]"]);
    let mut count = 0;
    for host in hosts {
        let (app, _) = relay.application(&["https://hooks.example.com/"]).await;
        let made =
            format!("UPDATE endpoint SET url = 'http://{host}:{port}/' WHERE url LIKE 'https%'");
        home.write(&made);
        relay.message(&app, "{}").await;
        count += 1;
    }
    eventually("tried twice", async || {
        home.query::<i64>("SELECT count(*) FROM attempt") == [2 * count]
    })
    .await;
    // A resolver may not know a name with a dot at its end.
    let other = "SELECT response FROM attempt
        WHERE response NOT LIKE '%are blocked%' AND response NOT LIKE '%cannot look up%'";
    assert_eq!(home.query::<String>(other), Vec::<String>::new());
    assert_eq!(home.query::<i64>("SELECT DISTINCT status_code FROM attempt"), [0]);
    assert!(listener.accept().is_err(), "somebody was connected");
}
