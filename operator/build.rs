//! Lists the names of the presets. They are data of the receiver; the operator only has to know which names exist, so
//! that a mistyped one is a condition at once and not a pod that does not start. And how the program is linked.

use std::fmt::Write as _;
use std::path::Path;
use std::{env, fs, io};

fn main() -> io::Result<()> {
    if env::var("CARGO_CFG_TARGET_ENV").as_deref() == Ok("gnu") {
        // Not to be relocated, as Go's programs: what relocation touches stays resident, 3 MB of 20.
        println!("cargo::rustc-link-arg-bins=-no-pie");
    }
    let folder = Path::new("../receiver/src/source/presets");
    println!("cargo::rerun-if-changed={}", folder.display());
    let mut names: Vec<String> = fs::read_dir(folder)?
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "yaml"))
        .filter_map(|path| Some(path.file_stem()?.to_string_lossy().into_owned()))
        .collect();
    names.sort();
    let mut list = String::from("&[");
    for name in &names {
        let _ = write!(list, "{name:?}, ");
    }
    list.push(']');
    let target = env::var_os("OUT_DIR").ok_or_else(|| io::Error::other("cargo sets OUT_DIR"))?;
    fs::write(Path::new(&target).join("presets.rs"), list)
}
