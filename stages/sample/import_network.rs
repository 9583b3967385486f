//! Brings in a trained network from a file, one of ours or of someone else who has this program.

use std::path::{Path, PathBuf};

use runner::context::StageContext;
use runner::error::StageError;
use runner::ports::{Connected, InputPort, NetworkType, OutputPort};
use runner::stage::{FileParameter, Outcome, Role, Stage};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::common::networks::{self, TypeName};

/// `import_network`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ImportNetwork {
    /// The file, safetensors as a training of this program writes it: absolute, or relative to the pipeline's file.
    pub path: PathBuf,
    /// What it holds.
    pub r#type: TypeName,
}

/// What a file says that it holds.
///
/// **Fails when** it is no whole safetensors file, or holds no network of this program.
pub fn type_of(path: &Path) -> Result<NetworkType, StageError> {
    let bytes = std::fs::read(path).map_err(|source| StageError::io(path, source))?;
    let metadata =
        networks::metadata_of(&bytes).map_err(|why| StageError::failed(format!("{} {why}", path.display())))?;
    let says = |key: &str| metadata.get(key).map(String::as_str);
    networks::of_file(says("map"), says("network"))
        .ok_or_else(|| StageError::failed(format!("{} holds no network of this program", path.display())))
}

impl Stage for ImportNetwork {
    const KIND: &'static str = "import_network";
    const ABOUT: &'static str = "Import a trained network from a safetensors file";
    const REVISION: u32 = 1;
    const ROLE: Role = Role::Sample;

    fn inputs(&self) -> Vec<InputPort> {
        Vec::new()
    }

    fn outputs(&self, _connected: &Connected) -> Result<Vec<OutputPort>, String> {
        Ok(vec![OutputPort::network("network", self.r#type.into())])
    }

    fn files(&self) -> Vec<FileParameter> {
        vec![FileParameter {
            parameter: "path".into(),
            place: None,
            called: None,
            path: self.path.clone(),
        }]
    }

    fn run(&self, context: &mut StageContext) -> Result<Outcome, StageError> {
        let path = context.file("path")?;
        let (found, said) = (type_of(path)?, NetworkType::from(self.r#type));
        if found != said {
            return Err(StageError::with_hint(
                format!("{} holds a {found}, not a {said}", self.path.display()),
                format!("write `type: {found}`"),
            ));
        }
        let output = context.output("network")?;
        std::fs::copy(path, output).map_err(|source| StageError::io(path, source))?;
        Ok(Outcome::Complete)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;
    use crate::testing::{run, stage};

    /// A safetensors file without tensors that says this.
    fn file(map: &str, network: &str) -> tempfile::NamedTempFile {
        let header = json!({ "__metadata__": { "map": map, "network": network } }).to_string();
        let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
        bytes.extend(header.into_bytes());
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), bytes).unwrap();
        file
    }

    #[test]
    fn a_network_comes_in_as_it_is_and_as_nothing_else() {
        let given = file("field", "linear_field");
        let import = |of: &str| stage::<ImportNetwork>(json!({ "path": "a.safetensors", "type": of }));
        let ran = run(&import("field/linear"), &[], &[("path", given.path().to_owned())]).completed();
        assert_eq!(ran.bytes["network"], std::fs::read(given.path()).unwrap());
        let wrong = run(&import("actions/smooth"), &[], &[("path", given.path().to_owned())]).error();
        assert_eq!(
            wrong,
            "a.safetensors holds a field/linear, not a actions/smooth | write `type: field/linear`"
        );
        let other = file("field", "of_corn");
        let none = run(&import("field/linear"), &[], &[("path", other.path().to_owned())]).error();
        assert!(none.contains("holds no network of this program"), "{none}");
        std::fs::write(other.path(), b"PK").unwrap();
        let broken = run(&import("field/linear"), &[], &[("path", other.path().to_owned())]).error();
        assert!(broken.contains("is not a whole safetensors file"), "{broken}");
    }
}
