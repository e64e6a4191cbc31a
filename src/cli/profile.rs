//! `--profile`: where the time of a command went, by end and kind of statement.

use std::sync::Arc;
use std::time::Duration;

use crate::cli::context::Context;
use crate::cli::screen::{Cell, Color, Column, Screen, Table};
use crate::config::Config;
use crate::mssql::profile::{Kind, Profile};

/// Kinds that the table shows. The rest takes no time worth a line, and is summed up in one.
const LINES_MAX: usize = 25;

/// Has all sessions of a command counted, if it was asked for.
pub(super) fn start(asked: bool, context: &Context, config: &mut Config) -> Option<Arc<Profile>> {
    let profile = asked.then(|| Arc::new(Profile::new(Arc::clone(&context.clock))));
    config.source.endpoint.profile.clone_from(&profile);
    config.target.endpoint.profile.clone_from(&profile);
    profile
}

/// Writes the counts to stderr, also those of a command that failed.
pub(super) fn tell(context: &Context, profile: Option<&Profile>) {
    let Some(profile) = profile else {
        return;
    };
    let kinds = profile.kinds();
    if context.voice.is_json() {
        for Kind {
            end,
            statement,
            spent,
        } in &kinds
        {
            let elapsed_ms = u64::try_from(spent.elapsed.as_millis()).unwrap_or(u64::MAX);
            tracing::info!(
                end,
                statement,
                count = spent.count,
                elapsed_ms,
                sent_bytes = spent.sent_bytes,
                received_bytes = spent.received_bytes,
                "statements"
            );
        }
    } else {
        context.voice.say(&text(&kinds, &Screen::stderr(Color::Never)));
    }
}

/// The counts as a table, the longest first.
fn text(kinds: &[Kind], screen: &Screen) -> String {
    let mut table = Table::new([
        Column::name("End"),
        Column::text("Statement"),
        Column::number("Count"),
        Column::number("Seconds"),
        Column::number("ms each"),
        Column::number("Bytes sent"),
        Column::number("Bytes received"),
    ]);
    for kind in &kinds[..kinds.len().min(LINES_MAX)] {
        table.line(line(kind));
    }
    for end in ["source", "target"] {
        let rest = kinds.iter().skip(LINES_MAX).filter(|kind| kind.end == end);
        if let Some(rest) = sum(rest, end, "all others") {
            table.line(line(&rest));
        }
        if let Some(all) = sum(kinds.iter().filter(|kind| kind.end == end), end, "all") {
            table.line(line(&all));
        }
    }
    format!(
        "Statements, from request to the end of the answer; those of parallel connections overlap:\n{}",
        table.shown(screen).trim_end()
    )
}

fn sum<'a>(kinds: impl Iterator<Item = &'a Kind>, end: &'static str, name: &str) -> Option<Kind> {
    kinds
        .map(|kind| kind.spent)
        .reduce(|mut sum, spent| {
            sum.count += spent.count;
            sum.elapsed += spent.elapsed;
            sum.sent_bytes += spent.sent_bytes;
            sum.received_bytes += spent.received_bytes;
            sum
        })
        .map(|spent| Kind {
            end,
            statement: name.to_owned(),
            spent,
        })
}

fn line(kind: &Kind) -> [Cell; 7] {
    let spent = kind.spent;
    let each = spent.elapsed.div_f64(spent.count.max(1) as f64);
    [
        kind.end.into(),
        kind.statement.as_str().into(),
        spent.count.into(),
        format!("{:.2}", spent.elapsed.as_secs_f64()).into(),
        format!("{:.1}", milliseconds(each)).into(),
        spent.sent_bytes.into(),
        spent.received_bytes.into(),
    ]
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mssql::profile::Spent;

    fn kind(end: &'static str, statement: &str, count: u64, elapsed_ms: u64) -> Kind {
        Kind {
            end,
            statement: statement.to_owned(),
            spent: Spent {
                count,
                elapsed: Duration::from_millis(elapsed_ms),
                sent_bytes: 10 * count,
                received_bytes: 1000 * count,
            },
        }
    }

    #[test]
    fn the_table_ends_with_the_sum_of_each_end() {
        let kinds = [
            kind("source", "SELECT dbo.SALES", 1200, 6000),
            kind("target", "INSERT BULK #load", 1200, 3000),
            kind("target", "COMMIT", 1200, 600),
        ];
        insta::assert_snapshot!(text(&kinds, &Screen::none()), @r"
        Statements, from request to the end of the answer; those of parallel connections overlap:
        | End    | Statement         | Count | Seconds | ms each | Bytes sent | Bytes received |
        | ------ | ----------------- | ----: | ------: | ------: | ---------: | -------------: |
        | source | SELECT dbo.SALES  | 1,200 |    6.00 |     5.0 |     12,000 |      1,200,000 |
        | target | INSERT BULK #load | 1,200 |    3.00 |     2.5 |     12,000 |      1,200,000 |
        | target | COMMIT            | 1,200 |    0.60 |     0.5 |     12,000 |      1,200,000 |
        | source | all               | 1,200 |    6.00 |     5.0 |     12,000 |      1,200,000 |
        | target | all               | 2,400 |    3.60 |     1.5 |     24,000 |      2,400,000 |
        ");
    }

    #[test]
    fn what_takes_no_time_is_summed_up() {
        let mut kinds = vec![kind("target", "COMMIT", 1, 10); LINES_MAX];
        kinds.extend([kind("target", "A", 1, 1), kind("target", "B", 2, 1)]);
        let text = text(&kinds, &Screen::none());
        let rest = text.lines().find(|line| line.contains("all others")).unwrap();
        assert!(rest.contains("|     3 |"), "{text}");
    }
}
