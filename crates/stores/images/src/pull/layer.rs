//! One layer from the socket to the disk: an asynchronous half that fetches and resumes, a blocking half that
//! verifies and unpacks, and a short queue between them.

use std::io::{self, Read};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use oci_spec::image::Descriptor;
use reference::Digest;
use tokio::sync::{Semaphore, mpsc};

use super::PullError;
use crate::hash::Hasher;
use crate::layer::{LayerError, unpack_layer};
use crate::progress::{Event, LayerStep, Progress};
use crate::registry::{BlobStream, RegistryError, Repository};
use crate::store::{Hold, ImageStore};
use crate::unpack::UnpackError;

/// Pieces between the two halves: a few hundred kilobytes.
const QUEUE: usize = 16;
/// Bytes between two reports.
const REPORT_EVERY: u64 = 512 * 1024;
/// What a broken attempt must have brought for the next not to count.
const REAL_PROGRESS: u64 = 64 * 1024;

/// A layer to fetch.
pub(super) struct Job {
    pub(super) store: ImageStore,
    pub(super) repository: Arc<Repository>,
    pub(super) progress: Arc<dyn Progress>,
    pub(super) layer: Descriptor,
    pub(super) diff_id: Digest,
    pub(super) attempts: u32,
}

/// What the fetching half tells the other one.
enum Piece {
    Bytes(Bytes),
    End,
}

impl Job {
    pub(super) async fn run(self, places: Arc<Semaphore>) -> Result<Hold, PullError> {
        let place = match places.try_acquire() {
            Ok(place) => place,
            Err(_) => {
                self.report(LayerStep::Waiting);
                places.acquire().await.map_err(|_| PullError::Interrupted)?
            }
        };
        // Another pull may fetch the same layer; then it is there when that one is done.
        let turn = self.store.turn(&self.diff_id);
        let _turn = turn.lock().await;
        if let Some(hold) = self.store.hold(&self.diff_id) {
            self.report(LayerStep::Downloaded);
            self.report(LayerStep::Complete);
            return Ok(hold);
        }
        let (sender, receiver) = mpsc::channel(QUEUE);
        let unpacking = self.unpack(receiver);
        let fetched = self.fetch(sender).await;
        drop(place);
        let unpacked = unpacking.await.map_err(|_| PullError::Interrupted)?;
        // If both failed, the fetching half knows why.
        fetched?;
        let hold = unpacked?;
        self.report(LayerStep::Complete);
        Ok(hold)
    }

    /// Starts the blocking half.
    fn unpack(&self, receiver: mpsc::Receiver<Piece>) -> tokio::task::JoinHandle<Result<Hold, PullError>> {
        let (store, diff_id, digest) = (self.store.clone(), self.diff_id.clone(), self.layer.digest.clone());
        let (progress, total) = (Arc::clone(&self.progress), self.layer.size);
        tokio::task::spawn_blocking(move || {
            let id = digest.short().to_owned();
            let mut source = Source {
                receiver,
                current: Bytes::new(),
                hasher: Some(Hasher::like(&digest)),
                digest: digest.clone(),
                is_wrong: false,
                verified: |step| progress.report(Event::Layer { id: id.clone(), step }),
                total,
            };
            let outcome = unpack_layer(&store, &diff_id, &mut source);
            if matches!(&outcome, Err(LayerError::Source(_) | LayerError::Unpack(UnpackError::Archive(_)))) {
                // Damaged on the way, or so from the beginning: only the digest of all bytes tells.
                let _ = io::copy(&mut source, &mut io::sink());
            }
            if source.is_wrong {
                return Err(PullError::LayerDigest(digest));
            }
            outcome.map_err(|error| match error {
                LayerError::DiffId { .. } => PullError::Mismatch,
                other => PullError::Layer(other),
            })
        })
    }

    /// The asynchronous half: all bytes, in order, once; a broken transfer goes on where it broke.
    async fn fetch(&self, sender: mpsc::Sender<Piece>) -> Result<(), PullError> {
        let mut state = Fetch { done: 0, told: 0, attempt: 1 };
        loop {
            let before = state.done;
            let cause = match self.attempt(&sender, &mut state).await {
                Ok(()) => return Ok(()),
                Err(Break::Unwanted) => return Ok(()),
                Err(Break::Final(error)) => return Err(error),
                Err(Break::Passing(cause)) => cause,
            };
            if state.done - before >= REAL_PROGRESS {
                state.attempt = 1;
            }
            if state.attempt >= self.attempts {
                return Err(PullError::Registry(Box::new(cause)));
            }
            let pause = u64::from(state.attempt) * if state.done > before { 1 } else { 5 };
            for left in (1..=pause).rev() {
                self.report(LayerStep::Retrying { seconds: left });
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
            state.attempt += 1;
        }
    }

    async fn attempt(&self, sender: &mpsc::Sender<Piece>, state: &mut Fetch) -> Result<(), Break> {
        let total = self.layer.size;
        if state.done < total {
            let mut stream = self.open(state.done).await.map_err(Break::from)?;
            let mut skip = state.done - stream.offset.min(state.done);
            while let Some(mut bytes) = stream.chunk().await.map_err(Break::from)? {
                let skipped = usize::try_from(skip).unwrap_or(usize::MAX).min(bytes.len());
                bytes = bytes.slice(skipped..);
                skip -= skipped as u64;
                if bytes.is_empty() {
                    continue;
                }
                state.done += bytes.len() as u64;
                if state.done > total {
                    return Err(Break::Final(PullError::LayerDigest(self.layer.digest.clone())));
                }
                sender.send(Piece::Bytes(bytes)).await.map_err(|_| Break::Unwanted)?;
                if state.done - state.told >= REPORT_EVERY || state.told == 0 {
                    state.told = state.done;
                    self.report(LayerStep::Downloading { current: state.done, total });
                }
            }
        }
        if state.done < total {
            return Err(Break::Passing(RegistryError::Transport {
                method: "Get",
                url: self.layer.digest.to_string(),
                cause: "unexpected EOF".into(),
            }));
        }
        sender.send(Piece::End).await.map_err(|_| Break::Unwanted)
    }

    /// Opens the blob here, or where its descriptor says that it is.
    async fn open(&self, offset: u64) -> Result<BlobStream, RegistryError> {
        let refusal = match self.repository.stream(&self.layer.digest, offset).await {
            Ok(stream) => return Ok(stream),
            Err(refusal) => refusal,
        };
        for address in self.layer.urls.iter().flatten() {
            if let Some(Ok(stream)) = self.repository.stream_elsewhere(address, offset).await {
                return Ok(stream);
            }
        }
        Err(refusal)
    }

    fn report(&self, step: LayerStep) {
        self.progress.report(Event::Layer { id: self.layer.digest.short().to_owned(), step });
    }
}

/// How far the fetching half is.
struct Fetch {
    done: u64,
    told: u64,
    attempt: u32,
}

/// Why an attempt ended.
enum Break {
    /// It may go better next time.
    Passing(RegistryError),
    /// It will not.
    Final(PullError),
    /// The other half stopped; it knows why.
    Unwanted,
}

impl From<RegistryError> for Break {
    fn from(cause: RegistryError) -> Break {
        match cause.is_passing() {
            true => Break::Passing(cause),
            false => Break::Final(PullError::Registry(Box::new(cause))),
        }
    }
}

/// The queue's end as a stream that ends well only if the digest is right.
struct Source<F> {
    receiver: mpsc::Receiver<Piece>,
    current: Bytes,
    hasher: Option<Hasher>,
    digest: Digest,
    is_wrong: bool,
    verified: F,
    total: u64,
}

impl<F: Fn(LayerStep)> Source<F> {
    fn finish(&mut self) -> io::Result<()> {
        let Some(hasher) = self.hasher.take() else { return Ok(()) };
        (self.verified)(LayerStep::Verifying);
        if hasher.finish() != self.digest.hex() {
            self.is_wrong = true;
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the digest is wrong"));
        }
        (self.verified)(LayerStep::Downloaded);
        (self.verified)(LayerStep::Extracting { current: self.total, total: self.total });
        Ok(())
    }
}

impl<F: Fn(LayerStep)> Read for Source<F> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.current.is_empty() {
            if self.hasher.is_none() {
                return match self.is_wrong {
                    true => Err(io::Error::new(io::ErrorKind::InvalidData, "the digest is wrong")),
                    false => Ok(0),
                };
            }
            match self.receiver.blocking_recv() {
                Some(Piece::Bytes(bytes)) => {
                    if let Some(hasher) = &mut self.hasher {
                        hasher.update(&bytes);
                    }
                    self.current = bytes;
                }
                Some(Piece::End) => self.finish()?,
                None => return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the transfer ended early")),
            }
        }
        let count = self.current.len().min(buffer.len());
        buffer[..count].copy_from_slice(&self.current[..count]);
        self.current = self.current.slice(count..);
        Ok(count)
    }
}
