//! The certificates, made anew for every run.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::ValueEnum;
use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_RSA_SHA256, RsaKeySize};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};

/// A certificate by the type of its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in crate::bench) enum Key {
    /// ECDSA, P-256.
    Ecdsa,
    /// RSA, 2048 bits.
    Rsa,
}

impl Key {
    pub(super) const ALL: [Self; 2] = [Self::Ecdsa, Self::Rsa];

    /// The name in it, by which clients ask for it.
    pub(in crate::bench) fn host(self) -> &'static str {
        match self {
            Self::Ecdsa => "ecdsa.bench.test",
            Self::Rsa => "rsa.bench.test",
        }
    }

    /// The same for rustls.
    pub(super) fn name(self) -> Result<ServerName<'static>> {
        ServerName::try_from(self.host()).context(self.host())
    }

    /// The certificate, in PEM.
    pub(in crate::bench) fn certificate_file(self, folder: &Path) -> PathBuf {
        folder.join(format!("{}.crt", self.host()))
    }

    /// Its key, in PEM. HAProxy looks for it under this name by itself.
    pub(in crate::bench) fn key_file(self, folder: &Path) -> PathBuf {
        folder.join(format!("{}.crt.key", self.host()))
    }

    pub(super) fn certificate(self, folder: &Path) -> Result<CertificateDer<'static>> {
        let file = self.certificate_file(folder);
        CertificateDer::from_pem_file(&file).with_context(|| file.display().to_string())
    }

    pub(super) fn private(self, folder: &Path) -> Result<PrivateKeyDer<'static>> {
        let file = self.key_file(folder);
        PrivateKeyDer::from_pem_file(&file).with_context(|| file.display().to_string())
    }

    fn make(self, folder: &Path) -> Result<()> {
        let pair = match self {
            Self::Ecdsa => KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?,
            Self::Rsa => KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048)?,
        };
        let certificate = CertificateParams::new([self.host().to_owned()])?.self_signed(&pair)?;
        fs::write(self.certificate_file(folder), certificate.pem())?;
        fs::write(self.key_file(folder), pair.serialize_pem())?;
        Ok(())
    }
}

/// Makes every certificate and its key.
pub(in crate::bench) fn make(folder: &Path) -> Result<()> {
    Key::ALL.iter().try_for_each(|key| key.make(folder)).context("making certificates")
}
