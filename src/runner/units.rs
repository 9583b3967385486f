//! The two spellings of a unit: ours, which people read and the program writes down, and that of files.
//!
//! Astropy takes our `km/s kpc` for `km/(s kpc)`. A product of powers, `km s-1 kpc`, is the same to astropy, FITS and VOUnit. So the
//! metadata of columns has that, and [`crate::ports`] turns one into the other; nothing else has to know of two.

/// A unit as files have it: `km/s kpc` is `km s-1 kpc`, `(km/s)^2/kpc` is `km2 s-2 kpc-1`. What is no such product is left as it is.
pub fn standard(unit: &str) -> String {
    let texts = factors(unit).map(|factors| {
        let text = |(symbol, power): &(String, i32)| match power {
            1 => symbol.clone(),
            power => format!("{symbol}{power}"),
        };
        factors.iter().map(text).collect::<Vec<_>>().join(" ")
    });
    texts.unwrap_or_else(|| unit.to_owned())
}

/// A unit of a file as we write it, the inverse of [`standard`].
pub fn plain(unit: &str) -> String {
    let Some(factors) = factors(unit).filter(|_| standard(unit) == unit) else {
        return unit.to_owned();
    };
    let raised = |symbol: &str, power: i32| match power {
        1 => symbol.to_owned(),
        power => format!("{symbol}^{power}"),
    };
    let mut text = String::new();
    let mut rest = factors.iter().map(|(symbol, power)| (known(symbol), *power)).peekable();
    while let Some((symbol, power)) = rest.next() {
        if power < 0 {
            text += if text.is_empty() { "1/" } else { "/" };
            text += &raised(symbol, -power);
            continue;
        }
        if !text.is_empty() {
            text.push(' ');
        }
        text += &match rest.next_if(|(_, below)| *below == -power) {
            Some((below, _)) if power == 1 => format!("{symbol}/{below}"),
            Some((below, _)) => format!("({symbol}/{below})^{power}"),
            None => raised(symbol, power),
        };
    }
    text
}

/// The symbols of a product, and their powers. None where it is no product.
fn factors(unit: &str) -> Option<Vec<(String, i32)>> {
    let inverse = unit.trim_start().strip_prefix('1').map(str::trim_start);
    let unit = inverse.filter(|rest| rest.starts_with('/')).unwrap_or(unit);
    // Units of others that are numbers, too, are right as they are.
    let mut parts = unit.split([' ', '/', '*', '.', '(']);
    if parts.any(|part| part.starts_with(|c: char| c.is_ascii_digit())) {
        return None;
    }
    let mut factors: Vec<(String, i32)> = Vec::new();
    let whole = unit.replace("**", "^");
    let mut rest = whole.trim();
    let mut sign = 1;
    while !rest.is_empty() {
        // A factor: a symbol, or symbols in brackets.
        let (inside, after) = match rest.strip_prefix('(').and_then(|open| open.split_once(')')) {
            Some((inside, after)) => (inside, after),
            None => rest.split_at(rest.find([' ', '/', '^', '*', '.']).unwrap_or(rest.len())),
        };
        let (power, after) = power(after);
        let mut inner = 1;
        for part in inside.split_inclusive(['/', ' ']) {
            let symbol = part.trim_end_matches(['/', ' ']);
            let (symbol, own) = split_power(symbol);
            if !symbol.is_empty() {
                factors.push((spelled(symbol).to_owned(), own * power * sign * inner));
            }
            inner = if part.ends_with('/') { -1 } else { 1 };
        }
        let next = after.trim_start();
        sign = if next.starts_with('/') { -1 } else { 1 };
        rest = next.trim_start_matches(['/', ' ', '*', '.']);
        if rest.len() == whole.len() {
            // Nothing was taken: it is no unit of ours.
            return None;
        }
    }
    (!factors.is_empty() || whole.trim().is_empty()).then_some(factors)
}

/// A power after a factor: `^2`, or none.
fn power(text: &str) -> (i32, &str) {
    let Some(digits) = text.strip_prefix('^') else {
        return (1, text);
    };
    let end = digits
        .find(|c: char| !(c.is_ascii_digit() || c == '-'))
        .unwrap_or(digits.len());
    (digits[..end].parse().unwrap_or(1), &digits[end..])
}

/// The power that a symbol has itself, as in `s-1`.
fn split_power(symbol: &str) -> (&str, i32) {
    let end = symbol
        .find(|c: char| c.is_ascii_digit() || c == '-')
        .unwrap_or(symbol.len());
    let power = symbol[end..].parse().unwrap_or(1);
    if end == 0 { (symbol, 1) } else { (&symbol[..end], power) }
}

fn spelled(symbol: &str) -> &str {
    match symbol {
        "M_sun" | "Msun" => "solMass",
        symbol => symbol,
    }
}

fn known(symbol: &str) -> &str {
    match symbol {
        "solMass" => "M_sun",
        symbol => symbol,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_units_are_products_of_powers_and_back() {
        for (ours, theirs) in [
            ("", ""),
            ("kpc", "kpc"),
            ("km/s", "km s-1"),
            ("km/s kpc", "km s-1 kpc"),
            ("km/s/kpc", "km s-1 kpc-1"),
            ("(km/s)^2", "km2 s-2"),
            ("(km/s)^2/kpc", "km2 s-2 kpc-1"),
            ("M_sun", "solMass"),
            ("M_sun/kpc^3", "solMass kpc-3"),
            ("M_sun (km/s)^2", "solMass km2 s-2"),
            ("M_sun km/s kpc", "solMass km s-1 kpc"),
            ("mas/yr", "mas yr-1"),
            ("kpc^2", "kpc2"),
            ("1/Gyr", "Gyr-1"),
            ("%", "%"),
        ] {
            assert_eq!(standard(ours), theirs, "{ours}");
            assert_eq!(plain(theirs), ours, "{theirs}");
        }
    }

    #[test]
    fn units_of_others_are_read_too() {
        for (theirs, standard_unit, plain_unit) in [
            ("mas.yr**-1", "mas yr-1", "mas/yr"),
            ("km / s", "km s-1", "km/s"),
            ("1 / Gyr", "Gyr-1", "1/Gyr"),
            ("1e+10 solMass", "1e+10 solMass", "1e+10 solMass"),
            ("10**3 pc", "10**3 pc", "10**3 pc"),
            ("/", "/", "/"),
        ] {
            assert_eq!(standard(theirs), standard_unit, "{theirs}");
            assert_eq!(plain(&standard(theirs)), plain_unit, "{theirs}");
        }
    }
}
