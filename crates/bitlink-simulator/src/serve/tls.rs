//! TLS before a simulated web server: a certificate that the machine made itself, for no name and for ever, as miners have
//! them. One does for the whole fleet.

use super::ServeError;
use rcgen::generate_simple_self_signed;
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use std::error::Error;
use std::sync::Arc;
use tokio_rustls::TlsAcceptor;

/// What lets clients in over TLS.
pub(super) fn acceptor() -> Result<TlsAcceptor, ServeError> {
    make().map_err(|source| ServeError::Certificate { source })
}

fn make() -> Result<TlsAcceptor, Box<dyn Error + Send + Sync>> {
    let made = generate_simple_self_signed(vec!["miner".to_owned()])?;
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}
