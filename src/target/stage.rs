//! The session's own table `#load`, which a batch is staged in before it is moved into its target.

use crate::base::error::Result;
use crate::base::failpoint;
use crate::model::plan::TablePlan;
use crate::model::row::{Batch, Value};
use crate::model::table::Identifier;
use crate::mssql::{Session, StageColumn, stage_table};
use crate::target::table::Target;
use crate::tsql::expression::{STAGE, staged};

/// Puts the batch into the session's `#load`. Its column types are those that the driver declares truthfully.
/// No other session sees the rows.
pub async fn stage(session: &mut Session, plan: &TablePlan, batch: &Batch) -> Result<()> {
    let columns = empty_stage(session, plan).await?;
    failpoint::step("load: before the bulk load");
    session.bulk_load(STAGE, batch, &columns).await?;
    failpoint::step("load: after the bulk load");
    Ok(())
}

/// Puts the rows of another target table into the session's `#load`. Returns their number.
pub async fn stage_from(
    session: &mut Session,
    plan: &TablePlan,
    from: &Target,
    filter: &str,
    params: &[Value<'_>],
) -> Result<u64> {
    let columns = empty_stage(session, plan).await?;
    let names: Vec<String> = columns.iter().map(|column| column.name.quoted()).collect();
    let sql = format!(
        "INSERT INTO {STAGE} ({}) SELECT {} FROM {}{filter}",
        names.join(", "),
        from.select(plan),
        from.quoted
    );
    session.execute(&sql, params).await
}

/// Recreates the session's `#load`.
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
    let make = stage_table(STAGE, &columns);
    session
        .batch(&format!("DROP TABLE IF EXISTS {STAGE}; {make}"))
        .await?;
    Ok(columns)
}

/// Does `work` with the right to insert values into an identity column, if the target has one.
pub async fn with_identity<T>(
    session: &mut Session,
    target: &Target,
    work: impl AsyncFnOnce(&mut Session) -> Result<T>,
) -> Result<T> {
    let numbered = target.columns.iter().any(|column| column.identity);
    if numbered {
        session
            .batch(&format!("SET IDENTITY_INSERT {} ON", target.quoted))
            .await?;
    }
    let done = work(session).await?;
    if numbered {
        session
            .batch(&format!("SET IDENTITY_INSERT {} OFF", target.quoted))
            .await?;
    }
    Ok(done)
}
