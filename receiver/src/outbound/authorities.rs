//! Authorities that are trusted besides the public ones (`--outbound-ca`), or for the queue instead of them (`--queue-ca`).

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

/// The certificates of a PEM bundle.
#[derive(Debug)]
pub(crate) struct Authorities(Vec<CertificateDer<'static>>);

impl Authorities {
    /// Reads a bundle: at least one certificate, and each one usable.
    pub(crate) fn parse(pem: &[u8]) -> Result<Self, String> {
        let certificates: Vec<_> = CertificateDer::pem_slice_iter(pem)
            .collect::<Result<_, _>>()
            .map_err(|error| format!("it is not PEM: {error}"))?;
        if certificates.is_empty() {
            return Err(
                "it holds no certificate; write the authorities' certificates into it (PEM)".to_owned(),
            );
        }
        let mut store = RootCertStore::empty();
        for (n, certificate) in certificates.iter().enumerate() {
            store
                .add(certificate.clone())
                .map_err(|error| format!("certificate {} in it cannot be used: {error}", n + 1))?;
        }
        Ok(Self(certificates))
    }

    /// For the HTTPS client, which knows the public ones itself.
    pub(super) fn certificates(&self) -> Vec<reqwest::Certificate> {
        let all = self.0.iter().map(|der| reqwest::Certificate::from_der(der));
        // Those that cannot be used were found before.
        all.flatten().collect()
    }

    /// These (PEM), for Redis.
    pub(crate) fn alone(&self) -> Arc<[u8]> {
        pem(&self.0)
    }

    /// These and the public ones (PEM), for Redis, which takes one list.
    pub(crate) fn with_public(&self) -> Arc<[u8]> {
        let public = rustls_native_certs::load_native_certs().certs;
        let usable = |der: &CertificateDer<'static>| RootCertStore::empty().add(der.clone()).is_ok();
        pem(self.0.iter().chain(public.iter().filter(|der| usable(der))))
    }
}

fn pem<'c>(certificates: impl IntoIterator<Item = &'c CertificateDer<'static>>) -> Arc<[u8]> {
    let blocks = certificates.into_iter().map(|der| {
        let text = STANDARD.encode(der);
        format!("-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n")
    });
    blocks.collect::<String>().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bundle_that_cannot_be_used_is_refused_with_the_reason() {
        let garbage = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        for (pem, why) in [
            ("", "no certificate"),
            ("no PEM at all", "no certificate"),
            (
                "-----BEGIN CERTIFICATE-----\n???\n-----END CERTIFICATE-----\n",
                "not PEM",
            ),
            (garbage, "certificate 1"),
        ] {
            let error = Authorities::parse(pem.as_bytes()).unwrap_err();
            assert!(error.contains(why), "{pem}: {error}");
        }
    }
}
