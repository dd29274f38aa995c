//! Layers, types, faults and the table.

use std::fmt::Debug;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use linchpin::{Error, Kind};
use linchpin_security::config::{ByteSize, FromSetting, Loader, Setting, Source, Value, table};
use linchpin_security::secret::{SecretString, strength};
use linchpin_security::webhook::Family;

const SETTINGS: &[Setting] = &[
    Setting::new("listen", "Address to serve on").default("127.0.0.1:8071"),
    Setting::new("retry-schedule", "Waits between attempts").default("5s"),
    Setting::new("workers", "Deliveries at a time"),
    Setting::new("jwt-secret", "Key of the bearer tokens").secret(),
    Setting::new("header-family", "How headers are called").default("svix"),
];

fn loader() -> Loader {
    Loader::new("RELAY", SETTINGS)
}

#[track_caller]
fn faults(loader: &Loader) -> Vec<String> {
    loader.finish().unwrap_err().iter().map(ToString::to_string).collect()
}

fn source(loader: &Loader, key: &str) -> Option<String> {
    let rows = loader.effective();
    let row = rows.into_iter().find(|row| row.key == key).unwrap();
    row.source.map(|source| source.to_string())
}

// ===== layers =====

#[test]
fn each_layer_wins_over_the_ones_below() {
    let mut loader = loader();
    assert_eq!(loader.take::<String>("listen").unwrap(), "127.0.0.1:8071");
    assert_eq!(source(&loader, "listen").unwrap(), "default");
    loader.file("etc/relay.toml", "\n# a comment\nlisten = '127.0.0.1:1'");
    assert_eq!(loader.take::<String>("listen").unwrap(), "127.0.0.1:1");
    assert_eq!(source(&loader, "listen").unwrap(), "etc/relay.toml line 3");
    loader.environment([("RELAY_LISTEN", "127.0.0.1:2")]);
    assert_eq!(loader.take::<String>("listen").unwrap(), "127.0.0.1:2");
    assert_eq!(source(&loader, "listen").unwrap(), "RELAY_LISTEN");
    loader.flags([("listen", "127.0.0.1:3")]);
    assert_eq!(loader.take::<String>("listen").unwrap(), "127.0.0.1:3");
    assert_eq!(source(&loader, "listen").unwrap(), "--listen");
    loader.finish().unwrap();
}

#[test]
fn the_order_of_adding_does_not_matter() {
    let mut loader = loader();
    loader.flags([("workers", "3")]);
    loader.environment([("RELAY_WORKERS", "2")]);
    loader.file("relay.toml", "workers = 1");
    assert_eq!(loader.take::<u16>("workers").unwrap(), 3);
    loader.finish().unwrap();
}

#[test]
fn other_variables_and_empty_ones_are_passed_over() {
    let mut loader = loader();
    loader.environment([
        ("RELAYS", "x"),
        ("PATH", "x"),
        ("RELAY_LISTEN", ""),
        ("relay_listen", "x"),
    ]);
    assert_eq!(source(&loader, "listen").unwrap(), "default");
    loader.finish().unwrap();
}

#[cfg(unix)]
#[test]
fn a_variable_that_is_not_utf8_is_a_fault() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt as _;
    let mut loader = loader();
    let bad = OsStr::from_bytes(&[0xff]);
    loader.environment([(OsStr::new("RELAY_LISTEN"), bad), (bad, bad), (OsStr::new("HOME"), bad)]);
    assert_eq!(faults(&loader), ["listen (RELAY_LISTEN): the value is not UTF-8"]);
}

#[test]
fn a_command_line_is_taken_apart() {
    let mut loader = loader();
    loader.arguments(["--workers", "4", "--jwt-secret=a=b", "--listen", "--header-family", "both"]);
    assert_eq!(loader.take::<usize>("workers").unwrap(), 4);
    assert_eq!(loader.take::<SecretString>("jwt-secret").unwrap().expose(), "a=b");
    assert_eq!(loader.take::<String>("listen").unwrap(), "true");
    assert_eq!(loader.take::<Family>("header-family").unwrap(), Family::Both);
    loader.finish().unwrap();
}

#[test]
fn a_stray_argument_is_a_fault_that_does_not_quote_it() {
    let mut loader = loader();
    loader.arguments(["hunter2", "--workers", "4"]);
    assert_eq!(faults(&loader), ["? (argument): it does not begin with `--`"]);
    assert_eq!(loader.take::<u16>("workers").unwrap(), 4);
}

#[test]
fn a_flag_given_twice_is_a_fault() {
    let mut loader = loader();
    loader.flags([("workers", "1"), ("workers", "2")]);
    assert_eq!(faults(&loader), ["workers (--workers): it is given twice"]);
}

// ===== faults =====

#[test]
fn all_faults_are_reported_at_once() {
    let mut loader = loader();
    loader.file(
        "relay.toml",
        "workers = -1\nretry-schedule = ['5s', '300']\nwrkers = 2\n[tls]\nkey = 1",
    );
    loader.environment([("RELAY_LISTN", "x"), ("RELAY_HEADER_FAMILY", "svx")]);
    loader.flags([("jwt-secrets", "hunter2")]);
    loader.take::<u16>("workers").unwrap_err();
    loader.take::<Vec<Duration>>("retry-schedule").unwrap_err();
    loader.take::<Family>("header-family").unwrap_err();
    loader.take::<SecretString>("jwt-secret").unwrap_err();
    assert_eq!(
        faults(&loader),
        [
            "RELAY_LISTN (RELAY_LISTN): there is no such setting; did you mean `RELAY_LISTEN`?",
            "header-family (RELAY_HEADER_FAMILY) = `svx`: the value is none of the choices; \
             expected one of `svix`, `webhook`, `both`",
            "jwt-secret: it is required and not set; \
             expected a secret text in --jwt-secret, RELAY_JWT_SECRET or `jwt-secret` of the file",
            "jwt-secrets (--jwt-secrets): there is no such setting; did you mean `--jwt-secret`?",
            "retry-schedule (relay.toml line 2) = `5s, 300`: item 2 has no unit; \
             expected a comma-separated list, each a time with its unit, such as 250ms, 30s, 5m, 2h or 1d",
            "tls (relay.toml line 4): there is no such setting",
            "workers (relay.toml line 1) = `-1`: the value is not such a number; \
             expected a whole number from 0 to 65535",
            "wrkers (relay.toml line 3): there is no such setting; did you mean `workers`?",
        ]
    );
}

#[test]
fn faults_become_one_invalid_argument() {
    let mut loader = loader();
    let _fault = loader.take::<u16>("workers").unwrap_err();
    let error = Error::from(loader.finish().unwrap_err());
    assert_eq!(error.kind(), Kind::InvalidArgument);
    assert!(error.to_string().starts_with("1 setting is wrong:\n  workers: it is required"));
}

#[test]
fn a_wrong_default_is_shown_as_what_it_is() {
    let mut loader = Loader::new("X", &[const { Setting::new("wait", "").default("30") }]);
    let fault = loader.take::<Duration>("wait").unwrap_err();
    assert_eq!(fault.source(), &Source::Default);
    assert_eq!((fault.key(), fault.problem()), ("wait", "the value has no unit"));
    assert!(fault.to_string().starts_with("wait = `30`: the value has no unit; expected a time"));
}

#[test]
fn a_setting_nobody_declared_is_a_fault() {
    let fault = loader().take::<u16>("worker").unwrap_err();
    assert_eq!(fault.problem(), "no such setting is declared");
}

#[test]
fn a_caller_can_reject_a_value_and_secrets_stay_hidden() {
    let mut loader = loader();
    loader.environment([("RELAY_JWT_SECRET", "hunter2")]);
    let secret: SecretString = loader.take("jwt-secret").unwrap();
    let weak = strength(secret.expose()).unwrap_err();
    loader.reject("jwt-secret", weak.to_string(), "a random text");
    assert_eq!(
        faults(&loader),
        [
            "jwt-secret (RELAY_JWT_SECRET): it has 7 bytes, at least 32 are needed; expected a random text"
        ]
    );
}

#[test]
fn broken_toml_is_a_fault_with_its_line_and_no_excerpt() {
    let mut loader = loader();
    loader.file("relay.toml", "workers = 1\njwt-secret = 'hunter2\n");
    let [fault] = &faults(&loader)[..] else { panic!("one fault") };
    assert!(fault.starts_with("? (relay.toml line 2): "), "{fault}");
    assert!(!fault.contains("hunter2"), "{fault}");
}

#[test]
fn a_table_where_a_value_belongs_is_a_fault() {
    let mut loader = loader();
    loader.file("relay.toml", "[listen]\nport = 1");
    assert_eq!(faults(&loader), ["listen (relay.toml line 1): the value is a table"]);
}

#[test]
fn a_far_word_gets_no_suggestion() {
    let mut loader = loader();
    loader.file("relay.toml", "colour = 'red'");
    assert_eq!(faults(&loader), ["colour (relay.toml line 1): there is no such setting"]);
}

// ===== types =====

const ANY: &[Setting] = &[Setting::new("it", "")];

fn parse<T: FromSetting>(text: &str) -> Result<T, String> {
    let mut loader = Loader::new("X", ANY);
    loader.flags([("it", text)]);
    loader.take("it").map_err(|fault| fault.problem().to_owned())
}

#[track_caller]
fn assert_all<T: FromSetting + Debug + PartialEq>(cases: &[(&str, Result<T, &str>)]) {
    for (text, expected) in cases {
        let parsed = parse::<T>(text);
        assert_eq!(
            parsed.as_ref().map_err(String::as_str),
            expected.as_ref().map_err(|e| *e),
            "`{text}`"
        );
    }
}

#[test]
fn times_need_a_unit() {
    assert_all(&[
        ("250ms", Ok(Duration::from_millis(250))),
        ("30s", Ok(Duration::from_secs(30))),
        ("5m", Ok(Duration::from_mins(5))),
        ("2h", Ok(Duration::from_hours(2))),
        ("1d", Ok(Duration::from_hours(24))),
        (" 0 s ", Ok(Duration::ZERO)),
        ("30", Err("the value has no unit")),
        ("", Err("the value does not begin with a whole number")),
        ("-1s", Err("the value does not begin with a whole number")),
        ("1.5s", Err("the value has a unit that is not known")),
        ("1h30m", Err("the value has a unit that is not known")),
        ("1w", Err("the value has a unit that is not known")),
        ("99999999999999d", Err("the value is too large")),
        ("99999999999999999999s", Err("the value is too large")),
    ]);
}

#[test]
fn sizes_need_a_unit() {
    assert_all(&[
        ("512B", Ok(ByteSize::from_bytes(512))),
        ("64KiB", Ok(ByteSize::from_bytes(65_536))),
        ("1mib", Ok(ByteSize::from_bytes(1_048_576))),
        ("1 GiB", Ok(ByteSize::from_bytes(1 << 30))),
        ("10MB", Ok(ByteSize::from_bytes(10_000_000))),
        ("64", Err("the value has no unit")),
        ("64K", Err("the value has a unit that is not known")),
        ("18446744073709551615GiB", Err("the value is too large")),
    ]);
    let shown = [0, 512, 1 << 20, 3 << 10, 1_000_000].map(|b| ByteSize::from_bytes(b).to_string());
    assert_eq!(shown, ["0B", "512B", "1MiB", "3KiB", "1000000B"]);
}

#[test]
fn numbers_and_truths_are_strict() {
    assert_all::<u16>(&[
        ("65535", Ok(65_535)),
        ("65536", Err("the value is too large")),
        ("1e3", Err("the value is not such a number")),
        ("", Err("the value is not such a number")),
    ]);
    assert_all::<u64>(&[("18446744073709551615", Ok(u64::MAX))]);
    assert_all::<bool>(&[
        ("true", Ok(true)),
        ("false", Ok(false)),
        ("yes", Err("the value is neither")),
    ]);
}

#[test]
fn addresses_paths_and_secrets() {
    assert_all::<SocketAddr>(&[
        ("[::1]:80", Ok("[::1]:80".parse().unwrap())),
        ("localhost:80", Err("the value is not a socket address")),
    ]);
    assert_all::<PathBuf>(&[("/var/lib", Ok("/var/lib".into())), ("", Err("the value is empty"))]);
    assert_eq!(parse::<SecretString>(" ").unwrap_err(), "the value is empty");
}

#[test]
fn lists_are_separated_by_commas() {
    assert_all::<Vec<u32>>(&[
        ("1, 2,3", Ok(vec![1, 2, 3])),
        ("7", Ok(vec![7])),
        (" ", Ok(vec![])),
        ("1,,2", Err("item 2 is not such a number")),
    ]);
}

#[test]
fn a_choice_goes_by_its_word_in_any_case() {
    assert_all(&[
        ("WebHook", Ok(Family::Webhook)),
        ("neither", Err("the value is none of the choices")),
    ]);
}

#[test]
fn an_option_may_be_absent() {
    let mut loader = Loader::new("X", ANY);
    assert_eq!(loader.take::<Option<u16>>("it"), Ok(None));
    assert_eq!(parse::<Option<u16>>("5"), Ok(Some(5)));
    assert!(parse::<Option<u16>>("x").is_err());
    loader.finish().unwrap();
}

#[test]
fn toml_types_are_taken_as_written() {
    fn from_toml<T: FromSetting>(value: &str) -> Result<T, String> {
        let mut loader = Loader::new("X", ANY);
        loader.file("x.toml", &format!("it = {value}"));
        loader.take("it").map_err(|fault| fault.problem().to_owned())
    }
    assert_eq!(from_toml::<u16>("1_000"), Ok(1_000));
    assert_eq!(from_toml::<bool>("true"), Ok(true));
    assert_eq!(from_toml::<Vec<u16>>("[1, 2]"), Ok(vec![1, 2]));
    assert_eq!(
        from_toml::<Vec<String>>("['a,b', 'c']"),
        Ok(vec!["a,b".to_owned(), "c".to_owned()])
    );
    assert_eq!(from_toml::<Option<Vec<u16>>>("[]"), Ok(Some(vec![])));
    assert_eq!(from_toml::<Duration>("30"), Err("the value has no unit".to_owned()));
    assert_eq!(from_toml::<u16>("[1]"), Err("the value is a list".to_owned()));
    assert!(from_toml::<Vec<u16>>("[{a = 1}]").is_err());
}

// ===== showing =====

#[test]
fn the_table_shows_values_and_origins_but_no_secrets() {
    let mut loader = loader();
    loader.flags([("jwt-secret", "hunter2")]);
    loader.file("relay.toml", "retry-schedule = ['5s', '1m']");
    assert_eq!(
        table(&loader.effective()).to_string(),
        "setting         value           from\n\
         listen          127.0.0.1:8071  default\n\
         retry-schedule  5s, 1m          relay.toml line 1\n\
         workers                         not set\n\
         jwt-secret      ******          --jwt-secret\n\
         header-family   svix            default"
    );
}

#[test]
fn debug_output_hides_values() {
    let mut loader = loader();
    loader.flags([("jwt-secret", "hunter2")]);
    let value = Value::Text("hunter2".to_owned());
    let shown = format!("{loader:?} {value:?}");
    assert!(shown.contains("--jwt-secret") && !shown.contains("hunter2"), "{shown}");
}

// ===== files of one value =====

#[test]
fn a_secret_from_a_file_of_its_own_is_taken_without_its_line_break() {
    let mut loader = loader();
    loader.value_file("jwt-secret", "/run/secrets/jwt", "a secret\n");
    let secret: SecretString = loader.take("jwt-secret").unwrap();
    assert_eq!(secret.expose(), "a secret");
    assert_eq!(source(&loader, "jwt-secret").as_deref(), Some("/run/secrets/jwt line 1"));
    loader.finish().unwrap();
}

#[test]
fn a_file_of_one_value_beside_another_source_is_a_fault_that_shows_neither() {
    let mut loader = loader();
    loader.environment([("RELAY_JWT_SECRET", "one secret")]);
    loader.value_file("jwt-secret", "/run/secrets/jwt", "another secret");
    loader.value_file("jwt-secrte", "/run/secrets/jwt", "another secret");
    assert_eq!(
        faults(&loader),
        [
            "jwt-secret (/run/secrets/jwt line 1): it is given by RELAY_JWT_SECRET, too",
            "jwt-secrte (/run/secrets/jwt line 1): there is no such setting; did you mean `jwt-secret`?",
        ]
    );
}
