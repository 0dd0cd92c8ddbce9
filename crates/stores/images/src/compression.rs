//! Telling how a stream is compressed by its first bytes, and undoing it on a thread of its own.

use std::io::{self, BufRead, BufReader, Read};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

/// How a stream is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Compression {
    None,
    Gzip,
    Zstd,
    Bzip2,
    Xz,
}

const CHUNK: usize = 256 * 1024;
const CHUNKS_AHEAD: usize = 4;
/// What unpacking may take of memory for one stream's window.
const XZ_MEMORY: u64 = 256 * 1024 * 1024;
const ZSTD_WINDOW_LOG: u32 = 27;

impl Compression {
    /// Looks at the first bytes of a stream.
    pub(crate) fn detect(start: &[u8]) -> Compression {
        match start {
            [0x1f, 0x8b, 0x08, ..] => Compression::Gzip,
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Compression::Zstd,
            // A skippable frame: zstd's way to put foreign data first.
            [first, 0x2a, 0x4d, 0x18, ..] if first & 0xf0 == 0x50 => Compression::Zstd,
            [b'B', b'Z', b'h', ..] => Compression::Bzip2,
            [0xfd, b'7', b'z', b'X', b'Z', 0x00, ..] => Compression::Xz,
            _ => Compression::None,
        }
    }
}

/// Runs `consume` over the plain bytes of `source`; what is compressed is inflated beside it, a megabyte ahead.
///
/// An error of the source reaches `consume` as an `io::Error` of the same kind and text.
pub(crate) fn with_plain<T>(
    source: impl Read + Send,
    consume: impl FnOnce(&mut dyn BufRead) -> T,
) -> io::Result<T> {
    let mut source = BufReader::with_capacity(CHUNK, source);
    let compression = Compression::detect(&fill_some(&mut source)?);
    if compression == Compression::None {
        return Ok(consume(&mut source));
    }
    let (full_sender, full_receiver) = sync_channel(CHUNKS_AHEAD);
    let (empty_sender, empty_receiver) = sync_channel(CHUNKS_AHEAD + 1);
    std::thread::scope(|scope| {
        let inflate = move || inflate(compression, source, &full_sender, &empty_receiver);
        std::thread::Builder::new().name("inflate".to_owned()).spawn_scoped(scope, inflate)?;
        let mut chunks = ChunkReader { full: full_receiver, empty: empty_sender, current: Vec::new(), at: 0 };
        Ok(consume(&mut chunks))
    })
}

/// The first bytes of a source that may hand them out one by one.
fn fill_some(source: &mut BufReader<impl Read>) -> io::Result<Vec<u8>> {
    // A pipe hands out what it has; only an unusual writer gives less than a magic number at once.
    Ok(source.fill_buf()?.iter().take(6).copied().collect())
}

type Chunk = io::Result<Vec<u8>>;

fn inflate(
    compression: Compression,
    source: BufReader<impl Read>,
    full: &SyncSender<Chunk>,
    empty: &Receiver<Vec<u8>>,
) {
    let outcome = decoder(compression, source).and_then(|mut decoder| {
        loop {
            let mut chunk = empty.try_recv().unwrap_or_default();
            chunk.resize(CHUNK, 0);
            let count = fill(&mut decoder, &mut chunk)?;
            chunk.truncate(count);
            if count == 0 || full.send(Ok(chunk)).is_err() {
                return Ok(());
            }
        }
    });
    if let Err(error) = outcome {
        let _ = full.send(Err(error));
    }
}

fn decoder<'a>(
    compression: Compression,
    source: BufReader<impl Read + 'a>,
) -> io::Result<Box<dyn Read + 'a>> {
    Ok(match compression {
        Compression::None => Box::new(source),
        Compression::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(source)),
        Compression::Bzip2 => Box::new(bzip2::bufread::MultiBzDecoder::new(source)),
        Compression::Xz => {
            let stream =
                liblzma::stream::Stream::new_stream_decoder(XZ_MEMORY, liblzma::stream::CONCATENATED)?;
            Box::new(liblzma::bufread::XzDecoder::new_stream(source, stream))
        }
        Compression::Zstd => {
            let mut decoder = zstd::stream::read::Decoder::with_buffer(source)?;
            decoder.window_log_max(ZSTD_WINDOW_LOG)?;
            Box::new(decoder)
        }
    })
}

/// Fills a buffer as far as the source goes.
fn fill(source: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match source.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// Reads what the other thread inflated.
struct ChunkReader {
    full: Receiver<Chunk>,
    empty: SyncSender<Vec<u8>>,
    current: Vec<u8>,
    at: usize,
}

impl BufRead for ChunkReader {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.at == self.current.len()
            && let Ok(next) = self.full.recv()
        {
            let used = std::mem::replace(&mut self.current, next?);
            self.at = 0;
            // If the other side is done, the buffer is simply freed.
            let _ = self.empty.try_send(used);
        }
        Ok(&self.current[self.at..])
    }

    fn consume(&mut self, count: usize) {
        self.at = (self.at + count).min(self.current.len());
    }
}

impl Read for ChunkReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let bytes = self.fill_buf()?;
        let count = bytes.len().min(buffer.len());
        buffer[..count].copy_from_slice(&bytes[..count]);
        self.consume(count);
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn plain(bytes: &[u8]) -> io::Result<Vec<u8>> {
        with_plain(bytes, |source| {
            let mut out = Vec::new();
            source.read_to_end(&mut out).map(|_| out)
        })?
    }

    fn sample() -> Vec<u8> {
        (0..3_000_000_u32).flat_map(|number| (number / 7).to_le_bytes()).take(5_000_000).collect()
    }

    #[test]
    fn every_form_gives_the_same_bytes() {
        let sample = sample();
        let gzip = {
            let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            writer.write_all(&sample).unwrap();
            writer.finish().unwrap()
        };
        let bzip2 = {
            let mut writer = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
            writer.write_all(&sample).unwrap();
            writer.finish().unwrap()
        };
        let xz = {
            let mut writer = liblzma::write::XzEncoder::new(Vec::new(), 0);
            writer.write_all(&sample).unwrap();
            writer.finish().unwrap()
        };
        let zstd = zstd::encode_all(sample.as_slice(), 1).unwrap();
        let two_members = [gzip.clone(), gzip.clone()].concat();
        for bytes in [&gzip, &bzip2, &xz, &zstd, &sample] {
            assert!(plain(bytes).unwrap() == sample);
        }
        assert_eq!(plain(&two_members).unwrap().len(), 2 * sample.len());
        assert_eq!(plain(b"").unwrap(), b"");
    }

    #[test]
    fn a_cut_stream_is_an_error() {
        let sample = sample();
        let zstd = zstd::encode_all(sample.as_slice(), 1).unwrap();
        assert!(plain(&zstd[..zstd.len() / 2]).is_err());
        assert!(plain(&[0x1f, 0x8b, 0x08, 0, 1, 2]).is_err());
    }

    #[test]
    fn a_reader_that_stops_early_ends_the_other_thread() {
        let zstd = zstd::encode_all(sample().as_slice(), 1).unwrap();
        let first = with_plain(zstd.as_slice(), |source| source.fill_buf().map(<[u8]>::len)).unwrap();
        assert!(first.unwrap() > 0);
    }
}
