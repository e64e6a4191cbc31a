//! What holds of every page: no style and no script of its own, names escaped, no id twice, headings in order, no key.

use std::collections::BTreeSet;

use super::*;
use crate::base::text::harmless_text;

/// A name that would be a script, an attribute and an end of both, that turns around what follows, and clears a terminal.
const NAME: &str = "<script>alert('x')</script>\" onclick=\"y & `z` style='\u{202e}\u{1b}[2J";

fn hostile() -> Seen {
    let mut seen = going();
    let mut table = sales(NAME);
    table.notes = vec![NAME.to_owned()];
    table.windows[0].error = Some(NAME.to_owned());
    table.refused = seen.status.tables[1].refused.clone();
    if let Some(refusal) = &mut table.refused {
        (refusal.table, refusal.error) = (NAME.to_owned(), NAME.to_owned());
    }
    seen.status.tables[0] = table;
    seen.status.tables[2].name = format!("of no run {NAME}");
    let run = seen.status.run.as_mut().unwrap();
    run.tables = Some(vec![NAME.to_owned()]);
    run.record.host = NAME.to_owned();
    for decision in &mut seen.status.pace.decisions {
        (decision.table, decision.why) = (NAME.to_owned(), NAME.to_owned());
    }
    seen.status.passes = passes(NAME);
    for pass in &mut seen.status.passes {
        pass.pass.scope.tables = Some(vec![NAME.to_owned()]);
    }
    for kept in &mut seen.runs {
        (kept.record.host, kept.record.error) = (NAME.to_owned(), Some(NAME.to_owned()));
        for account in &mut kept.accounts {
            account.table = NAME.to_owned();
        }
    }
    seen.config_error = Some(NAME.to_owned());
    seen.subject = crate::web::seen::Subject {
        ends: Some((NAME.to_owned(), NAME.to_owned())),
        config: NAME.to_owned(),
        state: NAME.to_owned(),
    };
    seen
}

fn every_page() -> Vec<(String, Markup)> {
    let mut all = Vec::new();
    let mut paused_now = going();
    paused_now.status.figures = Some(paused());
    for (of, seen) in [
        ("going", going()),
        ("ended", ended(going())),
        ("paused", paused_now),
        ("hostile", hostile()),
    ] {
        all.extend(
            pages(&seen)
                .into_iter()
                .map(|(name, page)| (format!("{of} {name}"), page)),
        );
    }
    all.push(("nothing".to_owned(), index(&nothing(), &Filter::default())));
    all.push(("years".to_owned(), index(&years(20, 120), &Filter::default())));
    all
}

/// The tags of a page, each from its bracket to the next one.
fn tags(page: &str) -> impl Iterator<Item = &str> {
    page.split('<')
        .skip(1)
        .map(|rest| rest.split('>').next().unwrap_or(rest))
}

/// A tag without the values of its attributes, in which names may stand.
fn bare(tag: &str) -> String {
    tag.split('"').step_by(2).collect()
}

#[test]
fn no_page_has_a_style_or_a_script_of_its_own() {
    for (name, page) in every_page() {
        for tag in tags(&page.0) {
            let bare = bare(tag);
            assert!(!bare.contains(" style="), "{name}: {tag}");
            assert!(
                !bare.split_whitespace().any(|part| part.starts_with("on")),
                "{name}: {tag}"
            );
            assert!(!tag.starts_with("style"), "{name}: {tag}");
            let is_script = tag.starts_with("script");
            assert!(
                !is_script || tag.starts_with("script src=\"/live.js\" defer data-events=\"/events"),
                "{name}: {tag}"
            );
        }
        for address in values(&page.0, "href").into_iter().chain(values(&page.0, "src")) {
            let is_own = ["/", "window?", "#", "data:image/svg"]
                .iter()
                .any(|start| address.starts_with(start));
            assert!(is_own && !address.starts_with("//"), "{name}: {address}");
        }
    }
}

#[test]
fn names_are_text_wherever_they_stand() {
    let mut all = pages(&hostile());
    all.extend(pages(&ended(hostile())));
    for (name, page) in all {
        assert!(!page.0.contains("<script>"), "{name}");
        assert!(!page.0.contains("\" onclick"), "{name}");
        // A choice keeps the exact name.
        let exact = values(&page.0, "value").into_iter();
        let text = exact.fold(page.0.clone(), |text, value| {
            text.replace(&format!(" value=\"{value}\""), "")
        });
        assert_eq!(text, harmless_text(&text), "{name}");
    }
    let page = index(&hostile(), &Filter::default());
    assert!(text_of(&page).contains(NAME.split('`').next().unwrap()));
    let exact = html! { (NAME) }.into_string();
    assert!(values(&page.0, "value").contains(&exact.as_str()));
    let links = values(&page.0, "href");
    let cell = links.iter().find(|link| link.contains("window=2024-09")).unwrap();
    let query = cell
        .trim_start_matches("window?")
        .trim_start_matches("/window?")
        .replace("&amp;", "&");
    assert_eq!(Filter::parse(&query).table.as_deref(), Some(NAME));
}

#[test]
fn each_id_is_there_once_and_each_reference_has_its_element() {
    for (name, page) in every_page() {
        let all = values(&page.0, "id");
        let ids: BTreeSet<&str> = all.iter().copied().collect();
        assert_eq!(ids.len(), all.len(), "{name}: {all:?}");
        for attribute in ["for", "aria-labelledby"] {
            for reference in values(&page.0, attribute) {
                assert!(ids.contains(reference), "{name}: {attribute}={reference}");
            }
        }
        assert!(ids.contains("main"), "{name}");
    }
}

#[test]
fn headings_are_in_order_and_there_is_one_of_the_first() {
    for (name, page) in every_page() {
        let levels: Vec<u32> = tags(&page.0)
            .filter_map(|tag| tag.strip_prefix('h')?.chars().next()?.to_digit(10))
            .collect();
        assert_eq!(
            levels.iter().filter(|level| **level == 1).count(),
            1,
            "{name}: {levels:?}"
        );
        assert_eq!(levels[0], 1, "{name}");
        assert!(
            levels.windows(2).all(|pair| pair[1] <= pair[0] + 1),
            "{name}: {levels:?}"
        );
    }
}

/// Keys are values of rows.
#[test]
fn no_page_has_a_key() {
    for (name, page) in every_page() {
        let hex: String = b"SECRET-KEY".iter().map(|byte| format!("{byte:02x}")).collect();
        assert!(
            !page.0.contains("SECRET") && !page.0.to_lowercase().contains(&hex),
            "{name}"
        );
    }
}

#[test]
fn each_page_has_a_title_a_language_and_the_zone_of_its_times() {
    let all = every_page();
    for (name, page) in &all {
        assert!(page.0.starts_with("<!DOCTYPE html><html lang=\"en\">"), "{name}");
        assert!(
            page.0
                .contains("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">"),
            "{name}"
        );
        let title = page.0.split("<title>").nth(1).unwrap();
        assert!(
            !title.starts_with(" ·") && title.contains(" · sync</title>"),
            "{name}"
        );
        let times = values(&page.0, "datetime");
        assert!(times.iter().all(|time| time.ends_with('Z')), "{name}: {times:?}");
        let names_zone = page
            .0
            .contains("All times are of the time zone Asia/Kuala_Lumpur");
        assert_eq!(names_zone, !name.ends_with("problem"), "{name}");
    }
}

/// The parts that change are those of the page itself, under the ids that they are told by.
#[test]
fn what_changes_is_a_part_of_the_page() {
    for show in Show::ALL {
        for table in [None, Some("SALES".to_owned()), Some("nothing".to_owned())] {
            let filter = Filter { show, table };
            let page = index(&going(), &filter).0;
            let parts = fragments(&going(), &filter);
            assert!(parts.len() > 10);
            for (id, part) in parts {
                assert!(page.contains(&part.0), "{filter:?} {id}: {}", part.0);
                assert_eq!(values(&part.0, "id").first(), Some(&id.as_str()));
            }
        }
    }
}

#[test]
fn a_page_that_cannot_be_shown_says_why() {
    insta::assert_snapshot!(text_of(&problem(503, "The state file /x is damaged; `sync rebuild` makes it anew")), @r"
    The state file cannot be shown · sync Skip to the content
    sync
    Status
    Next run
    Runs
    Reconcile
    The state file cannot be shown
    The state file /x is damaged; sync rebuild makes it anew
    To the grid
    sync 0.1.0. This page only shows: it asks no server and changes nothing.
    ");
}
