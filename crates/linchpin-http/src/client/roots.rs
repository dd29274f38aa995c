//! Whose certificates are believed.

use std::fmt;

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

/// The authorities whose certificates are believed.
#[derive(Clone)]
pub struct Roots(RootCertStore);

/// The text holds no certificates that could be believed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct BadPem(String);

impl Roots {
    /// None: add those that are believed.
    #[must_use]
    pub fn none() -> Self {
        Self(RootCertStore::empty())
    }

    /// Those of the system, where there are any; a bare container has none, and gets built-in ones.
    #[must_use]
    pub fn system() -> Self {
        Self::none().and_system()
    }

    /// Those of the [system](Self::system) too.
    #[must_use]
    pub fn and_system(mut self) -> Self {
        let found = rustls_native_certs::load_native_certs();
        let (taken, _) = self.0.add_parsable_certificates(found.certs);
        if taken == 0 {
            tracing::debug!("no certificates on this system, using the built-in ones");
            self.0.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
        }
        self
    }

    /// Those of a PEM text too, as many as it holds.
    ///
    /// # Errors
    ///
    /// If it holds none, or one that cannot be read.
    pub fn and_pem(mut self, pem: &[u8]) -> Result<Self, BadPem> {
        let before = self.0.len();
        for certificate in CertificateDer::pem_slice_iter(pem) {
            let certificate = certificate.map_err(|fault| BadPem(fault.to_string()))?;
            self.0.add(certificate).map_err(|fault| BadPem(fault.to_string()))?;
        }
        if self.0.len() == before {
            return Err(BadPem("there is no certificate in it".into()));
        }
        Ok(self)
    }

    /// Whether nobody is believed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn into_store(self) -> RootCertStore {
        self.0
    }
}

impl fmt::Debug for Roots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Roots({})", self.0.len())
    }
}

impl fmt::Display for BadPem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not certificates in PEM: {}", self.0)
    }
}

impl std::error::Error for BadPem {}
