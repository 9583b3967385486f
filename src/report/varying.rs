//! How the swept parameters vary over the sweep points: found out once, for all stages.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use runner::graph::Point;
use serde_json::Value;

/// The values of a swept parameter at the sweep points, numbered in the order they come.
struct Swept {
    /// For each point; `None` where it has no such parameter.
    numbers: Vec<Option<usize>>,
    /// How many different values there are.
    different: usize,
}

/// The swept parameters of a pipeline.
pub struct Varying {
    swept: HashMap<Arc<str>, Swept>,
    /// Pairs of which the first is given by the second over the whole sweep, where the second has texts for values.
    follow: HashMap<Arc<str>, Vec<Arc<str>>>,
}

impl Varying {
    /// Looks at all points.
    pub fn new(points: &[Point]) -> Self {
        let mut values: BTreeMap<&Arc<str>, Vec<Option<&Arc<Value>>>> = BTreeMap::new();
        for (n, (name, value)) in (0..)
            .zip(points)
            .flat_map(|(n, point)| point.iter().map(move |pair| (n, pair)))
        {
            let own = values.entry(name).or_insert_with(|| vec![None; points.len()]);
            own[n] = Some(value);
        }
        let has_text = |values: &Vec<Option<&Arc<Value>>>| values.iter().flatten().any(|value| value.is_string());
        let texts: Vec<Arc<str>> = values
            .iter()
            .filter(|(_, values)| has_text(values))
            .map(|(name, _)| (*name).clone())
            .collect();
        let swept: HashMap<Arc<str>, Swept> = values
            .into_iter()
            .map(|(name, values)| (name.clone(), Swept::new(&values)))
            .collect();
        let mut follow: HashMap<Arc<str>, Vec<Arc<str>>> = HashMap::new();
        for (name, own) in &swept {
            let others = texts
                .iter()
                .filter(|other| *other != name && own.follows(&swept[*other]));
            follow.insert(name.clone(), others.cloned().collect());
        }
        Self { swept, follow }
    }

    /// Whether a parameter has several values.
    pub fn varies(&self, name: &str) -> bool {
        self.swept.get(name).is_some_and(|swept| swept.different > 1)
    }

    /// Whether the value of `name` is given by the text `other` over the whole sweep.
    pub fn follows(&self, name: &str, other: &str) -> bool {
        let others = self.follow.get(name);
        others.is_some_and(|others| others.iter().any(|known| **known == *other))
    }
}

impl Swept {
    fn new(values: &[Option<&Arc<Value>>]) -> Self {
        let mut by_text: HashMap<String, usize> = HashMap::new();
        // Points share their values: most are known by their place in memory.
        let mut by_place: HashMap<*const Value, usize> = HashMap::new();
        let mut number = |value: &Arc<Value>| {
            *by_place.entry(Arc::as_ptr(value)).or_insert_with(|| {
                let next = by_text.len();
                *by_text.entry(value.to_string()).or_insert(next)
            })
        };
        let numbers = values.iter().map(|value| value.map(&mut number)).collect();
        Self {
            numbers,
            different: by_text.len(),
        }
    }

    fn follows(&self, other: &Self) -> bool {
        let mut known: HashMap<Option<usize>, usize> = HashMap::new();
        let pairs = self.numbers.iter().zip(&other.numbers);
        let mut pairs = pairs.filter_map(|(own, other)| Some((((*own)?), *other)));
        pairs.all(|(own, other)| *known.entry(other).or_insert(own) == own)
    }
}
