//! Carriers: what crosses a process, within which bounds, and what malformed headers do.

use std::collections::BTreeMap;
use std::time::Duration;

use linchpin::Context;
use linchpin::context::carrier::{Baggage, Carrier, RequestId, Trace};
use linchpin::resilience::Priority;
use linchpin::resilience::shed::Level;
use proptest::prelude::*;

const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

fn sent(carrier: &Carrier, ctx: &Context) -> BTreeMap<&'static str, String> {
    let mut headers = BTreeMap::new();
    carrier.inject(ctx, |name, value| drop(headers.insert(name, value.to_owned())));
    headers
}

fn received(carrier: &Carrier, headers: &BTreeMap<&'static str, String>) -> Context {
    let got = carrier.extract(&Context::root(), |name| headers.get(name).map(String::as_str));
    got.disarm()
}

#[tokio::test(start_paused = true)]
async fn everything_crosses_and_comes_out_as_it_went_in() {
    let carrier = Carrier::default().baggage(["tenant"]).margin(Duration::from_millis(100));
    let ctx = Context::root()
        .with_value("order-7".parse::<RequestId>().unwrap())
        .with_value(PARENT.parse::<Trace>().unwrap().with_state("vendor=1"))
        .with_value(Baggage::from_iter([("tenant", "ein Mandant, 100%"), ("secret", "no")]))
        .with_timeout(Duration::from_secs(2));
    let headers = sent(&carrier, &ctx);
    assert_eq!(headers["x-request-timeout-ms"], "1900");
    assert_eq!(headers["baggage"], "tenant=ein%20Mandant%2C%20100%25");

    let ctx = received(&carrier, &headers);
    assert_eq!(ctx.get::<RequestId>().unwrap().as_str(), "order-7");
    let trace = ctx.get::<Trace>().unwrap();
    assert_eq!((trace.parent(), trace.state()), (PARENT, Some("vendor=1")));
    assert_eq!(trace.trace_id(), "4bf92f3577b34da6a3ce929d0e0e4736");
    assert!(trace.is_sampled());
    let baggage = ctx.get::<Baggage>().unwrap();
    assert_eq!(baggage.iter().collect::<Vec<_>>(), [("tenant", "ein Mandant, 100%")]);
    assert_eq!(ctx.remaining(), Some(Duration::from_millis(1_900)));
}

#[tokio::test(start_paused = true)]
async fn t3_the_time_that_is_sent_leaves_some_for_the_way() {
    let own = Context::root().with_timeout(Duration::from_secs(30));
    for (came, sent_on) in [(500, "490"), (75, "73"), (20, "19"), (1, "0"), (0, "0")] {
        let headers = BTreeMap::from([("x-request-timeout-ms", came.to_string())]);
        let get = |name: &'static str| headers.get(name).map(String::as_str);
        let ctx = Carrier::default().extract(&own, get);
        assert_eq!(sent(&Carrier::default(), &ctx)["x-request-timeout-ms"], sent_on, "{came}");
        let inside = ctx.child();
        assert_eq!(inside.remaining(), Some(Duration::from_millis(came)), "none in the process");
    }
}

#[test]
fn an_empty_context_sends_nothing_and_nothing_makes_an_empty_context() {
    assert!(sent(&Carrier::default(), &Context::root()).is_empty());
    let ctx = received(&Carrier::default(), &BTreeMap::new());
    assert!(ctx.deadline().is_none() && ctx.get::<RequestId>().is_none());
}

#[tokio::test(start_paused = true)]
async fn the_earliest_of_asked_allowed_and_the_parents_own_deadline_wins() {
    let headers = BTreeMap::from([("x-request-timeout-ms", "5000".to_owned())]);
    let get = |name: &'static str| headers.get(name).map(String::as_str);
    let left = |carrier: Carrier, parent: &Context| {
        carrier.extract(parent, get).remaining().unwrap().as_secs()
    };
    let root = Context::root();
    assert_eq!(left(Carrier::default(), &root), 5);
    assert_eq!(left(Carrier::default().longest(Duration::from_secs(3)), &root), 3);
    assert_eq!(left(Carrier::default(), &root.with_timeout(Duration::from_secs(1))), 1);
}

#[test]
fn baggage_that_nobody_chose_stays_behind() {
    let ctx = Context::root().with_value(Baggage::from_iter([("tenant", "a")]));
    assert!(sent(&Carrier::default(), &ctx).is_empty());
    let headers = BTreeMap::from([("baggage", "tenant=a;ttl=1, other = b".to_owned())]);
    assert!(received(&Carrier::default(), &headers).get::<Baggage>().is_none());
    let ctx = received(&Carrier::default().baggage(["other"]), &headers);
    assert_eq!(ctx.get::<Baggage>().unwrap().get("other"), Some("b"));
    assert_eq!(ctx.get::<Baggage>().unwrap().get("tenant"), None);
}

#[test]
fn what_is_not_well_formed_counts_as_missing() {
    for (name, value) in [
        ("x-request-timeout-ms", "-1"),
        ("x-request-timeout-ms", "soon"),
        ("x-request-timeout-ms", "99999999999999999999999"),
        ("x-request-id", ""),
        ("x-request-id", "two words"),
        ("x-request-id", &"x".repeat(129)),
        ("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7"),
        ("traceparent", "00-00000000000000000000000000000000-00f067aa0ba902b7-01"),
        ("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01"),
        ("traceparent", "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01"),
        ("traceparent", "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
        ("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-x"),
    ] {
        let ctx = received(&Carrier::default(), &BTreeMap::from([(name, value.to_owned())]));
        assert!(ctx.deadline().is_none(), "{name}: {value}");
        assert!(ctx.get::<RequestId>().is_none() && ctx.get::<Trace>().is_none(), "{value}");
    }
}

#[test]
fn a_later_version_of_traceparent_is_read_as_far_as_it_is_known() {
    let later = "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00-more";
    let trace: Trace = later.parse().unwrap();
    assert_eq!(trace.parent(), "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00");
    assert!(!trace.is_sampled());
}

#[test]
fn new_request_ids_differ_and_read_back() {
    let (one, other) = (RequestId::new(), RequestId::new());
    assert_ne!(one, other);
    assert_eq!(one.as_str().parse::<RequestId>().unwrap(), one);
}

proptest! {
    #[test]
    fn no_header_makes_reading_panic(name in 0..5_usize, value in ".*") {
        let names = ["x-request-timeout-ms", "x-request-id", "traceparent", "tracestate", "baggage"];
        let headers = BTreeMap::from([(names[name], value)]);
        received(&Carrier::default().baggage(["a"]), &headers);
    }

    #[test]
    fn any_value_of_baggage_survives(value in ".{0,200}") {
        let carrier = Carrier::default().baggage(["k"]);
        let ctx = Context::root().with_value(Baggage::from_iter([("k", value.as_str())]));
        let ctx = received(&carrier, &sent(&carrier, &ctx));
        prop_assert_eq!(ctx.get::<Baggage>().unwrap().get("k"), Some(value.as_str()));
    }
}

#[test]
fn criticality_crosses_only_where_it_is_wanted() {
    let ctx = Context::root().with_value(Priority::Sheddable).with_value(Level::of("user-1"));
    let peer = Carrier::default().priority();
    assert!(sent(&Carrier::default(), &ctx).is_empty());
    let headers = sent(&peer, &ctx);
    assert_eq!((&*headers["x-priority"], &*headers["x-priority-level"]), ("sheddable", "39"));

    let stranger = received(&Carrier::default(), &headers);
    assert!(stranger.get::<Priority>().is_none() && stranger.get::<Level>().is_none());
    let ctx = received(&peer, &headers);
    assert_eq!(ctx.get::<Priority>(), Some(&Priority::Sheddable));
    assert_eq!(ctx.get::<Level>(), Some(&Level::of("user-1")));
    let odd = BTreeMap::from([("x-priority", "urgent".into()), ("x-priority-level", "100".into())]);
    let ctx = received(&peer, &odd);
    assert!(ctx.get::<Priority>().is_none() && ctx.get::<Level>().is_none());
}
