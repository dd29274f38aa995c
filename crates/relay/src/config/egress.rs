//! How deliveries leave: directly or through a proxy, and whose certificates they believe.

use std::fs;
use std::path::PathBuf;

use linchpin_http::client::{AddressPolicy, ClientOptions, Proxy, Roots};
use linchpin_security::config::{Fault, Loader};

/// The way out of the network.
#[derive(Clone, Debug)]
pub struct Egress {
    proxy: Option<Proxy>,
    /// The authorities of `ca-file`.
    private: Roots,
    /// Those and no others.
    private_only: bool,
}

impl Egress {
    /// Takes its settings, and finds all that is wrong with each.
    pub(super) fn take(loader: &mut Loader) -> Result<Self, Fault> {
        let (proxy, private) = (proxy(loader), private(loader));
        let private_only: Result<bool, _> = loader.take("ca-only");
        let (proxy, private, private_only) = (proxy?, private?, private_only?);
        if private_only && private.is_empty() {
            let why = "there is no ca-file, so that nobody would be believed";
            return Err(loader.reject("ca-only", why, "false, or a ca-file"));
        }
        Ok(Self { proxy, private, private_only })
    }

    /// How a client connects that leaves this way.
    #[must_use]
    pub fn options(&self, addresses: AddressPolicy) -> ClientOptions {
        let mut options = ClientOptions::default().addresses(addresses);
        if let Some(proxy) = &self.proxy {
            options = options.proxy(proxy.clone());
        }
        let roots = self.private.clone();
        options.roots(if self.private_only { roots } else { roots.and_system() })
    }
}

fn proxy(loader: &mut Loader) -> Result<Option<Proxy>, Fault> {
    const EXPECTED: &str =
        "http://, https:// or socks5://, user:password@ if it wants that, host and port";
    let text: Result<String, _> = loader.take("egress-proxy");
    let spared: Vec<String> = loader.take("egress-no-proxy")?;
    let text = text?;
    if text.is_empty() {
        return Ok(None);
    }
    let parsed = text.parse::<Proxy>();
    let mut proxy =
        parsed.map_err(|fault| loader.reject("egress-proxy", fault.to_string(), EXPECTED))?;
    for target in spared {
        proxy = proxy.spare(&target).map_err(|fault| {
            let expected = "names such as hooks.example.com, .example.com, addresses, subnets";
            loader.reject("egress-no-proxy", format!("`{target}`: {fault}"), expected)
        })?;
    }
    Ok(Some(proxy))
}

fn private(loader: &mut Loader) -> Result<Roots, Fault> {
    let files: Vec<PathBuf> = loader.take("ca-file")?;
    let mut roots = Roots::none();
    for file in files {
        let read = fs::read(&file).map_err(|fault| fault.to_string());
        let added = read.and_then(|pem| roots.and_pem(&pem).map_err(|fault| fault.to_string()));
        roots = added.map_err(|fault| {
            let problem = format!("{}: {fault}", file.display());
            loader.reject("ca-file", problem, "files with certificates in PEM")
        })?;
    }
    Ok(roots)
}
