//! Writes the CustomResourceDefinitions into `crds/yaml`, and into the chart, which cannot reach outside itself; and
//! beside them a JSON Schema for editors.

mod render;

use std::{error::Error, fs, path::Path};

fn main() -> Result<(), Box<dyn Error>> {
    for folder in [render::FOLDER, render::CHART] {
        fs::create_dir_all(folder)?;
        for (name, content) in render::files()? {
            fs::write(Path::new(folder).join(name), content)?;
        }
    }
    fs::write(render::SCHEMA, render::schema()?)?;
    Ok(())
}
