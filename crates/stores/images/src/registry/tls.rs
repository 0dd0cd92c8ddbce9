//! Whom a connection trusts: the machine's roots, a registry's own folder, or anybody if it is called insecure.

use std::io;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};

/// Why a registry's folder of certificates cannot be used. The words are Docker's.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TlsError {
    #[error(
        "missing key {key} for client certificate {certificate}. CA certificates must use the extension .crt"
    )]
    NoKey { key: String, certificate: String },
    #[error("missing client certificate {certificate} for key {key}")]
    NoCertificate { key: String, certificate: String },
    #[error("{0}")]
    File(#[from] io::Error),
    #[error("{0}")]
    Pem(#[from] rustls_pki_types::pem::Error),
    #[error("{0}")]
    Setting(#[from] rustls::Error),
}

/// The settings for a server. `folder` holds `*.crt` (roots), `*.cert` and `*.key` (who we are).
pub(crate) fn client_config(folder: &Path, is_insecure: bool) -> Result<Arc<ClientConfig>, TlsError> {
    let provider = Arc::new(ring::default_provider());
    let builder =
        ClientConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions()?;
    if is_insecure {
        let anybody = Arc::new(Anybody(provider));
        return Ok(Arc::new(
            builder.dangerous().with_custom_certificate_verifier(anybody).with_no_client_auth(),
        ));
    }
    let mut roots = native_roots().clone();
    let names = file_names(folder)?;
    for name in names.iter().filter(|name| name.ends_with(".crt")) {
        for certificate in CertificateDer::pem_file_iter(folder.join(name))? {
            // Like Docker, which takes what it can of a bundle.
            let _ = roots.add(certificate?);
        }
    }
    for key in names.iter().filter_map(|name| name.strip_suffix(".key")) {
        let certificate = format!("{key}.cert");
        if !names.contains(&certificate) {
            return Err(TlsError::NoCertificate { key: format!("{key}.key"), certificate });
        }
    }
    let builder = builder.with_root_certificates(roots);
    match names.iter().find_map(|name| name.strip_suffix(".cert")) {
        None => Ok(Arc::new(builder.with_no_client_auth())),
        Some(name) => {
            let (certificate, key) = (format!("{name}.cert"), format!("{name}.key"));
            if !names.contains(&key) {
                return Err(TlsError::NoKey { key, certificate });
            }
            let chain =
                CertificateDer::pem_file_iter(folder.join(certificate))?.collect::<Result<Vec<_>, _>>()?;
            let key = PrivateKeyDer::from_pem_file(folder.join(key))?;
            Ok(Arc::new(builder.with_client_auth_cert(chain, key)?))
        }
    }
}

fn file_names(folder: &Path) -> io::Result<Vec<String>> {
    let entries = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other?,
    };
    let mut names: Vec<String> =
        entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.sort();
    Ok(names)
}

/// The machine's roots, read once.
fn native_roots() -> &'static RootCertStore {
    static ROOTS: OnceLock<RootCertStore> = OnceLock::new();
    ROOTS.get_or_init(|| {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        roots
    })
}

/// Takes any certificate, but still insists that the server owns it.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
