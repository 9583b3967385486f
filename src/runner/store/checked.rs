//! JSON with a checksum as its first member: a flipped bit is found out, not believed.

use super::Hash256;

const BEFORE: &str = "{\"check\":\"";
const AFTER: &str = "\",";

/// The text of a JSON object with its checksum. `body` must have a member.
pub fn with_check(body: &str) -> String {
    let hash = Hash256::of(body);
    format!("{BEFORE}{hash}{AFTER}{}", body.strip_prefix('{').unwrap_or(body))
}

/// The object without its checksum; `None` if it is not what was written.
pub fn without_check(text: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(text).ok()?.strip_prefix(BEFORE)?;
    let (hash, rest) = text.split_once(AFTER)?;
    let body = format!("{{{rest}");
    (Hash256::parse(hash)? == Hash256::of(&body)).then_some(body)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn every_flipped_bit_is_found_out() {
        let body = r#"{"stages":{"a":1},"b":"λ"}"#;
        let text = with_check(body);
        assert!(serde_json::from_str::<serde_json::Value>(&text).unwrap()["check"].is_string());
        assert_eq!(without_check(text.as_bytes()).as_deref(), Some(body));
        for at in 0..text.len() {
            for bit in 0..8 {
                let mut damaged = text.clone().into_bytes();
                damaged[at] ^= 1 << bit;
                assert_eq!(without_check(&damaged), None, "byte {at}");
            }
            assert_eq!(without_check(&text.as_bytes()[..at]), None, "cut at {at}");
        }
    }
}
