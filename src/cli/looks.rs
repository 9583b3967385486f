//! Files that are looked at now and then.

use std::path::{Path, PathBuf};
use std::time::Duration;

use runner::store::Identity;

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(200);

/// How files looked.
#[derive(Debug, PartialEq)]
pub struct Looks(Vec<(PathBuf, Option<Identity>)>);

impl Looks {
    /// How they look now; one that is not there counts too.
    pub fn at(files: Vec<PathBuf>) -> Self {
        let look = |file: PathBuf| {
            let identity = Identity::of(&file).ok();
            (file, identity)
        };
        Self(files.into_iter().map(look).collect())
    }

    /// The files.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        self.0.iter().map(|(file, _)| file.as_path())
    }

    /// Waits until one of them looks otherwise, and all rest again: an editor may write in several steps. Gives the first; `None` once
    /// `is_over`.
    pub fn wait_for_change(&self, is_over: impl Fn() -> bool) -> Option<PathBuf> {
        let now = || Self::at(self.files().map(Path::to_owned).collect());
        let mut last = now();
        while !is_over() {
            std::thread::sleep(PAUSE);
            let next = now();
            let rests = next == last;
            last = next;
            let changed = self.0.iter().zip(&last.0).find(|(before, now)| before != now);
            if let Some((_, (file, _))) = changed.filter(|_| rests) {
                return Some(file.clone());
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_change_is_seen_and_rest_is_not_one() {
        let folder = tempfile::tempdir().unwrap();
        let [one, two] = ["one", "two"].map(|name| folder.path().join(name));
        std::fs::write(&one, "a").unwrap();
        let looks = Looks::at(vec![one, two.clone()]);
        let polls = std::cell::Cell::new(0);
        let over = || polls.replace(polls.get() + 1) > 2;
        assert_eq!(looks.wait_for_change(over), None);
        std::fs::write(&two, "it was not there").unwrap();
        assert_eq!(looks.wait_for_change(|| false), Some(two));
    }
}
