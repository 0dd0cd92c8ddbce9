//! Opening connections, and saying in Go's words why one could not be opened: Docker's users search for them.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::resolve::{ResolveError, resolve};
use super::tls::TlsError;
use super::url::Url;

const DIAL: Duration = Duration::from_secs(30);
const HANDSHAKE: Duration = Duration::from_secs(10);

/// Why there is no connection, or it broke.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectError {
    #[error("dial tcp: {0}")]
    Resolve(#[from] ResolveError),
    #[error("dial tcp {address}: {}", dial_text(cause))]
    Dial { address: SocketAddr, cause: io::Error },
    #[error("net/http: TLS handshake timeout")]
    HandshakeTimeout,
    #[error("http: server gave HTTP response to HTTPS client")]
    NoTls,
    #[error("tls: failed to verify certificate: {0}")]
    Certificate(String),
    #[error("remote error: tls: {0}")]
    Tls(String),
    #[error(transparent)]
    Settings(#[from] TlsError),
    #[error("{0}")]
    Http(String),
    #[error("net/http: timeout awaiting response headers")]
    NoAnswer,
}

fn dial_text(cause: &io::Error) -> String {
    match cause.kind() {
        io::ErrorKind::ConnectionRefused => "connect: connection refused".to_owned(),
        io::ErrorKind::TimedOut => "i/o timeout".to_owned(),
        _ => format!(
            "connect: {}",
            cause.to_string().split(" (os error").next().unwrap_or_default().to_lowercase()
        ),
    }
}

/// A connection with or without TLS.
pub(crate) enum Stream {
    Plain(TcpStream),
    Secure(Box<TlsStream<TcpStream>>),
}

/// Connects to a server, with TLS if `tls` is given.
pub(crate) async fn connect(url: &Url, tls: Option<Arc<ClientConfig>>) -> Result<Stream, ConnectError> {
    let tcp = dial(url).await?;
    tcp.set_nodelay(true).map_err(|error| ConnectError::Http(error.to_string()))?;
    let Some(tls) = tls else { return Ok(Stream::Plain(tcp)) };
    let name = ServerName::try_from(url.host().to_owned())
        .map_err(|error| ConnectError::Certificate(error.to_string()))?;
    match timeout(HANDSHAKE, TlsConnector::from(tls).connect(name, tcp)).await {
        Ok(Ok(stream)) => Ok(Stream::Secure(Box::new(stream))),
        Ok(Err(error)) => Err(explain(&error)),
        Err(_) => Err(ConnectError::HandshakeTimeout),
    }
}

async fn dial(url: &Url) -> Result<TcpStream, ConnectError> {
    let mut first = None;
    for address in resolve(url.host()).await? {
        let address = SocketAddr::new(address, url.port());
        let cause = match timeout(DIAL, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(cause)) => cause,
            Err(_) => io::ErrorKind::TimedOut.into(),
        };
        first.get_or_insert(ConnectError::Dial { address, cause });
    }
    let host = url.host().to_owned();
    Err(first.unwrap_or(ConnectError::Resolve(ResolveError::NotAName { host })))
}

fn explain(error: &io::Error) -> ConnectError {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        Some(rustls::Error::InvalidMessage(_)) => ConnectError::NoTls,
        Some(rustls::Error::InvalidCertificate(reason)) => {
            ConnectError::Certificate(certificate_text(reason))
        }
        Some(rustls::Error::AlertReceived(alert)) => ConnectError::Tls(format!("{alert:?}")),
        Some(other) => ConnectError::Http(other.to_string()),
        None if error.kind() == io::ErrorKind::UnexpectedEof => ConnectError::Http("EOF".to_owned()),
        None => ConnectError::Http(error.to_string()),
    }
}

fn certificate_text(reason: &rustls::CertificateError) -> String {
    use rustls::CertificateError as Reason;
    match reason {
        Reason::UnknownIssuer => "x509: certificate signed by unknown authority".to_owned(),
        Reason::Expired
        | Reason::ExpiredContext { .. }
        | Reason::NotValidYet
        | Reason::NotValidYetContext { .. } => "x509: certificate has expired or is not yet valid".to_owned(),
        other => format!("x509: {other}"),
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Plain(stream) => Pin::new(stream).poll_read(context, buffer),
            Stream::Secure(stream) => Pin::new(stream).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Stream::Plain(stream) => Pin::new(stream).poll_write(context, bytes),
            Stream::Secure(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Plain(stream) => Pin::new(stream).poll_flush(context),
            Stream::Secure(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            Stream::Secure(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}
