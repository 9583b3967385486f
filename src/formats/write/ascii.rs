//! Texts in the letters of ASCII, for files that have no others.

/// Signs with more than one letter, or another than that below an accent.
const SPELLINGS: [(char, &str); 102] = [
    ('α', "alpha"),
    ('β', "beta"),
    ('γ', "gamma"),
    ('δ', "delta"),
    ('ε', "epsilon"),
    ('ϵ', "epsilon"),
    ('ζ', "zeta"),
    ('η', "eta"),
    ('θ', "theta"),
    ('ϑ', "theta"),
    ('ι', "iota"),
    ('κ', "kappa"),
    ('λ', "lambda"),
    ('μ', "mu"),
    ('µ', "u"),
    ('ν', "nu"),
    ('ξ', "xi"),
    ('ο', "omicron"),
    ('π', "pi"),
    ('ϖ', "varpi"),
    ('ρ', "rho"),
    ('σ', "sigma"),
    ('ς', "sigma"),
    ('τ', "tau"),
    ('υ', "upsilon"),
    ('φ', "phi"),
    ('ϕ', "phi"),
    ('χ', "chi"),
    ('ψ', "psi"),
    ('ω', "omega"),
    ('Α', "Alpha"),
    ('Β', "Beta"),
    ('Γ', "Gamma"),
    ('Δ', "Delta"),
    ('Ε', "Epsilon"),
    ('Ζ', "Zeta"),
    ('Η', "Eta"),
    ('Θ', "Theta"),
    ('Ι', "Iota"),
    ('Κ', "Kappa"),
    ('Λ', "Lambda"),
    ('Μ', "Mu"),
    ('Ν', "Nu"),
    ('Ξ', "Xi"),
    ('Ο', "Omicron"),
    ('Π', "Pi"),
    ('Ρ', "Rho"),
    ('Σ', "Sigma"),
    ('Τ', "Tau"),
    ('Υ', "Upsilon"),
    ('Φ', "Phi"),
    ('Χ', "Chi"),
    ('Ψ', "Psi"),
    ('Ω', "Omega"),
    ('−', "-"),
    ('‐', "-"),
    ('‑', "-"),
    ('–', "-"),
    ('—', "-"),
    ('±', "+-"),
    ('×', "x"),
    ('·', "."),
    ('⋅', "."),
    ('÷', "/"),
    ('⁄', "/"),
    ('°', "deg"),
    ('′', "'"),
    ('″', "\""),
    ('‘', "'"),
    ('’', "'"),
    ('“', "\""),
    ('”', "\""),
    ('„', "\""),
    ('«', "\""),
    ('»', "\""),
    ('…', "..."),
    ('√', "sqrt"),
    ('∞', "inf"),
    ('∂', "d"),
    ('∇', "grad"),
    ('∫', "int"),
    ('≈', "~"),
    ('∼', "~"),
    ('≃', "~"),
    ('∝', " prop. to "),
    ('≤', "<="),
    ('≥', ">="),
    ('≠', "!="),
    ('→', "->"),
    ('←', "<-"),
    ('⊙', "sun"),
    ('☉', "sun"),
    ('\u{212b}', "Angstrom"),
    ('ℓ', "l"),
    ('½', "1/2"),
    ('ß', "ss"),
    ('æ', "ae"),
    ('Æ', "AE"),
    ('œ', "oe"),
    ('Œ', "OE"),
    ('þ', "th"),
    ('Þ', "Th"),
];

/// Letters, and those that they are with an accent or a stroke.
const ACCENTS: [(char, &str); 39] = [
    ('A', "ÀÁÂÃÄÅĀĂĄǍ"),
    ('a', "àáâãäåāăąǎª"),
    ('C', "ÇĆĈĊČ"),
    ('c', "çćĉċč"),
    ('D', "ÐĎĐ"),
    ('d', "ðďđ"),
    ('E', "ÈÉÊËĒĔĖĘĚ"),
    ('e', "èéêëēĕėęě"),
    ('G', "ĜĞĠĢ"),
    ('g', "ĝğġģ"),
    ('H', "ĤĦ"),
    ('h', "ĥħ"),
    ('I', "ÌÍÎÏĨĪĬĮİ"),
    ('i', "ìíîïĩīĭįı"),
    ('J', "Ĵ"),
    ('j', "ĵ"),
    ('K', "Ķ"),
    ('k', "ķ"),
    ('L', "ĹĻĽĿŁ"),
    ('l', "ĺļľŀł"),
    ('N', "ÑŃŅŇ"),
    ('n', "ñńņň"),
    ('O', "ÒÓÔÕÖØŌŎŐ"),
    ('o', "òóôõöøōŏőº"),
    ('R', "ŔŖŘ"),
    ('r', "ŕŗř"),
    ('S', "ŚŜŞŠȘ"),
    ('s', "śŝşšș"),
    ('T', "ŢŤŦȚ"),
    ('t', "ţťŧț"),
    ('U', "ÙÚÛÜŨŪŬŮŰŲ"),
    ('u', "ùúûüũūŭůűų"),
    ('W', "Ŵ"),
    ('w', "ŵ"),
    ('Y', "ÝŶŸ"),
    ('y', "ýÿŷ"),
    ('Z', "ŹŻŽ"),
    ('z', "źżž"),
    (' ', "\u{a0}\u{2002}\u{2003}\u{2009}\u{202f}\t\n\r"),
];

/// What is raised or lowered, and the plain signs in the same order.
const RAISED: (&str, &str) = ("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻ⁿ", "0123456789+-n");
const LOWERED: (&str, &str) = ("₀₁₂₃₄₅₆₇₈₉₊₋", "0123456789+-");

/// The text in printable ASCII: Greek by name, powers after `^`, letters without their accents; `?` for what has no spelling.
pub(super) fn ascii(text: &str) -> String {
    let mut written = String::with_capacity(text.len());
    let mut is_raised = false;
    for sign in text.chars() {
        let raised = plain_of(sign, RAISED);
        if raised.is_some() && !is_raised {
            written.push('^');
        }
        is_raised = raised.is_some();
        let spelled = || {
            SPELLINGS
                .iter()
                .find(|(own, _)| *own == sign)
                .map(|(_, spelling)| *spelling)
        };
        let plain = || {
            ACCENTS
                .iter()
                .find(|(_, own)| own.contains(sign))
                .map(|(plain, _)| *plain)
        };
        match raised.or_else(|| plain_of(sign, LOWERED)) {
            Some(plain) => written.push(plain),
            None if (' '..='~').contains(&sign) => written.push(sign),
            // An accent that stands by itself belongs to the letter before.
            None if ('\u{300}'..='\u{36f}').contains(&sign) => {}
            None => match spelled() {
                Some(spelling) => written.push_str(spelling),
                None => written.push(plain().unwrap_or('?')),
            },
        }
    }
    written
}

fn plain_of(sign: char, (signs, plain): (&str, &str)) -> Option<char> {
    let place = signs.chars().position(|own| own == sign)?;
    plain.chars().nth(place)
}

/// Whether a text is written as it is.
pub(super) fn is_plain(text: &str) -> bool {
    text.bytes().all(|byte| (b' '..=b'~').contains(&byte))
}

/// At most `most` signs of a text of ASCII: where there are more, whole words, and `...`.
pub(super) fn cut(text: &str, most: usize) -> String {
    if text.len() <= most {
        return text.to_owned();
    }
    let room = most.saturating_sub(3);
    let end = match text[..room].rfind(' ') {
        // A word ends where the room does.
        _ if text.as_bytes()[room] == b' ' => room,
        Some(end) if end > room / 2 => end,
        // A word as long as the line.
        _ => room,
    };
    text[..end].trim_end_matches([' ', ',', ';', ':']).to_owned() + "..."
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_ascii_is_spelled() {
        for (text, expected) in [
            ("J_φ (km s⁻¹ kpc)", "J_phi (km s^-1 kpc)"),
            ("the Sun is at −R₀, Ω θ 30°", "the Sun is at -R0, Omega theta 30deg"),
            ("Jørgen Stäckel, Šilėnų, e\u{301}", "Jorgen Stackel, Silenu, e"),
            ("±2 × 10⁻¹⁰ M⊙ ≤ 3", "+-2 x 10^-10 Msun <= 3"),
            ("星 GD-1", "? GD-1"),
            ("plain, 'as' it is", "plain, 'as' it is"),
        ] {
            assert_eq!(ascii(text), expected);
            assert!(is_plain(&ascii(text)));
            assert_eq!(is_plain(text), text == expected, "{text}");
        }
    }

    #[test]
    fn long_texts_end_with_a_word() {
        assert_eq!(cut("one two three", 13), "one two three");
        assert_eq!(cut("one two three", 12), "one two...");
        assert_eq!(cut("one two, three four", 12), "one two...");
        assert_eq!(cut("abcdefghijklm", 8), "abcde...");
        for most in 3..40 {
            assert!(cut("the angle of the disc, from the centre to the Sun", most).len() <= most);
        }
    }
}
