//! Packing a crate: equal results give equal bytes.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

use runner::store::files::{Keep, replace_with};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipWriter};

use super::lock::{Lock, LockedFile};
use super::{Content, Item, LOCK};

/// Files of these endings are packed already.
const PACKED: [&str; 5] = [".parquet", ".safetensors", ".png", ".gz", ".zip"];

/// A file of more bytes needs wider fields.
const WIDE: u64 = 0xF000_0000;

/// Writes the files and the lock that names them all; gives the bytes of the crate.
pub fn write(to: &Path, mut items: Vec<Item>, lock: Lock) -> io::Result<u64> {
    items.sort_by(|a, b| a.path.cmp(&b.path));
    let locked = |item: &Item| {
        let (bytes, sha256) = (item.bytes, item.sha256);
        (item.path.clone(), LockedFile { bytes, sha256 })
    };
    let lock = Lock {
        files: items.iter().map(locked).collect(),
        ..lock
    };
    items.insert(0, Item::text(LOCK, lock.to_text()?));
    replace_with(to, Keep::Durable, |draft| {
        let mut zip = ZipWriter::new(io::BufWriter::new(File::create(draft)?));
        for item in &items {
            pack(&mut zip, item)?;
        }
        zip.finish()?.flush()
    })?;
    Ok(std::fs::metadata(to)?.len())
}

fn pack(zip: &mut ZipWriter<io::BufWriter<File>>, item: &Item) -> io::Result<()> {
    let is_packed = PACKED.iter().any(|ending| item.path.ends_with(ending));
    let method = if is_packed {
        CompressionMethod::Stored
    } else {
        CompressionMethod::Deflated
    };
    let options = SimpleFileOptions::default()
        .compression_method(method)
        .last_modified_time(DateTime::default())
        .unix_permissions(0o644)
        .large_file(item.bytes > WIDE);
    zip.start_file(&item.path, options)?;
    match &item.content {
        Content::Text(text) => zip.write_all(text.as_bytes()),
        Content::File(file) => io::copy(&mut File::open(file)?, zip).map(drop),
    }
}
