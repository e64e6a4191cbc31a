//! `sync rebuild` recreates the checkpoint file from the target's receipts.

use super::embedded::Embedded;
use crate::base::error::Result;
use crate::base::exit_code::ExitCode;
use crate::base::text::{counted, rows};
use crate::cli::context::{Context, result};
use crate::pipeline::rebuild::{Rebuilt, rebuild};

pub(super) async fn run(context: &Context) -> Result<ExitCode> {
    let mut config = context.load()?;
    let path = context.state_of(&config.path);
    let embedded = Embedded::start(&mut config, &context.clock).await?;
    let rebuilt = rebuild(&config, &path, &context.clock).await;
    embedded.stop().await;
    let rebuilt = rebuilt?;
    for table in &rebuilt.left_out {
        context.voice.say(&format!(
            "note: the target has receipts of {table}, which {} does not name; they are left out",
            config.path.display()
        ));
    }
    for table in &rebuilt.untold {
        context.voice.say(&format!(
            "warning: the target has receipts of {table}, but [sync].[plan] has lost the row that tells by which key they were \
             made, and no state file here does; they are left out: put the row back from a backup and rebuild again, or \
             `sync forget` the table, which is then loaded anew"
        ));
    }
    if let Some(aside) = &rebuilt.aside {
        context
            .voice
            .say(&format!("note: the old file is kept as {}", aside.display()));
    }
    result(&format!("{}\n", text(&path.display().to_string(), &rebuilt)))?;
    Ok(ExitCode::Done)
}

fn text(path: &str, rebuilt: &Rebuilt) -> String {
    if rebuilt.chunks == 0 {
        return format!("Rebuilt {path}: the target has no receipts, so nothing counts as loaded.");
    }
    format!(
        "Rebuilt {path} from the target's receipts: {}, {}, {}, {}. The next run compares them with the rows.",
        counted(rebuilt.tables, "table"),
        counted(rebuilt.windows, "window"),
        counted(rebuilt.chunks, "chunk"),
        rows(rebuilt.rows)
    )
}
