//! The session's own table `#load`, which a batch is staged in before it is moved into its target.

use crate::base::error::Result;
use crate::base::failpoint;
use crate::model::plan::TablePlan;
use crate::model::row::Batch;
use crate::model::table::Identifier;
use crate::mssql::{Session, StageColumn};
use crate::target::table::Target;
use crate::tsql::expression::{STAGE, staged};
use crate::tsql::seek::Seeks;

/// Puts the batch into the session's `#load`. Its column types are those that the driver declares truthfully.
/// No other session sees the rows.
pub async fn stage(session: &mut Session, plan: &TablePlan, batch: &Batch) -> Result<()> {
    stage_all(session, plan, [batch]).await
}

/// The same with several batches, one after the other.
pub async fn stage_all<'a>(
    session: &mut Session,
    plan: &TablePlan,
    batches: impl IntoIterator<Item = &'a Batch>,
) -> Result<()> {
    let columns = empty_stage(session, plan).await?;
    failpoint::step("load: before the bulk load");
    let mut before = 0;
    for batch in batches {
        session.bulk_load(STAGE, before, batch, &columns).await?;
        before += batch.row_count();
    }
    failpoint::step("load: after the bulk load");
    Ok(())
}

/// Puts the rows of another target table into the session's `#load`. Returns their number.
pub async fn stage_from(
    session: &mut Session,
    plan: &TablePlan,
    from: &Target,
    range: &Seeks<'_>,
) -> Result<u64> {
    let columns = empty_stage(session, plan).await?;
    let names: Vec<String> = columns.iter().map(|column| column.name.quoted()).collect();
    let sql = format!(
        "INSERT INTO {STAGE} ({}) {}",
        names.join(", "),
        range.select(&from.select_to_stage(plan), &from.quoted)
    );
    session.execute(&sql, &range.params).await
}

/// Empties the session's `#load`, or makes it.
async fn empty_stage(session: &mut Session, plan: &TablePlan) -> Result<Vec<StageColumn>> {
    let columns: Vec<StageColumn> = plan
        .columns()
        .iter()
        .enumerate()
        .map(|(position, column)| {
            Ok(StageColumn {
                name: Identifier::new(staged(position))?,
                data_type: column.data_type,
            })
        })
        .collect::<Result<_>>()?;
    session.empty_stage(STAGE, &columns).await?;
    Ok(columns)
}

/// The statements before and after an INSERT of values into an identity column; empty if the target has none.
pub(super) fn identity_insert(target: &Target) -> [String; 2] {
    let numbered = target.columns.iter().any(|column| column.identity);
    ["ON", "OFF"].map(|switch| match numbered {
        true => format!("SET IDENTITY_INSERT {} {switch}; ", target.quoted),
        false => String::new(),
    })
}
