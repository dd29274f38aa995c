//! What happens when places for connections become scarce: who has to go, who must not, and in which order.

use std::sync::Arc;

use axum::Router;
use axum::routing::get;
use linchpin_http::lifecycle;
use linchpin_http::server::Options;
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};

use crate::server_slow::{assert_after, secs, until_closed};
use crate::support::{Raw, Running, ms};

/// A server with ten places, of which eight may be taken before it is crowded, and what lets `/slow` answer.
async fn ten() -> (Running, Arc<Semaphore>) {
    let open = Arc::new(Semaphore::new(0));
    let gate = open.clone();
    let slow = move || async move {
        gate.acquire().await.unwrap().forget();
        "slow"
    };
    let router = Router::new().route("/", get(|| async { "hello" })).route("/slow", get(slow));
    let options = Options::default().max_connections(10);
    (Running::start(router, options, lifecycle::Options::default()).await, open)
}

/// So many connections that were asked one after the other, a second apart: the first is idle for longest.
async fn kept(server: &Running, count: usize) -> Vec<Raw> {
    let mut clients = Vec::new();
    for _ in 0..count {
        let mut client = server.connect().await;
        client.get("/").await;
        sleep(secs(1)).await;
        clients.push(client);
    }
    clients
}

/// Whether it is open, by a moment's look.
async fn is_open(client: &Raw) -> bool {
    // It has nothing to say: what comes is the end.
    timeout(ms(1), client.0.peek(&mut [0])).await.is_err()
}

async fn open(clients: &[Raw]) -> Vec<bool> {
    let mut open = Vec::new();
    for client in clients {
        open.push(is_open(client).await);
    }
    open
}

#[linchpin_testing::test(start_paused)]
async fn while_there_is_room_nobody_has_to_go() {
    let (server, _) = ten().await;
    let clients = kept(&server, 8).await;
    assert_eq!(open(&clients).await, [true; 8]);
}

#[linchpin_testing::test(start_paused)]
async fn who_has_been_idle_longest_makes_room_for_who_comes() {
    let (server, _) = ten().await;
    let mut clients = kept(&server, 8).await;
    // The first is the one now that was busy last.
    clients[0].get("/").await;
    sleep(secs(1)).await;

    let mut ninth = server.connect().await;
    assert!(ninth.get("/").await.ends_with("hello"));
    assert_eq!(open(&clients).await, [true, false, true, true, true, true, true, true]);
    let mut tenth = server.connect().await;
    assert!(tenth.get("/").await.ends_with("hello"));
    assert_eq!(open(&clients).await, [true, false, false, true, true, true, true, true]);
    // They were closed between two requests, without a word.
    assert_eq!(until_closed(&mut clients[1]).await.0, "");
    for client in [0, 3, 4, 5, 6, 7] {
        assert!(clients[client].get("/").await.ends_with("hello"));
    }
}

#[linchpin_testing::test(start_paused)]
async fn a_silent_connection_makes_room_like_one_that_is_kept() {
    let (server, _) = ten().await;
    let mut silent = server.connect().await;
    sleep(secs(1)).await;
    let clients = kept(&server, 7).await;
    // Only nine come before its own time is up.
    let _ninth = server.connect().await;
    let (answer, took) = until_closed(&mut silent).await;
    assert_eq!(answer, "");
    assert_after(took, secs(0));
    assert_eq!(open(&clients).await, [true; 7]);
}

#[linchpin_testing::test(start_paused)]
async fn a_request_under_way_is_never_cut_for_others() {
    let (server, gate) = ten().await;
    let mut clients = kept(&server, 9).await;
    // The first of nine made room.
    drop(clients.remove(0));
    for client in &mut clients {
        client.send("GET /slow HTTP/1.1\r\nhost: test\r\n\r\n").await;
    }
    sleep(secs(60)).await;
    // There is nobody to send away but those who come, one after the other.
    for _ in 0..20 {
        let _comes = server.connect().await;
        sleep(secs(2)).await;
    }
    gate.add_permits(8);
    for client in &mut clients {
        let answer = client.answer().await;
        assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("slow"), "{answer}");
    }
}

#[linchpin_testing::test(start_paused)]
async fn half_a_header_is_no_idleness() {
    let (server, _) = ten().await;
    let mut begun = server.connect().await;
    begun.send("GET / HTTP/1.1\r\n").await;
    let clients = kept(&server, 7).await;
    let _ninth = server.connect().await;
    assert!(is_open(&begun).await);
    assert_eq!(open(&clients).await, [false, true, true, true, true, true, true]);
    begun.send("host: test\r\n\r\n").await;
    assert!(begun.answer().await.ends_with("hello"));
}

#[linchpin_testing::test(start_paused)]
async fn whose_request_has_come_already_is_answered_and_then_goes() {
    const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nhost: test\r\n\r\n";
    for comes_first in [true, false] {
        let (server, _) = ten().await;
        let mut clients = kept(&server, 8).await;
        // Both are in the kernel before the server looks at either: nothing here waits.
        let ask = || assert_eq!(clients[0].0.try_write(REQUEST).unwrap(), REQUEST.len());
        if !comes_first {
            ask();
        }
        let _ninth = std::net::TcpStream::connect(server.addr).unwrap();
        if comes_first {
            ask();
        }
        let answer = clients[0].answer().await;
        assert!(answer.ends_with("hello"), "{answer}");
        let next = is_open(&clients[1]).await;
        let last = answer.contains("connection: close");
        assert_eq!(last, next, "either of the two goes: {answer}");
    }
}

#[linchpin_testing::test(start_paused)]
async fn who_has_hardly_come_does_not_have_to_go() {
    let (server, _) = ten().await;
    let mut clients = Vec::new();
    for _ in 0..10 {
        clients.push(server.connect().await);
        sleep(ms(50)).await;
    }
    assert_eq!(open(&clients).await, [true; 10]);
    for client in &mut clients[5..] {
        assert!(client.get("/").await.ends_with("hello"));
    }
}

#[linchpin_testing::test(start_paused)]
async fn a_header_has_two_seconds_while_it_is_crowded() {
    let (server, gate) = ten().await;
    let mut busy = Vec::new();
    for _ in 0..7 {
        let mut client = server.connect().await;
        client.send("GET /slow HTTP/1.1\r\nhost: test\r\n\r\n").await;
        busy.push(client);
    }
    let mut early = server.connect().await;
    early.send("GET / HTTP/1.1\r\n").await;
    sleep(secs(3)).await;
    assert!(is_open(&early).await, "there was room");

    let mut ninth = server.connect().await;
    ninth.send("GET / HTTP/1.1\r\n").await;
    // Whose header began before looks again every two seconds.
    let (answer, took) = until_closed(&mut early).await;
    assert!(answer.is_empty() && took < secs(2), "{took:?} {answer}");
    // Now there is room again, so that the other has its ten.
    let (_, more) = until_closed(&mut ninth).await;
    assert_after(took + more, secs(10));

    let mut two = [server.connect().await, server.connect().await];
    for client in &mut two {
        client.send("GET / HTTP/1.1\r\n").await;
    }
    assert_after(until_closed(&mut two[0]).await.1, secs(2));
    gate.add_permits(7);
    for client in &mut busy {
        assert!(client.answer().await.ends_with("slow"));
    }
}

#[linchpin_testing::test(start_paused)]
async fn when_all_places_are_taken_an_answer_is_the_last_of_its_connection() {
    let (server, gate) = ten().await;
    let mut busy = Vec::new();
    for _ in 0..9 {
        let mut client = server.connect().await;
        client.send("GET /slow HTTP/1.1\r\nhost: test\r\n\r\n").await;
        busy.push(client);
    }
    let mut tenth = server.connect().await;
    let answer = tenth.get("/").await;
    assert!(answer.ends_with("hello") && answer.contains("connection: close"), "{answer}");
    assert_after(until_closed(&mut tenth).await.1, secs(0));
    gate.add_permits(9);
    for client in &mut busy {
        let answer = client.answer().await;
        assert!(answer.ends_with("slow") && !answer.contains("connection: close"), "{answer}");
    }
}
