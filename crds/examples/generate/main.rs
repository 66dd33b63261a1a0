//! Writes the two CustomResourceDefinitions into `crds/yaml`.

mod render;

use std::{error::Error, fs, path::Path};

fn main() -> Result<(), Box<dyn Error>> {
    fs::create_dir_all(render::FOLDER)?;
    for (name, content) in render::files()? {
        fs::write(Path::new(render::FOLDER).join(name), content)?;
    }
    Ok(())
}
