//! The networks inside the program, and their way onto the disk: runtimes load networks from files.

use std::{
    io,
    path::{Path, PathBuf},
};

use crate::files;

/// A network whose bytes are in the program.
#[derive(Debug, Clone, Copy)]
pub struct Embedded {
    /// The catalog's name.
    pub name: &'static str,
    /// The ONNX file.
    pub bytes: &'static [u8],
}

/// The networks that `scripts/train` made; `models/README.md` is their card.
pub const NETWORKS: [Embedded; 2] = [
    Embedded {
        name: "facebench-det",
        bytes: include_bytes!("../../models/facebench-det.onnx"),
    },
    Embedded {
        name: "facebench-rec",
        bytes: include_bytes!("../../models/facebench-rec.onnx"),
    },
];

/// The network called `name`, where it is one of them.
pub fn find(name: &str) -> Option<&'static Embedded> {
    NETWORKS.iter().find(|network| network.name == name)
}

impl Embedded {
    /// Writes the network below `home` unless it is there already, and says where. Its file carries a part of its
    /// hash `sha256` in the name, so that programs with other networks do not take each other's.
    pub fn unpack(&self, home: &Path, sha256: &str) -> io::Result<PathBuf> {
        let hash = &sha256[..8.min(sha256.len())];
        let path = home.join("models").join(format!("{}-{hash}.onnx", self.name));
        if files::sha256(&path).is_ok_and(|found| found == sha256) {
            return Ok(path);
        }
        files::write_atomic(&path, self.bytes)?;
        Ok(path)
    }
}

#[cfg(test)]
mod tests {
    use super::super::catalog::Catalog;
    use super::*;

    #[test]
    fn the_catalog_knows_these_very_bytes() {
        let catalog = Catalog::embedded().unwrap();
        let home = tempfile::tempdir().unwrap();
        for network in NETWORKS {
            let entry = catalog.get(network.name).unwrap();
            assert_eq!(entry.bytes, Some(network.bytes.len() as u64), "{}", network.name);
            let sha256 = entry.sha256.as_deref().unwrap();
            let path = network.unpack(home.path(), sha256).unwrap();
            assert_eq!(files::sha256(&path).unwrap(), sha256, "{}", network.name);
            std::fs::write(&path, b"spoilt").unwrap();
            assert_eq!(
                files::sha256(&network.unpack(home.path(), sha256).unwrap()).unwrap(),
                sha256
            );
        }
    }
}
