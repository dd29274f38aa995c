//! Ids: known vectors, order, text, storage.

use std::collections::HashSet;

use linchpin::time::Timestamp;
use linchpin_data::Id;
use linchpin_data::id::{ParseError, Tag};
use proptest::prelude::*;

/// Implements nothing but the tag: ids must not ask more of it.
struct App;

impl Tag for App {
    const PREFIX: &'static str = "app_";
}

const MOMENT: Timestamp = Timestamp::from_micros(1_674_087_231_123_000);

fn text(random: [u8; 15]) -> String {
    Id::<App>::new(MOMENT, random).to_string()
}

#[linchpin_testing::test]
fn known_ids_are_written_and_read() {
    let mut counting = [0; 15];
    for (value, byte) in (0..).zip(&mut counting) {
        *byte = value;
    }
    assert_eq!(text([0; 15]), "app_2KWPBeBvfIpdH7cf3xZi3GddiDo");
    assert_eq!(text([0xff; 15]), "app_2KWPBeDoepKwFgr76JtWDd8QSAJ");
    assert_eq!(text(counting), "app_2KWPBeBvfPkQi74LgAE4ucAn1B8");
    let read: Id<App> = "app_2KWPBgLlAfxdpx2AI54pPJ85f4W".parse().unwrap();
    assert_eq!(read.timestamp().as_micros(), 1_674_087_231_400_000);
}

#[linchpin_testing::test]
fn texts_that_are_no_ids_are_refused() {
    let parse = |text: &str| text.parse::<Id<App>>().unwrap_err();
    let wrong = ParseError::WrongPrefix { expected: "app_" };
    assert_eq!(parse("msg_2KWPBeBvfIpdH7cf3xZi3GddiDo"), wrong);
    assert_eq!(parse("2KWPBeBvfIpdH7cf3xZi3GddiDo"), wrong);
    assert_eq!(parse(""), wrong);
    for malformed in [
        "app_",
        "app_2KWPBeBvfIpdH7cf3xZi3GddiD",
        "app_2KWPBeBvfIpdH7cf3xZi3GddiDoo",
        "app_2KWPBeBvfIpdH7cf3xZi3Gddi-o",
        "app_2KWPBeBvfIpdH7cf3xZi3Gddi\u{e9}",
        "app_aWgEPTl1tmebfsQzFP4bxwgy80W", // one above the greatest
        "app_zzzzzzzzzzzzzzzzzzzzzzzzzzz",
    ] {
        assert_eq!(parse(malformed), ParseError::Malformed, "{malformed}");
    }
    let greatest: Id<App> = "app_aWgEPTl1tmebfsQzFP4bxwgy80V".parse().unwrap();
    assert_eq!(greatest.as_bytes(), &[0xff; 20]);
    assert_eq!(Id::<App>::from_bytes([0; 20]).to_string(), format!("app_{}", "0".repeat(27)));
}

#[linchpin_testing::test]
fn moments_out_of_range_take_the_nearest_inside() {
    let early = Id::<App>::min_at(Timestamp::from_micros(i64::MIN));
    assert_eq!(early.as_bytes(), &[0; 20]);
    let late = Id::<App>::min_at(Timestamp::from_micros(i64::MAX));
    assert_eq!(late.as_bytes()[..5], [0xff, 0xff, 0xff, 0xff, 249]);
}

#[linchpin_testing::test]
fn fresh_ids_differ_across_threads() {
    let make = || (0..1000).map(|_| Id::<App>::at(MOMENT)).collect::<Vec<_>>();
    let threads: Vec<_> = (0..4).map(|_| std::thread::spawn(make)).collect();
    let ids: HashSet<Id<App>> =
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
    assert_eq!(ids.len(), 4000);
    assert!(ids.iter().all(|id| (Id::min_at(MOMENT)..=Id::max_at(MOMENT)).contains(id)));
}

#[linchpin_testing::test]
fn an_id_is_its_text_in_json_and_its_bytes_in_a_table() {
    let id = Id::<App>::at(MOMENT);
    let json = serde_json::to_string(&id).unwrap();
    assert_eq!(json, format!("\"{id}\""));
    assert_eq!(serde_json::from_str::<Id<App>>(&json).unwrap(), id);
    let wrong = serde_json::from_str::<Id<App>>("\"x\"").unwrap_err();
    assert!(wrong.to_string().contains("app_"), "{wrong}");

    let conn = rusqlite::Connection::open_in_memory().unwrap();
    let read = |sql: &str, id: Id<App>| {
        conn.query_row(sql, [id], |row| Ok((row.get::<_, Id<App>>(0)?, row.get::<_, i64>(1)?)))
    };
    assert_eq!(read("SELECT ?1, length(?1)", id).unwrap(), (id, 20));
    assert!(read("SELECT substr(?1, 2), 0", id).is_err());
}

proptest! {
    #[linchpin_testing::test]
    fn text_and_bytes_name_the_same_id(bytes: [u8; 20]) {
        let id = Id::<App>::from_bytes(bytes);
        prop_assert_eq!(id.to_string().parse(), Ok(id));
    }

    #[linchpin_testing::test]
    fn ids_bytes_and_texts_sort_alike(a: [u8; 20], b: [u8; 20], shared in 0usize..20) {
        let mut b = b;
        b[..shared].copy_from_slice(&a[..shared]);
        let (x, y) = (Id::<App>::from_bytes(a), Id::<App>::from_bytes(b));
        prop_assert_eq!(x.cmp(&y), a.cmp(&b));
        prop_assert_eq!(x.cmp(&y), x.to_string().cmp(&y.to_string()));
    }

    #[linchpin_testing::test]
    fn later_moments_give_greater_ids(
        micros in 1_400_000_000_000_000i64..5_694_967_295_000_000, later in 4_000i64..10_000_000_000
    ) {
        let (first, second) = (Timestamp::from_micros(micros), Timestamp::from_micros(micros + later));
        prop_assert!(Id::<App>::max_at(first) < Id::<App>::min_at(second));
        let read = Id::<App>::at(first).timestamp().as_micros();
        prop_assert!((0..4_000).contains(&(micros - read)), "{} {}", micros, read);
    }
}
