//! Material in files, read anew with every load, with the memory of what was last good in them.

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::{CertificateDer, CertificateRevocationListDer};

use super::{Flaw, MaterialError, Piece, identity, revocation_lists, roots};
use crate::config::model::Identity;
use crate::config::source::read_bytes;

/// Reads files of material. A file half written, or a certificate written before its key, must not take
/// its mappings along, so what was last good stays until something good takes its place.
#[derive(Debug, Default)]
pub(in crate::config) struct Files {
    limit: u64,
    /// Those of this load.
    asked: BTreeSet<PathBuf>,
    identities: Memory<Identity>,
    roots: Memory<Vec<CertificateDer<'static>>>,
    lists: Memory<Vec<CertificateRevocationListDer<'static>>>,
}

/// What was read; or what was last good, and why that had to do.
#[derive(Debug)]
pub(in crate::config) struct Taken<T> {
    pub(in crate::config) value: T,
    pub(in crate::config) stale: Option<MaterialError>,
}

/// What was last good, by the files it is made of.
#[derive(Debug)]
struct Memory<T>(HashMap<Vec<PathBuf>, T>);

impl Files {
    /// Begins a load, in which no file may be larger than `limit` bytes.
    pub(in crate::config) fn begin(&mut self, limit: u64) {
        self.limit = limit;
        self.asked.clear();
    }

    /// Ends a load: forgets what nobody asked for, and tells which files matter.
    pub(in crate::config) fn end(&mut self) -> Vec<PathBuf> {
        let asked = &self.asked;
        self.identities.retain(asked);
        self.roots.retain(asked);
        self.lists.retain(asked);
        asked.iter().cloned().collect()
    }

    /// A certificate chain and its key.
    pub(in crate::config) fn identity(
        &mut self,
        chain: &Path,
        key: &Path,
    ) -> Result<Taken<Identity>, MaterialError> {
        let source: Arc<str> = chain.display().to_string().into();
        // Both are asked for whatever becomes of the first, so that both are watched.
        let (chain_piece, key_piece) = (self.read(chain), self.read(key));
        let fresh = chain_piece.and_then(|chain| identity(source, &chain, &key_piece?));
        self.identities.settle(vec![chain.to_path_buf(), key.to_path_buf()], fresh)
    }

    /// Authorities.
    pub(in crate::config) fn roots(
        &mut self,
        path: &Path,
    ) -> Result<Taken<Vec<CertificateDer<'static>>>, MaterialError> {
        let fresh = self.read(path).and_then(|piece| roots(&piece));
        self.roots.settle(vec![path.to_path_buf()], fresh)
    }

    /// What authorities have revoked.
    pub(in crate::config) fn revocation_lists(
        &mut self,
        path: &Path,
    ) -> Result<Taken<Vec<CertificateRevocationListDer<'static>>>, MaterialError> {
        let fresh = self.read(path).and_then(|piece| revocation_lists(&piece));
        self.lists.settle(vec![path.to_path_buf()], fresh)
    }

    fn read(&mut self, path: &Path) -> Result<Piece, MaterialError> {
        self.asked.insert(path.to_path_buf());
        let name = path.display().to_string();
        match read_bytes(path, self.limit) {
            Ok(bytes) => Ok(Piece { name, bytes }),
            Err(error) => Err(MaterialError { name, flaw: Flaw::Unreadable(error) }),
        }
    }
}

impl<T: Clone> Memory<T> {
    fn settle(
        &mut self,
        paths: Vec<PathBuf>,
        fresh: Result<T, MaterialError>,
    ) -> Result<Taken<T>, MaterialError> {
        match fresh {
            Ok(value) => {
                self.0.insert(paths, value.clone());
                Ok(Taken { value, stale: None })
            }
            Err(error) => match self.0.get(&paths) {
                Some(good) => Ok(Taken { value: good.clone(), stale: Some(error) }),
                None => Err(error),
            },
        }
    }

    fn retain(&mut self, asked: &BTreeSet<PathBuf>) {
        self.0.retain(|paths, _| paths.iter().all(|path| asked.contains(path)));
    }
}

impl<T> Default for Memory<T> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}
