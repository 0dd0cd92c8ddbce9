//! One repository at one server: manifests, blobs, tags.

use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, RANGE};
use http::{HeaderMap, HeaderValue, Method};
use oci_spec::image::media_type;
use reference::Digest;
use serde::Deserialize;

use super::auth::{Challenge, prove};
use super::endpoint::Endpoint;
use super::failure::{RegistryError, method_name, read_failure};
use super::http::{Answer, Client, Outgoing};
use super::url::Url;
use super::{Credentials, RegistryConfig};

const MOST_REDIRECTS: usize = 10;
/// Pages of tags that are followed.
const MOST_PAGES: usize = 1000;

/// A repository that answered `GET /v2/`.
pub(crate) struct Repository {
    client: Client,
    base: Url,
    path: String,
    credentials: Credentials,
    challenges: Vec<Challenge>,
    proof: Mutex<Option<HeaderValue>>,
}

/// A manifest or index as it came.
pub(crate) struct Document {
    pub(crate) media_type: String,
    pub(crate) bytes: Vec<u8>,
}

/// A blob's bytes on their way.
pub(crate) struct BlobStream {
    answer: Answer,
    /// Where in the blob the bytes begin.
    pub(crate) offset: u64,
}

impl BlobStream {
    /// The next piece; nothing at the end.
    pub(crate) async fn chunk(&mut self) -> Result<Option<Bytes>, RegistryError> {
        self.answer.chunk().await.map_err(|cause| RegistryError::Transport {
            method: "Get",
            url: String::new(),
            cause: Box::new(cause),
        })
    }
}

impl Repository {
    /// Speaks with a server for the first time.
    pub(crate) async fn open(
        endpoint: &Endpoint,
        path: &str,
        credentials: Credentials,
        config: &RegistryConfig,
    ) -> Result<Repository, RegistryError> {
        let client =
            Client::new(config.certificates.clone(), config.user_agent.clone(), endpoint.is_insecure);
        let url = Url { path: format!("{}/v2/", endpoint.base.path), ..endpoint.base.clone() };
        let ping = Outgoing { method: Method::GET, url, headers: HeaderMap::new(), body: Bytes::new() };
        let answer = client
            .send(&ping)
            .await
            .map_err(|cause| RegistryError::transport(&ping.method, &ping.url, cause))?;
        let challenges = match answer.status() {
            401 => Challenge::read(answer.response.headers()),
            _ => Vec::new(),
        };
        // Only to give the connection back.
        let _ = answer.document().await;
        Ok(Repository {
            client,
            base: endpoint.base.clone(),
            path: path.to_owned(),
            credentials,
            challenges,
            proof: Mutex::default(),
        })
    }

    /// Asks for nothing but to be let in.
    pub(crate) async fn knock(&self) -> Result<(), RegistryError> {
        let url = Url { path: format!("{}/v2/", self.base.path), ..self.base.clone() };
        let answer = self.ask_at(Method::GET, &url, HeaderMap::new(), None).await?;
        self.document(answer).await.map(drop)
    }

    /// The digest that a tag means, without its content; nothing if the server does not say.
    pub(crate) async fn find_tag(&self, tag: &str) -> Result<Option<Digest>, RegistryError> {
        let answer = self.ask(Method::HEAD, &format!("manifests/{tag}"), manifests(), None).await?;
        let digest = answer.header("docker-content-digest").and_then(|text| Digest::parse(text).ok());
        Ok(digest.filter(|_| answer.response.status().is_success()))
    }

    /// A manifest or index by tag or digest.
    pub(crate) async fn manifest(&self, version: &str) -> Result<Document, RegistryError> {
        let answer = self.ask(Method::GET, &format!("manifests/{version}"), manifests(), None).await?;
        let kind = answer.header("content-type").and_then(|kind| kind.split(';').next()).unwrap_or_default();
        let media_type = kind.trim().to_owned();
        let bytes = self.document(answer).await?;
        Ok(Document { media_type, bytes })
    }

    /// A small blob.
    pub(crate) async fn blob(&self, digest: &Digest) -> Result<Vec<u8>, RegistryError> {
        let answer = self.ask(Method::GET, &format!("blobs/{digest}"), HeaderMap::new(), None).await?;
        self.document(answer).await
    }

    /// A blob from `offset` on; a server that cannot resume begins at 0.
    pub(crate) async fn stream(&self, digest: &Digest, offset: u64) -> Result<BlobStream, RegistryError> {
        self.stream_from(&self.url(&format!("blobs/{digest}")), offset).await
    }

    /// The same from an address that a descriptor names. Nothing is proved to it.
    pub(crate) async fn stream_elsewhere(
        &self,
        address: &str,
        offset: u64,
    ) -> Option<Result<BlobStream, RegistryError>> {
        let url = Url::parse(address)?;
        Some(self.stream_from(&url, offset).await)
    }

    /// All tags of the repository.
    pub(crate) async fn tags(&self) -> Result<Vec<String>, RegistryError> {
        #[derive(Deserialize)]
        struct Page {
            #[serde(default)]
            tags: Option<Vec<String>>,
        }
        let mut url = self.url("tags/list");
        let mut tags = Vec::new();
        for _ in 0..MOST_PAGES {
            let answer = self.ask_at(Method::GET, &url, HeaderMap::new(), None).await?;
            let next = answer.header("link").and_then(next_page).and_then(|next| url.join(&next));
            let body = self.document(answer).await?;
            let page: Page = serde_json::from_slice(&body).map_err(|cause| RegistryError::Nonsense {
                status: 200,
                cause: cause.to_string(),
                body: String::from_utf8_lossy(&body).into_owned(),
            })?;
            tags.extend(page.tags.unwrap_or_default());
            match next.filter(|next| next.is_same_server(&url)) {
                Some(next) => url = next,
                None => break,
            }
        }
        Ok(tags)
    }

    fn url(&self, rest: &str) -> Url {
        Url { path: format!("{}/v2/{}/{rest}", self.base.path, self.path), ..self.base.clone() }
    }

    async fn stream_from(&self, url: &Url, offset: u64) -> Result<BlobStream, RegistryError> {
        let mut headers = HeaderMap::new();
        if offset > 0 {
            headers.insert(
                RANGE,
                HeaderValue::from_str(&format!("bytes={offset}-")).unwrap_or(HeaderValue::from_static("")),
            );
        }
        let answer = self.ask_at(Method::GET, url, headers, None).await?;
        let offset = if answer.status() == 206 { offset } else { 0 };
        Ok(BlobStream { answer, offset })
    }

    async fn document(&self, answer: Answer) -> Result<Vec<u8>, RegistryError> {
        answer.document().await.map_err(|cause| RegistryError::transport(&Method::GET, &self.base, cause))
    }

    async fn ask(
        &self,
        method: Method,
        rest: &str,
        headers: HeaderMap,
        body: Option<Bytes>,
    ) -> Result<Answer, RegistryError> {
        self.ask_at(method, &self.url(rest), headers, body).await
    }

    /// Sends a request, proving who asks; once more with a new proof if the old one ran out. A refused HEAD is no error.
    async fn ask_at(
        &self,
        method: Method,
        url: &Url,
        headers: HeaderMap,
        body: Option<Bytes>,
    ) -> Result<Answer, RegistryError> {
        let outgoing = Outgoing { method, url: url.clone(), headers, body: body.unwrap_or_default() };
        for attempt in 0..2 {
            let answer = self.follow(&outgoing).await?;
            let status = answer.response.status();
            if status.is_success()
                || outgoing.method == Method::HEAD && status != http::StatusCode::UNAUTHORIZED
            {
                return Ok(answer);
            }
            let challenges = Challenge::read(answer.response.headers());
            let kind = answer.header("content-type").map(str::to_owned);
            if status == http::StatusCode::UNAUTHORIZED && attempt == 0 && self.forget_proof() {
                continue;
            }
            if outgoing.method == Method::HEAD {
                return Ok(answer);
            }
            let body = self.document(answer).await?;
            return Err(read_failure(status, &challenges, kind.as_deref(), &body));
        }
        Err(RegistryError::Status("401 Unauthorized".to_owned()))
    }

    /// Sends a request and follows redirects; another server is not shown the proof.
    async fn follow(&self, outgoing: &Outgoing) -> Result<Answer, RegistryError> {
        let mut next = outgoing.clone();
        for _ in 0..=MOST_REDIRECTS {
            next.headers.remove(AUTHORIZATION);
            if next.url.is_same_server(&self.base)
                && let Some(proof) = self.proof(outgoing).await?
            {
                next.headers.insert(AUTHORIZATION, proof);
            }
            let answer = self
                .client
                .send(&next)
                .await
                .map_err(|cause| RegistryError::transport(&next.method, &next.url, cause))?;
            if !matches!(answer.status(), 301 | 302 | 303 | 307 | 308) {
                return Ok(answer);
            }
            let place = answer.header("location").and_then(|location| next.url.join(location));
            match place {
                Some(url) => next.url = url,
                None => break,
            }
        }
        Err(RegistryError::Redirects { method: method_name(&next.method), url: next.url.to_string() })
    }

    async fn proof(&self, why: &Outgoing) -> Result<Option<HeaderValue>, RegistryError> {
        if let Some(proof) = self.proof.lock().unwrap_or_else(PoisonError::into_inner).clone() {
            return Ok(Some(proof));
        }
        let scope = match self.path.as_str() {
            "" => String::new(),
            path => format!("repository:{path}:pull"),
        };
        let proof = prove(&self.client, &self.challenges, &self.credentials, &scope, why).await?;
        self.proof.lock().unwrap_or_else(PoisonError::into_inner).clone_from(&proof);
        Ok(proof)
    }

    /// True if there was a proof that a new one may replace.
    fn forget_proof(&self) -> bool {
        let is_renewable = !matches!(self.credentials, Credentials::Bearer(_));
        self.proof.lock().unwrap_or_else(PoisonError::into_inner).take().is_some() && is_renewable
    }
}

fn manifests() -> HeaderMap {
    let mut headers = HeaderMap::new();
    for kind in [
        media_type::DOCKER_MANIFEST,
        media_type::DOCKER_LIST,
        media_type::OCI_MANIFEST,
        media_type::OCI_INDEX,
        media_type::DOCKER_SCHEMA1_SIGNED,
        "application/json",
    ] {
        headers.append(ACCEPT, HeaderValue::from_static(kind));
    }
    headers
}

/// The address in `<address>; rel="next"`.
fn next_page(link: &str) -> Option<String> {
    let (address, rest) = link.trim().strip_prefix('<')?.split_once('>')?;
    rest.contains("next").then(|| address.to_owned())
}
