//! Writes the pages of made-up facts to files, to be looked at: `SYNC_WRITE_PAGES=DIRECTORY cargo test --lib web::`.

use super::*;

#[test]
fn the_pages_are_written_where_they_are_asked_for() {
    let Ok(directory) = std::env::var("SYNC_WRITE_PAGES") else {
        return;
    };
    let write = |name: &str, text: String| {
        std::fs::write(std::path::Path::new(&directory).join(name), text).unwrap();
    };
    let style = |page: Markup| page.0.replace("\"/style.css\"", "\"style.css\"");
    write("style.css", STYLE.to_owned());
    for (name, page) in pages(&going()) {
        write(&format!("{name}.html"), style(page));
    }
    let all = Filter::default();
    write("years.html", style(index(&years(20, 120), &all)));
    write("ended.html", style(index(&ended(going()), &all)));
    let mut paused_now = going();
    paused_now.status.figures = Some(paused());
    write("paused.html", style(index(&paused_now, &all)));
    write("nothing.html", style(index(&nothing(), &all)));
}
