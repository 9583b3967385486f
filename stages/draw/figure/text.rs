//! Labels with italic letters, subscripts and superscripts, and how wide they are.

use super::style::TEXT;

/// Where a run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Height {
    /// On the line.
    Line,
    /// A subscript.
    Below,
    /// A superscript.
    Above,
}

/// Characters that look the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// What it says.
    pub text: String,
    /// Whether it is italic, as letters that stand for quantities are.
    pub italic: bool,
    /// Where it stands.
    pub height: Height,
}

/// A text in a picture.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Label(pub Vec<Run>);

/// Size of subscripts and superscripts, relative to the line's.
pub const SMALL: f64 = 0.72;

impl Label {
    /// Upright characters.
    pub fn plain(text: impl Into<String>) -> Self {
        Self::default().and(text, false, Height::Line)
    }

    /// The symbol of a column, such as J with a subscript r for `J_r`.
    pub fn symbol(column: &str) -> Self {
        let (head, below) = column.split_once('_').unwrap_or((column, ""));
        // Components of vectors are written with their axis: vx, ay.
        let (head, below) = match (head.strip_suffix(['x', 'y', 'z']), below) {
            (Some(vector @ ("v" | "a")), "") => (vector, &head[1..]),
            _ => (head, below),
        };
        let is_word = below.chars().count() > 1 && below != "phi";
        Self::default().and(greek(head), true, Height::Line).and(
            greek(below).replace('_', " "),
            !is_word,
            Height::Below,
        )
    }

    /// A unit as journals write it: km s⁻¹ kpc for `km/s kpc`.
    pub fn unit(unit: &str) -> Self {
        let mut label = Self::default();
        for (name, power) in powers(unit) {
            let space = if label.0.is_empty() { "" } else { " " };
            let (name, below) = match name.split_once('_') {
                Some((base, "sun")) => (base, "⊙"),
                _ => (name.as_str(), ""),
            };
            label = label
                .and(format!("{space}{name}"), false, Height::Line)
                .and(below, false, Height::Below);
            if power != 1 {
                label = label.and(power.to_string().replace('-', "−"), false, Height::Above);
            }
        }
        label
    }

    /// A number with the digits it needs: 0.25, −2, 2.5×10⁷.
    pub fn number(value: f64) -> Self {
        let exponent = if value == 0.0 {
            0
        } else {
            (value.abs().log10() + 1e-9).floor() as i32
        };
        if (-3..5).contains(&exponent) {
            return Self::plain(decimal(value, usize::try_from(4 - exponent).unwrap_or(0)));
        }
        let mantissa = decimal(value / 10f64.powi(exponent), 2);
        match mantissa.as_str() {
            "1" => Self::power_of_ten(exponent),
            "−1" => Self::plain("−").then(&Self::power_of_ten(exponent)),
            _ => Self::plain(format!("{mantissa}×")).then(&Self::power_of_ten(exponent)),
        }
    }

    /// All the digits of a number.
    pub fn exact(value: f64) -> Self {
        Self::plain(value.to_string().replace('-', "−"))
    }

    /// A number with so many digits after the point, whether they are zeros or not.
    pub fn fixed(value: f64, digits: usize) -> Self {
        let text = format!("{value:.digits$}");
        let is_zero = text.chars().all(|c| matches!(c, '-' | '0' | '.'));
        Self::plain(if is_zero {
            "0".to_owned()
        } else {
            text.replace('-', "−")
        })
    }

    /// 10 with an exponent.
    pub fn power_of_ten(exponent: i32) -> Self {
        let exponent = exponent.to_string().replace('-', "−");
        Self::plain("10").and(exponent, false, Height::Above)
    }

    /// This, then characters of one look; nothing for none.
    pub fn and(mut self, text: impl Into<String>, italic: bool, height: Height) -> Self {
        let text = text.into();
        if !text.is_empty() {
            self.0.push(Run { text, italic, height });
        }
        self
    }

    /// This, then another.
    pub fn then(mut self, more: &Self) -> Self {
        self.0.extend(more.0.iter().cloned());
        self
    }

    /// This, then upright characters.
    pub fn plus(self, text: &str) -> Self {
        self.and(text, false, Height::Line)
    }

    /// Its characters without their look, where subscripts follow a low line and superscripts are those of Unicode.
    pub fn text(&self) -> String {
        let of = |run: &Run| match run.height {
            Height::Line => run.text.clone(),
            Height::Below if run.text == "⊙" => run.text.clone(),
            Height::Below => format!("_{}", run.text),
            Height::Above => run.text.chars().map(superscript).collect(),
        };
        self.0.iter().map(of).collect()
    }

    /// How wide it is at a size.
    pub fn width(&self, size: f64) -> f64 {
        let of = |run: &Run| {
            let scale = if run.height == Height::Line { 1.0 } else { SMALL };
            run.text.chars().map(advance).sum::<f64>() * scale * size
        };
        self.0.iter().map(of).sum()
    }

    /// The same, cut off with an ellipsis where upright characters are wider than `room` at the size of all text.
    pub fn within(self, room: f64) -> Self {
        let [run] = self.0.as_slice() else { return self };
        if self.width(TEXT) <= room {
            return self;
        }
        let mut text = run.text.clone();
        while text.pop().is_some() {
            let cut = Self::plain(format!("{}…", text.trim_end()));
            if cut.width(TEXT) <= room {
                return cut;
            }
        }
        Self::plain("…")
    }

    /// Whether it says nothing.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

fn greek(name: &str) -> String {
    let letters = [("theta", "θ"), ("Omega", "Ω"), ("phi", "φ"), ("sigma", "σ")];
    letters
        .iter()
        .fold(name.to_owned(), |name, (word, letter)| name.replace(word, letter))
}

/// The factors of a unit as this project writes them, with their powers.
fn powers(unit: &str) -> Vec<(String, i32)> {
    // What stands in brackets is raised as a whole: its factors are found first.
    if let Some((inside, after)) = unit.strip_prefix('(').and_then(|rest| rest.split_once(')')) {
        let (power, rest) = after.strip_prefix('^').map_or((1, after), |after| {
            let digits = after.chars().take_while(char::is_ascii_digit).count();
            (after[..digits].parse().unwrap_or(1), &after[digits..])
        });
        let mut all: Vec<_> = powers(inside)
            .into_iter()
            .map(|(name, own)| (name, own * power))
            .collect();
        all.extend(factors(rest));
        return all;
    }
    factors(unit)
}

fn factors(unit: &str) -> Vec<(String, i32)> {
    let mut all = Vec::new();
    let mut sign = 1;
    let mut name = String::new();
    for c in unit.chars().chain([' ']) {
        if c != ' ' && c != '/' {
            name.push(c);
            continue;
        }
        if !name.is_empty() {
            let (base, power) = name.split_once('^').unwrap_or((&name, "1"));
            all.push((base.to_owned(), sign * power.parse().unwrap_or(1)));
            name.clear();
        }
        sign = if c == '/' { -1 } else { 1 };
    }
    all
}

/// A number without the zeros at its end, with a real minus.
fn decimal(value: f64, digits: usize) -> String {
    let text = format!("{value:.digits$}");
    let text = if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.')
    } else {
        &text
    };
    if text == "-0" {
        "0".to_owned()
    } else {
        text.replace('-', "−")
    }
}

fn superscript(c: char) -> char {
    const DIGITS: [char; 10] = ['⁰', '¹', '²', '³', '⁴', '⁵', '⁶', '⁷', '⁸', '⁹'];
    match c.to_digit(10) {
        Some(digit) => DIGITS[digit as usize],
        None if c == '−' => '⁻',
        None => c,
    }
}

/// Advance widths of DejaVu Sans from the space to `~`, in 1/2048 of its size; the widest of the fonts that readers have.
const ADVANCES: [u16; 95] = [
    651, 821, 942, 1716, 1303, 1946, 1597, 563, 799, 799, 1024, 1716, 651, 739, 651, 690, 1303, 1303, 1303, 1303, 1303,
    1303, 1303, 1303, 1303, 1303, 690, 690, 1716, 1716, 1716, 1087, 2048, 1401, 1405, 1430, 1577, 1294, 1178, 1587,
    1540, 604, 604, 1343, 1141, 1767, 1532, 1612, 1235, 1612, 1423, 1300, 1251, 1499, 1401, 2025, 1403, 1251, 1403,
    799, 690, 799, 1716, 1024, 1024, 1255, 1300, 1126, 1300, 1260, 721, 1300, 1298, 569, 569, 1186, 569, 1995, 1298,
    1253, 1300, 1300, 842, 1067, 803, 1298, 1212, 1675, 1212, 1212, 1075, 1303, 690, 1303, 1716,
];

/// The width of a character at size 1; beyond [`ADVANCES`], that of the widest Greek letters and signs.
fn advance(c: char) -> f64 {
    let place = (c as usize).checked_sub(' ' as usize);
    let width = match place.and_then(|place| ADVANCES.get(place)) {
        Some(&width) => width,
        None => 1716,
    };
    f64::from(width) / 2048.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_written_as_journals_write_them() {
        let written = |unit: &str| Label::unit(unit).text();
        let units = [
            "km/s kpc",
            "(km/s)^2/kpc",
            "km/s/kpc",
            "M_sun/kpc^3",
            "(km/s)^2",
            "mas/yr",
            "rad",
            "",
        ];
        let expected = [
            "km s⁻¹ kpc",
            "km² s⁻² kpc⁻¹",
            "km s⁻¹ kpc⁻¹",
            "M⊙ kpc⁻³",
            "km² s⁻²",
            "mas yr⁻¹",
            "rad",
            "",
        ];
        assert_eq!(units.map(written), expected);
    }

    #[test]
    fn symbols_have_subscripts() {
        let columns = [
            "J_r",
            "J_phi",
            "theta_z",
            "Omega_phi",
            "vx",
            "z",
            "v_los",
            "mu_l_cosb",
            "R",
        ];
        let expected = ["J_r", "J_φ", "θ_z", "Ω_φ", "v_x", "z", "v_los", "mu_l cosb", "R"];
        assert_eq!(columns.map(|column| Label::symbol(column).text()), expected);
        let italic = |column: &str| Label::symbol(column).0.iter().map(|run| run.italic).collect::<Vec<_>>();
        assert_eq!((italic("J_r"), italic("v_los")), (vec![true, true], vec![true, false]));
    }

    #[test]
    fn long_texts_are_cut_off() {
        let long = Label::plain("a name that is much longer than the column of a journal is wide");
        let cut = long.clone().within(100.0);
        assert!(cut.text().ends_with('…') && cut.width(TEXT) <= 100.0 && cut.width(TEXT) > 80.0);
        assert_eq!(long.clone().within(1000.0), long);
    }

    #[test]
    fn numbers_have_the_digits_they_need() {
        let numbers = [0.0, 0.25, -2.0, 1e-5, 2.5e7, 1000.0, 0.6000000000000001, -1e-4, 0.0032];
        let expected = ["0", "0.25", "−2", "10⁻⁵", "2.5×10⁷", "1000", "0.6", "−10⁻⁴", "0.0032"];
        assert_eq!(numbers.map(|number| Label::number(number).text()), expected);
    }
}
