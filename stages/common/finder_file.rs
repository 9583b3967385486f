//! Tables of `build_finder` as files.

use std::path::Path;

use dynamics::finder::{Settings, Stored};
use runner::error::StageError;
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};

use crate::common::networks::{self, FINDER};

/// Writes a table to a file.
pub fn write(path: &Path, stored: &Stored) -> Result<(), StageError> {
    let Settings {
        radii: (least, most),
        energies,
        least_circularity,
        momenta,
        tilts,
    } = stored.settings;
    let settings = [
        least,
        most,
        energies as f64,
        least_circularity,
        momenta as f64,
        tilts as f64,
    ];
    let doubles = |values: &[f64]| values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>();
    let floats = |values: &[f32]| values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>();
    let classes = stored
        .classes
        .as_flattened()
        .iter()
        .flat_map(|value| value.to_le_bytes());
    let tensors: [(&str, Dtype, Vec<u8>); 8] = [
        ("settings", Dtype::F64, doubles(&settings)),
        ("columns", Dtype::F64, doubles(&stored.columns)),
        ("factors", Dtype::F64, doubles(stored.factors.as_flattened())),
        ("witness", Dtype::F64, doubles(&stored.witness)),
        ("nodes", Dtype::F32, floats(&stored.nodes)),
        ("quick", Dtype::F32, floats(&stored.quick)),
        ("errors", Dtype::F32, floats(stored.errors.as_flattened())),
        ("classes", Dtype::I32, classes.collect()),
    ];
    let views = tensors.iter().map(view).collect::<Result<Vec<_>, StageError>>()?;
    // One entry: the order of several would be by chance.
    let says = [("map".to_owned(), "finder".to_owned())].into();
    let bytes = safetensors::serialize(views, Some(says)).map_err(StageError::failed)?;
    std::fs::write(path, bytes).map_err(|source| StageError::io(path, source))
}

fn view<'a>(
    (name, of, bytes): &'a (&'static str, Dtype, Vec<u8>),
) -> Result<(&'static str, TensorView<'a>), StageError> {
    let size = if *of == Dtype::F64 { 8 } else { 4 };
    let view = TensorView::new(*of, vec![bytes.len() / size], bytes).map_err(StageError::failed)?;
    Ok((name, view))
}

/// Reads the table in the file at the input `finder`.
///
/// **Fails when** the file holds something else.
pub fn read(path: &Path) -> Result<Stored, StageError> {
    let bytes = std::fs::read(path).map_err(|source| StageError::io(path, source))?;
    let metadata = networks::metadata_of(&bytes).map_err(|why| StageError::failed(format!("input finder: {why}")))?;
    let says = |key: &str| metadata.get(key).map(String::as_str);
    let of = networks::of_file(says("map"), says("network"));
    if of != Some(FINDER) {
        return Err(networks::foreign("finder", FINDER, of));
    }
    let damaged = || StageError::failed("input finder: its numbers are not those of a table");
    let file = SafeTensors::deserialize(&bytes).map_err(|_| damaged())?;
    let tensor = |name: &str, of: Dtype| {
        let tensor = file.tensor(name).ok().filter(|tensor| tensor.dtype() == of);
        tensor.map(|tensor| tensor.data().to_vec()).ok_or_else(damaged)
    };
    let doubles = |name: &str| Ok::<_, StageError>(numbers(&tensor(name, Dtype::F64)?, f64::from_le_bytes));
    let floats = |name: &str| Ok::<_, StageError>(numbers(&tensor(name, Dtype::F32)?, f32::from_le_bytes));
    let settings: [f64; 6] = doubles("settings")?.try_into().map_err(|_| damaged())?;
    let [least, most, energies, least_circularity, momenta, tilts] = settings;
    let classes = numbers(&tensor("classes", Dtype::I32)?, i32::from_le_bytes);
    Ok(Stored {
        settings: Settings {
            radii: (least, most),
            energies: energies as usize,
            least_circularity,
            momenta: momenta as usize,
            tilts: tilts as usize,
        },
        columns: doubles("columns")?,
        nodes: floats("nodes")?,
        quick: floats("quick")?,
        classes: classes.as_chunks::<3>().0.to_vec(),
        errors: floats("errors")?.as_chunks::<3>().0.to_vec(),
        factors: doubles("factors")?.as_chunks::<3>().0.to_vec(),
        witness: doubles("witness")?,
    })
}

fn numbers<T, const N: usize>(bytes: &[u8], of: fn([u8; N]) -> T) -> Vec<T> {
    bytes.as_chunks::<N>().0.iter().map(|&bytes| of(bytes)).collect()
}
