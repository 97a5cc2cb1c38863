//! Shapes of text that several rooms need.
//!
//! Knows nothing of what the text says, and nothing of terminals: those are the reporter's.

/// The words of a text with one space between them: no line ends, none at the sides.
pub fn single_spaced(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_have_one_space_between_them() {
        assert_eq!(single_spaced(" one\r\n\ttwo  three "), "one two three");
        assert_eq!(single_spaced(" \n"), "");
    }
}
