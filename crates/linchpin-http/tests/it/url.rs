//! URLs: what may be called, as far as that shows in the text.

use linchpin_http::client::{AddressPolicy, UrlFault, validate_url};

fn fault(text: &str) -> UrlFault {
    validate_url(text, &AddressPolicy::public()).expect_err(text)
}

#[linchpin_testing::test]
fn a_public_url_comes_back_normalised() {
    let url = validate_url("HTTPS://Example.COM:443/a/../b?c", &AddressPolicy::public()).unwrap();
    assert_eq!(url.as_str(), "https://example.com/b?c");
}

#[linchpin_testing::test]
fn loopback_in_every_spelling_is_seen() {
    for host in [
        "127.0.0.1",
        "2130706433",
        "0177.0.0.1",
        "0x7f.1",
        "127.1",
        "127.0.0.1.",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[0:0:0:0:0:ffff:7f00:1]",
        "１２７.0.0.1",
    ] {
        let text = format!("http://{host}/");
        assert!(matches!(fault(&text), UrlFault::Blocked(_)), "{text}");
    }
}

#[linchpin_testing::test]
fn a_literal_is_judged_by_the_policy_that_is_given() {
    let development = AddressPolicy::public().allow_loopback();
    assert!(validate_url("http://127.0.0.1:8080/hook", &development).is_ok());
    assert_eq!(fault("http://10.0.0.1/"), UrlFault::Blocked("private"));
}

#[linchpin_testing::test]
fn what_is_no_plain_http_url_is_refused() {
    assert_eq!(fault("ftp://example.com/"), UrlFault::Scheme);
    assert_eq!(fault("file:///etc/passwd"), UrlFault::Scheme);
    assert_eq!(fault("https://user@example.com/"), UrlFault::UserInfo);
    assert_eq!(fault("https://:secret@example.com/"), UrlFault::UserInfo);
    assert_eq!(fault("https://example.com/#part"), UrlFault::Fragment);
    for text in ["", "example.com", "/hook"] {
        assert_eq!(fault(text), UrlFault::Scheme, "{text}");
    }
    for text in ["http://", "http:///", "http://exa mple.com/", "http://[::1"] {
        assert!(matches!(fault(text), UrlFault::Malformed(_)), "{text}: {:?}", fault(text));
    }
}

#[linchpin_testing::test]
fn a_url_has_at_most_2048_bytes() {
    let of = |length: usize| format!("https://example.com/{}", "a".repeat(length - 20));
    assert!(validate_url(&of(2_048), &AddressPolicy::public()).is_ok());
    assert_eq!(fault(&of(2_049)), UrlFault::TooLong);
}

#[linchpin_testing::test]
fn a_fault_does_not_repeat_a_password() {
    assert!(!fault("https://user:hunter2@example.com/").to_string().contains("hunter2"));
}
