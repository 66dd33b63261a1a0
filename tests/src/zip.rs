//! Reads zip files.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::Path;

/// Its files, by name.
pub fn read(path: &Path) -> BTreeMap<String, String> {
    let bytes = std::fs::read(path).expect("the zip file can be read");
    let archive = rawzip::ZipArchive::from_slice(&bytes).expect("it is a zip file");
    let mut files = BTreeMap::new();
    for entry in archive.entries() {
        let entry = entry.expect("an entry");
        let name = entry
            .file_path()
            .try_normalize()
            .expect("a plain path")
            .as_ref()
            .to_owned();
        let stored = archive.get_entry(entry.wayfinder()).expect("the entry's data");
        let mut text = String::new();
        let inflated = flate2::read::DeflateDecoder::new(stored.data());
        let mut verified = stored.verifying_reader(inflated);
        verified
            .read_to_string(&mut text)
            .expect("text, and the right checksum");
        files.insert(name, text);
    }
    files
}
