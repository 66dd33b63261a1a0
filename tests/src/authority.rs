//! Certificates for tests: an authority, and what it signs.

use std::sync::Arc;

use anyhow::Result;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, ExtendedKeyUsagePurpose,
    IsCa, KeyPair, KeyUsagePurpose, SanType, date_time_ymd,
};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject as _;
use sha2::{Digest as _, Sha256};

/// Signs certificates.
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate with its key.
pub struct Leaf {
    /// PEM.
    pub certificate: String,
    /// DER.
    pub der: Vec<u8>,
    /// PEM.
    pub key: String,
}

impl Authority {
    /// A new one.
    pub fn new(name: &str) -> Result<Self> {
        let mut params = CertificateParams::new(Vec::new())?;
        params.distinguished_name = named(name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        Ok(Self(CertifiedIssuer::self_signed(params, KeyPair::generate()?)?))
    }

    /// Its own certificate (PEM).
    pub fn certificate(&self) -> String {
        self.0.pem()
    }

    /// A server's certificate for an address or name.
    pub fn server(&self, name: &str) -> Result<Leaf> {
        self.for_use(&[name], &[ExtendedKeyUsagePurpose::ServerAuth])
    }

    /// That of a server which also calls others of its kind, for several addresses and names.
    pub fn peer(&self, names: &[&str]) -> Result<Leaf> {
        let both = [
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        self.for_use(names, &both)
    }

    fn for_use(&self, names: &[&str], uses: &[ExtendedKeyUsagePurpose]) -> Result<Leaf> {
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        let mut params = CertificateParams::new(names)?;
        params.extended_key_usages = uses.to_vec();
        self.sign(&params)
    }

    /// A client's certificate with these alternative names.
    pub fn client(&self, common_name: &str, names: &[SanType]) -> Result<Leaf> {
        self.sign(&client(common_name, names)?)
    }

    /// The same, out of date since 2021.
    pub fn expired_client(&self, common_name: &str, names: &[SanType]) -> Result<Leaf> {
        let mut params = client(common_name, names)?;
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(2021, 1, 1);
        self.sign(&params)
    }

    fn sign(&self, params: &CertificateParams) -> Result<Leaf> {
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &self.0)?;
        Ok(Leaf {
            certificate: certificate.pem(),
            der: certificate.der().to_vec(),
            key: key.serialize_pem(),
        })
    }
}

impl Leaf {
    /// What a server needs to show it.
    pub fn server_config(&self) -> Result<Arc<ServerConfig>> {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let key = PrivateKeyDer::from_pem_slice(self.key.as_bytes())?;
        let chain = vec![self.der.clone().into()];
        let config = ServerConfig::builder().with_no_client_auth();
        Ok(Arc::new(config.with_single_cert(chain, key)?))
    }

    /// SHA-256 of the certificate in hex.
    pub fn sha256(&self) -> String {
        hex::encode(Sha256::digest(&self.der))
    }
}

fn client(common_name: &str, names: &[SanType]) -> Result<CertificateParams> {
    let mut params = CertificateParams::new(Vec::new())?;
    params.distinguished_name = named(common_name);
    params.subject_alt_names = names.to_vec();
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    Ok(params)
}

fn named(common_name: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, common_name);
    name
}
