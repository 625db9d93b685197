//! TLS below an exchange: whom to believe, and the handshake. What travels inside is the business of others.
//!
//! Miners have certificates that they made themselves, for no name and for ever. Nobody vouches for them, so believing them or
//! not is a decision about the network between, not about the certificate.

use crate::error::{Stage, TransportError};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, Error, SignatureScheme};
use std::net::IpAddr;
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Whose certificates are believed. No list of public authorities is kept: none of them vouches for a miner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Certificates {
    /// Any certificate at an address of a local network (RFC 1918, RFC 6598, loopback, link-local, RFC 4193), none
    /// elsewhere. The default: whoever can answer in the name of an address on the farm's own network can do worse.
    #[default]
    AnyOnLan,
    /// Any certificate anywhere. For a network between that is trusted for another reason, as a tunnel is.
    Any,
    /// None: no question is put over TLS.
    None,
}

impl Certificates {
    pub(crate) fn trusts(self, ip: IpAddr) -> bool {
        match self {
            Self::AnyOnLan => is_local(ip),
            Self::Any => true,
            Self::None => false,
        }
    }
}

fn is_local(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(ip) => {
            // Shared address space, as carriers and tunnels use it.
            let [first, second, ..] = ip.octets();
            let shared = first == 100 && (64..128).contains(&second);
            ip.is_private() || ip.is_loopback() || ip.is_link_local() || shared
        }
        IpAddr::V6(ip) => ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local(),
    }
}

/// A connector that believes every certificate; whether to use it is decided before.
pub(crate) fn connector() -> Result<TlsConnector, TransportError> {
    let provider = Arc::new(ring::default_provider());
    let config = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| TransportError::tls(std::io::Error::other(error)))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Credulous(provider)))
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

/// Agrees on TLS with whoever is at the other end.
pub(crate) async fn shake_hands(
    connector: &TlsConnector,
    stream: TcpStream,
    ip: IpAddr,
    deadline: Instant,
) -> Result<TlsStream<TcpStream>, TransportError> {
    let name = ServerName::IpAddress(ip.to_canonical().into());
    match timeout_at(deadline, connector.connect(name, stream)).await {
        Ok(Ok(stream)) => Ok(stream),
        Ok(Err(error)) => Err(TransportError::tls(error)),
        Err(_elapsed) => Err(TransportError::TimedOut { stage: Stage::Connecting, received: 0 }),
    }
}

/// Believes that a certificate is its bearer's. That the bearer has the key to it is still checked.
#[derive(Debug)]
struct Credulous(Arc<CryptoProvider>);

impl ServerCertVerifier for Credulous {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests;
