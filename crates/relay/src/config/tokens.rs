//! Tokens: whose signatures can be trusted, and where links with tokens lead.

use linchpin_security::config::{Fault, Loader};
use linchpin_security::secret::{SecretString, strength};
use url::Url;

use super::DEVELOPMENT_SECRET;

/// Why nobody should trust what this secret signs.
pub(super) fn weakness(secret: &SecretString) -> Option<String> {
    if secret.expose() == DEVELOPMENT_SECRET {
        return Some("it is the development secret, which everybody knows".into());
    }
    strength(secret.expose()).err().map(|weak| weak.to_string())
}

/// None if links are to lead to the portal of this Relay, at the address that it listens on.
pub(super) fn portal(loader: &mut Loader) -> Result<Option<Url>, Fault> {
    let text: String = loader.take("portal-url")?;
    if text.is_empty() {
        return Ok(None);
    }
    let fits = |url: &Url| matches!(url.scheme(), "http" | "https") && url.fragment().is_none();
    let parsed = Url::parse(&text).ok().filter(fits);
    let expected = "a URL without a fragment, such as https://hooks.example.com/portal";
    parsed.map(Some).ok_or_else(|| loader.reject("portal-url", "it is none", expected))
}
