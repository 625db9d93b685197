//! Links in Markdown: finding those that lead to files beside the document, and working out to which.
//!
//! It knows inline links and images, reference definitions and HTML attributes. It follows nothing over the network and
//! does not check that a heading named after `#` exists.

/// The relative links of a document with the lines they stand on; code is left out.
pub(super) fn relative_links(markdown: &str) -> Vec<(usize, &str)> {
    let mut links = Vec::new();
    let mut fence: Option<&str> = None;
    for (line, number) in markdown.lines().zip(1..) {
        let text = line.trim_start();
        let marker = ["```", "~~~"].into_iter().find(|marker| text.starts_with(marker));
        match (fence, marker) {
            (None, Some(opened)) => fence = Some(opened),
            (Some(opened), Some(closed)) if opened == closed => fence = None,
            (None, None) => {
                links.extend(
                    targets(text).into_iter().filter(|link| is_relative(link)).map(|link| (number, link)),
                );
            }
            _ => {}
        }
    }
    links
}

/// The path from the root to which a link of the document `document` leads, or nothing if it leaves the project.
pub(super) fn resolve(document: &str, link: &str) -> Option<String> {
    let path = link.split(['#', '?']).next().unwrap_or_default();
    let mut folders: Vec<&str> = document.split('/').collect();
    if path.starts_with('/') {
        // The root of the project, as the hosts of repositories have it.
        folders.clear();
    } else {
        folders.pop();
    }
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                folders.pop()?;
            }
            name => folders.push(name),
        }
    }
    Some(folders.join("/"))
}

/// Whether a target is a file beside the document, not a place in it or elsewhere.
fn is_relative(target: &str) -> bool {
    let has_scheme = target
        .split_once(':')
        .is_some_and(|(scheme, _)| scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c)));
    !target.is_empty() && !target.starts_with('#') && !target.starts_with("//") && !has_scheme
}

/// Every link target on one line outside code spans.
fn targets(line: &str) -> Vec<&str> {
    let mut found = Vec::new();
    // Code spans are the odd parts between backticks.
    for text in line.split('`').step_by(2) {
        for opening in ["](", "src=\"", "href=\""] {
            found.extend(text.match_indices(opening).map(|(start, _)| {
                let target = text.split_at(start + opening.len()).1;
                match target.strip_prefix('<') {
                    Some(bracketed) => bracketed.split('>').next().unwrap_or_default(),
                    None => target.split([')', '"', ' ', '\t']).next().unwrap_or_default(),
                }
            }));
        }
    }
    // `[name]: target`, but not the footnote `[^name]: text`.
    if let Some((name, target)) = line.split_once("]: ")
        && name.starts_with('[')
        && !name.starts_with("[^")
    {
        found.extend(target.split_whitespace().next());
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn links(markdown: &str) -> Vec<&str> {
        relative_links(markdown).into_iter().map(|(_, link)| link).collect()
    }

    #[test]
    fn every_form_of_link_is_found() {
        assert_eq!(links("[a](x.md) and ![b](y.png \"title\")"), ["x.md", "y.png"]);
        assert_eq!(links("[![b](y.png)](x.md#part)"), ["y.png", "x.md#part"]);
        assert_eq!(links("[a](<with space.md>)"), ["with space.md"]);
        assert_eq!(links("[a]: x.md \"title\""), ["x.md"]);
        assert_eq!(links("<img src=\"y.svg\" alt=\"\"> <a href=\"x.md\">"), ["y.svg", "x.md"]);
    }

    #[test]
    fn what_leads_elsewhere_is_left_alone() {
        assert_eq!(links("[a](https://example.com/x.md) [b](mailto:a@b.c) [c](#part)"), [""; 0]);
        assert_eq!(links("[^1]: see x.md"), [""; 0]);
    }

    #[test]
    fn code_holds_no_links() {
        assert_eq!(links("`[a](x.md)` but [b](y.md)"), ["y.md"]);
        assert_eq!(links("```text\n[a](x.md)\n~~~\n```\n[b](y.md)"), ["y.md"]);
    }

    #[test]
    fn a_line_number_comes_with_each() {
        assert_eq!(relative_links("\n\n[a](x.md)"), [(3, "x.md")]);
    }

    #[test]
    fn paths_are_resolved_from_the_document() {
        assert_eq!(resolve("docs/a.md", "b.md#part").as_deref(), Some("docs/b.md"));
        assert_eq!(resolve("docs/a.md", "./../LICENSE").as_deref(), Some("LICENSE"));
        assert_eq!(resolve("docs/x/a.md", "/README.md").as_deref(), Some("README.md"));
        assert_eq!(resolve("README.md", "docs/").as_deref(), Some("docs"));
        assert_eq!(resolve("README.md", "../x.md"), None);
    }
}
