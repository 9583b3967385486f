//! Minimisation without derivatives in two dimensions, by Nelder and Mead's simplex.

/// The place near `start` at which `f` is least, to `tolerance`, in at most `most` steps.
pub fn minimise(f: impl Fn([f64; 2]) -> f64, start: [f64; 2], size: [f64; 2], tolerance: f64, most: usize) -> [f64; 2] {
    let mut corners = [start, [start[0] + size[0], start[1]], [start[0], start[1] + size[1]]].map(|x| (f(x), x));
    let mix = |a: [f64; 2], b: [f64; 2], t: f64| [a[0] + t * (b[0] - a[0]), a[1] + t * (b[1] - a[1])];
    for _ in 0..most {
        corners.sort_by(|a, b| a.0.total_cmp(&b.0));
        if (corners[2].1[0] - corners[0].1[0]).abs() + (corners[2].1[1] - corners[0].1[1]).abs() < tolerance {
            break;
        }
        let middle = mix(corners[0].1, corners[1].1, 0.5);
        let at = |t: f64| {
            let x = mix(middle, corners[2].1, t);
            (f(x), x)
        };
        let reflected = at(-1.0);
        corners[2] = if reflected.0 < corners[0].0 {
            let further = at(-2.0);
            if further.0 < reflected.0 { further } else { reflected }
        } else if reflected.0 < corners[1].0 {
            reflected
        } else {
            let inside = at(if reflected.0 < corners[2].0 { -0.5 } else { 0.5 });
            if inside.0 < corners[2].0.min(reflected.0) {
                inside
            } else {
                for i in 1..3 {
                    let x = mix(corners[0].1, corners[i].1, 0.5);
                    corners[i] = (f(x), x);
                }
                continue;
            }
        };
    }
    corners.sort_by(|a, b| a.0.total_cmp(&b.0));
    corners[0].1
}

#[cfg(test)]
mod tests {
    #[test]
    fn finds_the_minimum_of_a_bent_valley() {
        let f = |[x, y]: [f64; 2]| (x - 1.0).powi(2) + 10.0 * (y - x * x).powi(2);
        let [x, y] = super::minimise(f, [-0.5, 0.5], [0.1, 0.1], 1e-9, 400);
        assert!((x - 1.0).abs() < 1e-6 && (y - 1.0).abs() < 1e-6, "{x} {y}");
    }
}
