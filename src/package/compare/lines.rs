//! The difference of two texts by lines, as `diff -u` shows it.
//!
//! Pure.

/// How many equal lines are shown around a change.
const AROUND: usize = 3;

/// Above so many pairs of lines everything between the first and the last change is told as changed.
const MOST_PAIRS: usize = 4_000_000;

/// The lines with `+`, `-` or a blank in front. Where equal lines are left out stands `…`. Nothing when
/// the texts are the same.
pub fn line_difference(old: &str, new: &str) -> Vec<String> {
    if old == new {
        return Vec::new();
    }
    let (old, new): (Vec<&str>, Vec<&str>) = (old.lines().collect(), new.lines().collect());
    let same = |(one, other): &(&&str, &&str)| one == other;
    let before = old.iter().zip(&new).take_while(same).count();
    let (left, right) = (&old[before..], &new[before..]);
    let after = left
        .iter()
        .rev()
        .zip(right.iter().rev())
        .take_while(same)
        .count();
    let (left, right) = (&left[..left.len() - after], &right[..right.len() - after]);

    let mut lines: Vec<(char, &str)> = old[..before].iter().map(|line| (' ', *line)).collect();
    lines.extend(between(left, right));
    lines.extend(old[old.len() - after..].iter().map(|line| (' ', *line)));
    if !lines.iter().any(|(mark, _)| *mark != ' ') {
        return vec!["(the last line's end)".to_owned()];
    }
    let near = |at: usize| {
        let from = at.saturating_sub(AROUND);
        let to = (at + AROUND + 1).min(lines.len());
        lines[from..to].iter().any(|(mark, _)| *mark != ' ')
    };
    let mut shown = Vec::new();
    for (at, (mark, line)) in lines.iter().enumerate() {
        if near(at) {
            shown.push(format!("{mark}{line}"));
        } else if shown.last().is_none_or(|last| last != "…") {
            shown.push("…".to_owned());
        }
    }
    shown
}

/// The longest common subsequence, by the table of its lengths.
fn between<'a>(old: &[&'a str], new: &[&'a str]) -> Vec<(char, &'a str)> {
    let removed = |lines: &[&'a str]| lines.iter().map(|line| ('-', *line)).collect::<Vec<_>>();
    let added = |lines: &[&'a str]| lines.iter().map(|line| ('+', *line)).collect::<Vec<_>>();
    if old.len().saturating_mul(new.len()) > MOST_PAIRS {
        return [removed(old), added(new)].concat();
    }
    let width = new.len() + 1;
    let mut lengths = vec![0_u32; (old.len() + 1) * width];
    for one in (0..old.len()).rev() {
        for other in (0..new.len()).rev() {
            lengths[one * width + other] = if old[one] == new[other] {
                lengths[(one + 1) * width + other + 1] + 1
            } else {
                lengths[(one + 1) * width + other].max(lengths[one * width + other + 1])
            };
        }
    }
    let (mut one, mut other, mut lines) = (0, 0, Vec::new());
    while one < old.len() && other < new.len() {
        if old[one] == new[other] {
            lines.push((' ', old[one]));
            (one, other) = (one + 1, other + 1);
        } else if lengths[(one + 1) * width + other] >= lengths[one * width + other + 1] {
            lines.push(('-', old[one]));
            one += 1;
        } else {
            lines.push(('+', new[other]));
            other += 1;
        }
    }
    lines.extend(removed(&old[one..]));
    lines.extend(added(&new[other..]));
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_shown_with_the_lines_around_them() {
        let check = |old: &str, new: &str, expect: &[&str]| {
            assert_eq!(line_difference(old, new), expect);
        };
        check("a\n", "a\n", &[]);
        check("", "a\n", &["+a"]);
        check("a\n", "", &["-a"]);
        check("a", "a\n", &["(the last line's end)"]);
        check("a\nb\nc\n", "a\nB\nc\nd\n", &[" a", "-b", "+B", " c", "+d"]);
        let text = |middle: &str| format!("1\n2\n3\n4\n5\n{middle}\n6\n7\n8\n9\n");
        check(
            &text("x"),
            &text("y"),
            &["…", " 3", " 4", " 5", "-x", "+y", " 6", " 7", " 8", "…"],
        );
    }
}
