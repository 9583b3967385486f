//! What the examples of the finder are asked: `MODEL R_MIN R_MAX ENERGIES LEAST_CIRCULARITY MOMENTA TILTS FILE…`.

use dynamics::finder::Settings;
use dynamics::potential::{MilkyWay, Potential};

/// The galaxy, how fine its table is to be, and the files of labels.
pub struct Asked {
    pub model: String,
    pub galaxy: Box<dyn Potential>,
    pub settings: Settings,
    pub files: Vec<String>,
}

impl Asked {
    pub fn read() -> Result<Self, Box<dyn std::error::Error>> {
        let arguments: Vec<String> = std::env::args().skip(1).collect();
        let (model, rest) = arguments.split_first().ok_or("which model?")?;
        let galaxy = MilkyWay::named(model).ok_or("no such galaxy")?.build()?;
        let (numbers, files) = rest.split_at_checked(6).ok_or("which settings?")?;
        let settings = Settings {
            radii: (numbers[0].parse()?, numbers[1].parse()?),
            energies: numbers[2].parse()?,
            least_circularity: numbers[3].parse()?,
            momenta: numbers[4].parse()?,
            tilts: numbers[5].parse()?,
        };
        Ok(Self {
            model: model.clone(),
            galaxy,
            settings,
            files: files.to_vec(),
        })
    }
}
